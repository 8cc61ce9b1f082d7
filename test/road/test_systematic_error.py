"""Bands hold on roads that are no single clothoid, and under a camera that is not so high."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from asap_ros.road.clothoid import C0, K0, K1, WIDTH
from asap_ros.road.clothoid_fit import default_prior, fit_road, inflate_covariance
from asap_ros.road.geometry import ReferenceCurve, Status
from asap_ros.road.options import RoadOptions
from asap_ros.road.systematic_error import LEAN, network_error, systematic_errors
from support.road_steps import road_of
from support.synthetic_roads import MOUNT, Truth, edge_points, render

PRIOR = default_prior(7.0, 3.0, 0.0175)


@dataclass(frozen=True)
class Chain(Truth):
    """A road whose curvature (1/m) is linear between knots (metres), as roads are laid out."""

    knots: tuple[float, ...] = ()
    bends: tuple[float, ...] = ()

    def edge(self, s, side):
        """Return an edge by summing up 2 cm steps."""
        fine = np.arange(-5.0, 120.0, 0.02)
        middle = fine[:-1] + 0.01
        zero = np.searchsorted(fine, 0.0)
        turned = np.concatenate([[0.0], np.cumsum(0.02 * self.curvature_at(middle))])
        heading = self.heading + turned - turned[zero]
        x = np.concatenate([[0.0], np.cumsum(0.02 * np.cos(0.5 * (heading[1:] + heading[:-1])))])
        y = np.concatenate([[0.0], np.cumsum(0.02 * np.sin(0.5 * (heading[1:] + heading[:-1])))])
        x, y = x - x[zero], self.offset + y - y[zero]
        half = 0.5 * side * self.width
        return (
            np.interp(s, fine, x - half * np.sin(heading)),
            np.interp(s, fine, y + half * np.cos(heading)),
        )

    def curvature_at(self, s):
        """Return the true curvature at arc length s."""
        return np.interp(s, self.knots, self.bends)


def roads(count, rng):
    """Yield roads of straights, arcs and spirals, with the vehicle anywhere along them."""
    for _ in range(count):
        bend = rng.choice([-1, 1]) / rng.uniform(110, 240)
        spiral = rng.uniform(50, 70)
        begin = rng.uniform(-spiral, 35)
        arc = rng.uniform(30, 80)
        knots = begin + np.cumsum([0.0, spiral, arc, spiral])
        yield Chain(
            offset=rng.normal(0, 1),
            heading=0.0,
            width=7.0,
            knots=tuple(knots),
            bends=(0.0, bend, bend, 0.0),
        )


@pytest.mark.parametrize('sigma', [0.0, 1.0])
def test_bands_hold_on_roads_of_straights_arcs_and_spirals(sigma):
    rng, pulls, off = np.random.default_rng(5), [], []
    for truth in roads(60, rng):
        found = road_of(render(truth, sigma=sigma, rng=rng)).geometry
        assert found.valid
        row = []
        for at in (10.0, 20.0):
            wrong = np.interp(at, found.s, found.curvature_at_s) - truth.curvature_at(at)
            row.append(abs(wrong) / np.interp(at, found.s, found.curvature_at_s_sigma))
        off.append(wrong)
        pulls.append([*row, abs(found.lateral_offset - truth.offset) / found.lateral_offset_sigma])
    pulls = np.array(pulls)
    assert np.sqrt(np.mean(np.square(off))) < 0.5e-3
    # By their pixels alone the 95 % bands would hold under 60 % of the roads without noise.
    assert np.all((pulls < 1.96).mean(axis=0) > 0.8), (pulls < 1.96).mean(axis=0)
    assert np.all((pulls < 1.0).mean(axis=0) > 0.5), (pulls < 1.0).mean(axis=0)


@pytest.mark.parametrize('kink', [1, 2, 3])
def test_a_departure_is_what_the_fit_makes_of_such_a_road(kink):
    camera = MOUNT.camera()
    straight = fit_road(camera, edge_points(Truth(curvature=0.006)), PRIOR)
    found = systematic_errors(straight.parameters, camera, RoadOptions(), straight, PRIOR)
    shift, start, slope = found.shift[kink], found.start[kink, 0], found.slope[kink, 0]
    bend = Chain(
        curvature=0.006,
        knots=(-10.0, start, 110.0),
        bends=(0.006, 0.006, 0.006 + slope * (110 - start)),
    )
    moved = fit_road(camera, edge_points(bend), PRIOR).parameters - straight.parameters
    scale = np.sqrt(np.diag(straight.covariance)) + np.abs(shift)
    assert np.abs((moved - shift) / scale).max() < 0.3


def test_a_camera_that_is_higher_than_believed_shrinks_the_road_as_stated():
    truth = Truth(offset=1.5, curvature=0.006, rate=5e-5)
    camera = MOUNT.camera()
    fit = fit_road(camera, edge_points(truth), PRIOR)
    right = fit.parameters
    high = fit_road(
        camera, edge_points(truth, replace(MOUNT, up=MOUNT.up + 0.02)), PRIOR
    ).parameters
    shift = systematic_errors(right, camera, RoadOptions(height_sigma=0.02), fit, PRIOR).shift[0]
    for name in (C0, K0, WIDTH):
        assert right[name] - high[name] == pytest.approx(shift[name], rel=0.1)
    assert np.sign(right[K1] - high[K1]) == np.sign(shift[K1])


def test_a_straight_road_is_as_well_known_as_its_pixels_say():
    found = road_of(render(Truth(offset=0.0, heading=0.0)))
    statistical = np.sqrt(found.fit.covariance[K0, K0])
    assert found.geometry.curvature_sigma == pytest.approx(statistical, rel=0.15)


def test_bands_hold_edges_that_lean_where_a_network_drew_them():
    rng, pulls = np.random.default_rng(4), {'exact': [], 'predicted': []}
    truth = Truth()
    for _ in range(60):
        points = edge_points(truth, sigma=0.5, rng=rng)
        u = points.u.copy()
        for side in (1.0, -1.0):
            at = points.side == side
            along = (points.v[at] - points.v[at].min()) / np.ptp(points.v[at])
            u[at] += rng.normal(0.0, LEAN) * (2 * along - 1)
        fit = fit_road(MOUNT.camera(), replace(points, u=u), PRIOR)
        wrong = abs(fit.parameters[C0] - truth.offset)
        pulls['exact'].append(wrong / np.sqrt(fit.covariance[C0, C0]))
        told = inflate_covariance(fit, network_error(fit, PRIOR))
        pulls['predicted'].append(wrong / np.sqrt(told.covariance[C0, C0]))
    held = {labels: np.mean(np.array(pull) < 1.96) for labels, pull in pulls.items()}
    assert held['predicted'] >= 0.9 > 0.7 > held['exact'], held


def test_labels_with_a_confidence_are_a_networks():
    mask = render(Truth(curvature=0.004))
    sure = np.full(mask.shape, 255, np.uint8)
    exact, predicted = road_of(mask).geometry, road_of(mask, confidence=sure).geometry
    assert np.all(predicted.curvature_at_s_sigma > exact.curvature_at_s_sigma)
    np.testing.assert_array_equal(predicted.path[:10], exact.path[:10])


def test_a_doubted_fit_says_by_that_much_less():
    rng = np.random.default_rng(1)
    fit = fit_road(MOUNT.camera(), edge_points(Truth(), sigma=1.0, rng=rng), PRIOR)
    shifts = network_error(fit, PRIOR)
    told = inflate_covariance(fit, shifts)
    np.testing.assert_allclose(told.covariance, fit.covariance + shifts.T @ shifts)
    unit = np.sqrt(np.diag(fit.covariance))
    alone, less = (
        np.linalg.inv(each.information / np.outer(1 / unit, 1 / unit)) for each in (fit, told)
    )
    scaled = shifts / unit
    np.testing.assert_allclose(less, alone + scaled.T @ scaled, rtol=1e-6, atol=1e-6)


@dataclass(frozen=True)
class Waves(Truth):
    """A road over waves of the ground, ``phase`` radians from the top of one, 200 m long."""

    phase: float = 0.0

    def fall(self, s, crest):
        """Return metres below the tangent plane at s = 0; ``crest`` 1/m is that of the tops."""
        wave = 2 * np.pi / 200.0
        height = crest / wave**2 * (np.cos(wave * s + self.phase) - np.cos(self.phase))
        return -(height + crest / wave * np.sin(self.phase) * s)


def test_bands_hold_over_ground_that_is_no_parabola():
    pulls = []
    for curvature, offset in ((0.0, 1.5), (0.004, 1.5), (0.004, -1.5)):
        for crest in (1 / 400, 1 / 800):
            for phase in np.linspace(0, 2 * np.pi, 8, endpoint=False):
                truth = Waves(curvature=curvature, offset=offset, phase=phase)
                found = road_of(render(truth, crest=crest)).geometry
                if found.valid and found.status & Status.NOT_FLAT:
                    wrong = np.interp(10.0, found.s, found.curvature_at_s) - curvature
                    pulls.append(abs(wrong) / np.interp(10.0, found.s, found.curvature_at_s_sigma))
    assert len(pulls) > 30
    # Were the ground taken for a parabola, the 95 % bands would hold 70 %.
    assert np.mean(np.array(pulls) < 1.96) > 0.85, pulls


def test_a_parallel_through_the_vehicle_keeps_its_departures():
    options = RoadOptions(reference=ReferenceCurve.EGO_PARALLEL)
    truth = Truth(offset=-2.0, curvature=0.008)
    centre, parallel = (road_of(render(truth), o).geometry for o in (None, options))
    assert parallel.lateral_offset_sigma == 0.0
    assert parallel.curvature_sigma == pytest.approx(centre.curvature_sigma, rel=0.1)
