"""The joint fit of both edges, from edge pixels: accuracy, pitch, occlusion, honest sigmas."""

import numpy as np
import pytest

from asap_ros.road import clothoid
from asap_ros.road.clothoid import C0, K0, K1, PITCH, PSI, WIDTH
from asap_ros.road.clothoid_fit import default_prior, fit_road, inflate_pitch, shows_crest
from asap_ros.road.edge_projection import EdgePixels
from support.synthetic_roads import MOUNT, Truth, edge_points

PRIOR = default_prior(7.0, 3.0, 0.0175)
CAMERA = MOUNT.camera()
DRAWS = 150


def fit(truth, camera=CAMERA, prior=PRIOR, **points):
    return fit_road(camera, edge_points(truth, **points), prior)


def errors(truth, found, at=None):
    """Return what a fit is wrong by: the six parameters, or the curvature at arc length."""
    off = found.parameters - np.append(truth.parameters, 0.0)
    return off if at is None else off[K0] + off[K1] * at


def roads(draws, curvatures, widths, seed=0, **points):
    """Yield random roads with noisy edges and their fits."""
    rng = np.random.default_rng(seed)
    for i in range(draws):
        truth = Truth(
            offset=rng.normal(0, 0.5),
            heading=rng.normal(0, 0.02),
            curvature=curvatures[i % len(curvatures)],
            width=widths[i % len(widths)],
        )
        yield truth, fit(truth, rng=rng, **points)


def rmse(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize('curvature', [0.0, 1 / 200, -1 / 200, 1 / 50, -1 / 50])
@pytest.mark.parametrize('width', [3.5, 7.0])
def test_without_noise(curvature, width):
    truth = Truth(curvature=curvature, width=width)
    found = fit(truth)
    off = errors(truth, found)
    assert found.converged
    assert abs(errors(truth, found, at=10)) < 1e-6
    assert abs(off[C0]) < 1e-3 and abs(off[PSI]) < 1e-4 and abs(off[WIDTH]) < 1e-3


@pytest.mark.parametrize(
    'start, rate', [(0.0, 3e-4), (0.0, 1e-3), (0.0, -1e-3), (0.01, -1e-3), (-0.015, 1e-3)]
)
def test_spirals_and_s_curves(start, rate):
    truth = Truth(curvature=start, rate=rate)
    found = fit(truth)
    assert abs(errors(truth, found, at=20)) < 1e-5
    assert abs(errors(truth, found)[K1]) < 2e-6


@pytest.mark.parametrize(
    'sigma, far, near, offset', [(1.0, 0.13e-3, 0.35e-3, 0.035), (2.0, 0.27e-3, 0.7e-3, 0.065)]
)
@pytest.mark.parametrize('curvature', [0.0, 1 / 200, -1 / 100])
def test_noise(sigma, far, near, offset, curvature):
    found = list(roads(DRAWS, [curvature], [3.5, 7.0], sigma=sigma))
    assert rmse([errors(t, f, at=20) for t, f in found]) < far
    assert rmse([errors(t, f, at=10) for t, f in found]) < near
    assert rmse([errors(t, f)[C0] for t, f in found]) < offset


@pytest.mark.parametrize(
    'degrees, limit', [(0.5, 0.45e-3), (-0.5, 0.45e-3), (1, 0.5e-3), (-1, 0.5e-3)]
)
def test_pitch_that_is_not_the_calibrated_one(degrees, limit):
    rng, wrong = np.random.default_rng(3), np.radians(degrees)
    curvatures, pitches = [], []
    for i in range(DRAWS // 2):
        truth = Truth(curvature=[0.0, 1 / 200, -1 / 200][i % 3], offset=rng.normal(0, 0.3))
        found = fit_road(
            MOUNT.camera(believed_pitch=MOUNT.pitch - wrong),
            edge_points(truth, sigma=1.0, rng=rng),
            PRIOR,
        )
        curvatures.append(errors(truth, found, at=10))
        pitches.append(found.parameters[PITCH] - wrong)
    assert rmse(curvatures) < limit
    assert np.abs(pitches).max() < 0.9e-3


def test_an_edge_hidden_for_a_stretch_costs_little():
    hidden = {'hidden': (12.0, 20.0), 'sigma': 1.0}
    clean = rmse([errors(t, f, at=10) for t, f in roads(300, [0, 0.01, -0.01], [7.0], sigma=1.0)])
    parked = rmse([errors(t, f, at=10) for t, f in roads(300, [0, 0.01, -0.01], [7.0], **hidden)])
    assert parked < 1.3 * clean


@pytest.mark.parametrize(
    'curvatures, widths',
    [([0.0], [3.5, 7.0]), ([1 / 200, -1 / 200], [3.5, 7.0]), ([1 / 100, -1 / 100], [3.5, 7.0])],
)
@pytest.mark.parametrize('sigma', [1.0, 2.0])
def test_bands_hold_what_they_claim(curvatures, widths, sigma):
    scores = []
    for truth, found in roads(300, curvatures, widths, seed=7, sigma=sigma):
        off = errors(truth, found)
        pulls = list(np.abs(off) / np.sqrt(np.diag(found.covariance)))
        for at in (10.0, 20.0):
            pulls.append(
                abs(errors(truth, found, at)) / clothoid.curvature_sigma(found.covariance, at)
            )
        scores.append([pulls[i] for i in (C0, PSI, WIDTH, PITCH, 6, 7)])
    within = np.array([(np.array(scores) < limit).mean(axis=0) for limit in (1.0, 1.96)])
    assert np.all((within[0] > 0.60) & (within[0] < 0.76)), within[0]
    assert np.all((within[1] > 0.90) & (within[1] < 0.98)), within[1]


def test_one_edge_is_enough_for_curvature_but_not_for_the_width():
    rng, off, edges = np.random.default_rng(0), [], []
    prior = default_prior(7.0, 3.0, 0.005)
    for _ in range(40):
        points = edge_points(Truth(curvature=0.005), sigma=1.0, rng=rng)
        left = points.side > 0
        found = fit_road(
            CAMERA, EdgePixels(points.u[left], points.v[left], points.side[left]), prior
        )
        assert found.converged
        off.append(found.parameters[K0] + 20 * found.parameters[K1] - 0.005)
        edges.append(found.parameters[C0] + found.parameters[WIDTH] / 2 - 3.8)
        assert found.covariance[WIDTH, WIDTH] > 2.5**2
    assert rmse(off) < 1.5e-3
    assert rmse(edges) < 0.3


def test_a_side_road_does_not_bend_the_road():
    truth = Truth(curvature=0.005)
    points = edge_points(truth, sigma=1.0, rng=np.random.default_rng(1))
    opening = (points.side < 0) & (points.v < MOUNT.row_of(15)) & (points.v > MOUNT.row_of(25))
    found = fit_road(CAMERA, EdgePixels(points.u + 150 * opening, points.v, points.side), PRIOR)
    assert (found.weight[opening] == 0).all()
    assert abs(errors(truth, found, at=20)) < 0.5e-3


def test_mirrored_points_give_the_mirrored_road():
    truth = Truth(offset=0.4, heading=0.03, curvature=0.006, rate=1e-4)
    points = edge_points(truth, sigma=1.0, rng=np.random.default_rng(2))
    mirrored = EdgePixels(MOUNT.width - 1 - points.u, points.v, -points.side)
    one, other = fit_road(CAMERA, points, PRIOR), fit_road(CAMERA, mirrored, PRIOR)
    sign = np.array([-1, -1, -1, -1, 1, 1])
    np.testing.assert_allclose(other.parameters, sign * one.parameters, atol=1e-9)
    np.testing.assert_allclose(
        other.covariance, np.outer(sign, sign) * one.covariance, rtol=1e-6, atol=1e-15
    )


def test_too_few_points_are_no_road():
    points = edge_points(Truth())
    assert fit_road(CAMERA, EdgePixels(points.u[:7], points.v[:7], points.side[:7]), PRIOR) is None


@pytest.mark.parametrize('crest', [1 / 400, -1 / 400, 1 / 1600, -1 / 1600])
@pytest.mark.parametrize('curvature', [0.0, 0.005])
def test_a_bent_ground_is_seen_and_fitted(crest, curvature):
    truth = Truth(curvature=curvature)
    points = edge_points(truth, crest=crest)
    flat = fit_road(CAMERA, points, PRIOR)
    assert shows_crest(flat)
    bent = fit_road(CAMERA, points, PRIOR, crest_sigma=1e-3, start=flat)
    assert bent.converged and bent.crest == pytest.approx(crest, rel=0.1)
    assert abs(errors(truth, bent, at=20)) < 3e-4
    assert abs(errors(truth, bent, at=20)) < 0.1 * abs(errors(truth, flat, at=20)) + 1e-5


def test_bands_hold_on_a_bent_ground():
    pulls, rng = [], np.random.default_rng(11)
    for i in range(200):
        truth = Truth(curvature=[0.0, 0.005, -0.01][i % 3], width=[3.5, 7.0][i % 2])
        points = edge_points(truth, crest=1 / 1000, sigma=1.0, rng=rng)
        found = fit_road(
            CAMERA, points, PRIOR, crest_sigma=1e-3, start=fit_road(CAMERA, points, PRIOR)
        )
        pulls.append(
            [
                abs(errors(truth, found, at)) / clothoid.curvature_sigma(found.covariance, at)
                for at in (10.0, 20.0)
            ]
        )
    assert np.all((np.array(pulls) < 1).mean(axis=0) > 0.58)
    assert np.all((np.array(pulls) < 1.96).mean(axis=0) > 0.88)


def test_noise_is_not_taken_for_a_bent_ground():
    bent = [shows_crest(f) for _, f in roads(300, [0, 0.005, -0.01], [3.5, 7.0], sigma=1.0)]
    assert np.mean(bent) < 0.02


def test_a_doubted_pitch_widens_the_bands_to_the_other_reading():
    truth = Truth(curvature=0.005, widening=0.02)
    fit_ = fit(truth)
    doubted = inflate_pitch(fit_, 0.0)
    for at in (10, 20, 30):
        assert abs(errors(truth, fit_, at)) < 2 * clothoid.curvature_sigma(doubted.covariance, at)
    assert abs(errors(truth, fit_, 20)) > 3 * clothoid.curvature_sigma(fit_.covariance, 20)
    # The data's information falls by as much as the covariance grows.
    prior = np.diag(PRIOR.sigma**-2.0)
    np.testing.assert_allclose(
        np.diag(np.linalg.inv(doubted.information + prior)), np.diag(doubted.covariance), rtol=0.1
    )


def test_what_is_believed_of_roads_counts_where_pixels_err_alike(monkeypatch):
    """Of a short stretch of one edge, the errors of some hundred rows are those of a few."""

    def wrong():
        rng, off = np.random.default_rng(6), []
        for curvature in [0.004, -0.008] * 40:
            truth = Truth(curvature=curvature, rate=-1e-4)
            points = edge_points(truth, near=10.0, far=25.0, sigma=4.0, rng=rng)
            seen = points.side > 0
            off.append(
                errors(
                    truth,
                    fit_road(
                        CAMERA,
                        EdgePixels(points.u[seen], points.v[seen], points.side[seen]),
                        PRIOR,
                    ),
                    at=20,
                )
            )
        return rmse(off)

    counted = wrong()
    monkeypatch.setattr('asap_ros.road.clothoid_fit.rows_per_sample', lambda *_: 1.0)
    assert counted < 0.8 * wrong()
