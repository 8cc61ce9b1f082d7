"""The information of correlated edges, against how fits really scatter."""

import numpy as np
import pytest

from asap_ros.road.correlated_noise import fisher_information, rows_per_sample
from support.synthetic_roads import autoregressive


def line_fits(rho, draws, count=120):
    """Return slopes fitted to AR(1) noise on two edges, the claimed sigmas, and the last rho."""
    rng = np.random.default_rng(5)
    t = np.tile(np.linspace(-1, 1, count), 2)
    side, row = np.repeat([1.0, -1.0], count), np.tile(np.arange(count), 2)
    design = np.stack([np.ones_like(t), t, side, side * t, t * t, t**3], axis=1)
    solver = np.linalg.pinv(design)
    found, claimed, rhos, sigmas = [], [], [], []
    for _ in range(draws):
        noise = 1.5 * np.concatenate([autoregressive(count, rho, rng) for _ in range(2)])
        solution = solver @ noise
        data, sigma, estimate = fisher_information(
            noise - design @ solution, design, np.ones(len(t), bool), side, row, 0.1
        )
        found.append(solution)
        claimed.append(np.diag(np.linalg.inv(data)))
        rhos.append(estimate)
        sigmas.append(sigma)
    return np.array(found), np.array(claimed), np.median(rhos), np.median(sigmas)


@pytest.mark.parametrize('rho', [0.0, 0.5, 0.8])
def test_claimed_variance_is_the_variance(rho):
    found, claimed, estimate, sigma = line_fits(rho, 400)
    ratio = np.median(claimed, axis=0) / found.var(axis=0)
    assert np.all((0.7 < ratio) & (ratio < 1.45)), ratio
    assert estimate == pytest.approx(rho, abs=0.06)
    assert sigma == pytest.approx(1.5, rel=0.08)


def test_plain_least_squares_would_have_claimed_far_too_much():
    found, claimed, _, _ = line_fits(0.8, 200)
    plain = 1.5**2 / 240
    assert found[:, 0].var() > 5 * plain
    assert np.median(claimed[:, 0]) > 5 * plain


def test_one_edge_says_nothing_of_what_it_does_not_see():
    t = np.linspace(-1, 1, 60)
    design = np.zeros((60, 6))
    design[:, 0], design[:, 1], design[:, 4] = 1.0, t, 0.5
    noise = np.random.default_rng(0).normal(size=60)
    data, _, _ = fisher_information(
        noise, design, np.ones(60, bool), np.ones(60), np.arange(60), 0.1
    )
    unseen = np.array([0.5, 0, 0, 0, -1.0, 0])
    assert unseen @ data @ unseen == pytest.approx(0, abs=1e-6 * data[0, 0])
    assert data[0, 0] > 1


def test_too_few_points_fall_back_on_the_floor():
    data, sigma, rho = fisher_information(
        np.zeros(4), np.ones((4, 6)), np.ones(4, bool), np.ones(4), np.arange(4), 0.5
    )
    assert sigma == 0.5 and rho == 0.0 and np.isfinite(data).all()


@pytest.mark.parametrize('rho, alike', [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_pixels_that_err_alike_say_less(rho, alike):
    rng, side = np.random.default_rng(2), np.repeat([1.0, -1.0], 150)
    found = [
        rows_per_sample(
            np.concatenate([autoregressive(150, rho, rng) for _ in range(2)]),
            np.ones(300, bool),
            side,
            0.1,
        )
        for _ in range(60)
    ]
    assert np.median(found) == pytest.approx(alike, rel=0.15)


def test_what_whole_pixels_leave_is_no_sign_of_errors_alike():
    smooth = 0.02 * np.cos(np.linspace(0, 3, 100))
    used, side = np.ones(100, bool), np.ones(100)
    assert rows_per_sample(smooth, used, side, 0.29) < 1.02
    assert rows_per_sample(smooth, used, side, 1e-6) > 30
