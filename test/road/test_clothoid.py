"""The clothoid against Fresnel integrals, and its derivatives against differences."""

import numpy as np
import pytest

from asap_ros.road import clothoid
from support.synthetic_roads import Truth

ROADS = [
    Truth(),
    Truth(curvature=0.02),
    Truth(rate=1e-3),
    Truth(curvature=0.01, rate=-1e-3),
    Truth(offset=-2.0, heading=-0.2, curvature=-0.015, rate=5e-4, width=3.5),
]


@pytest.mark.parametrize('truth', ROADS)
@pytest.mark.parametrize('side', [-1.0, 0.0, 1.0])
def test_points_are_those_of_the_fresnel_integrals(truth, side):
    s = np.linspace(-5, 45, 60)
    curve = clothoid.evaluate(truth.parameters, s, side)
    x, y = truth.edge(s, side)
    np.testing.assert_allclose(curve.x, x, atol=2e-7)
    np.testing.assert_allclose(curve.y, y, atol=2e-7)


@pytest.mark.parametrize('index', range(5))
def test_derivatives_by_parameters(index):
    parameters = np.array([0.3, 0.05, 0.01, -2e-4, 6.0])
    s, side = np.linspace(-2, 45, 50), np.where(np.arange(50) % 2, 1.0, -1.0)
    step = [1e-4, 1e-5, 1e-7, 1e-9, 1e-4][index]
    above, below = parameters.copy(), parameters.copy()
    above[index] += step
    below[index] -= step
    exact = clothoid.evaluate(parameters, s, side)
    above, below = clothoid.evaluate(above, s, side), clothoid.evaluate(below, s, side)
    scale = 1 + np.abs(exact.d_y[index]).max()
    np.testing.assert_allclose(
        exact.d_x[index], (above.x - below.x) / (2 * step), atol=1e-5 * scale
    )
    np.testing.assert_allclose(
        exact.d_y[index], (above.y - below.y) / (2 * step), atol=1e-5 * scale
    )


def test_derivatives_by_arc_length():
    parameters, s = np.array([0.3, 0.05, 0.01, -2e-4, 6.0]), np.linspace(0, 40, 30)
    exact = clothoid.evaluate(parameters, s, 1.0)
    above, below = (clothoid.evaluate(parameters, s + d, 1.0) for d in (1e-5, -1e-5))
    np.testing.assert_allclose(exact.s_x, (above.x - below.x) / 2e-5, atol=1e-7)
    np.testing.assert_allclose(exact.s_y, (above.y - below.y) / 2e-5, atol=1e-7)


def test_a_left_bend_has_positive_curvature_and_its_inner_parallel_bends_more():
    curve = clothoid.evaluate(np.array([0, 0, 0.02, 0, 7.0]), np.array([20.0]))
    assert curve.y[0] > 0 and curve.heading[0] > 0
    assert clothoid.parallel_curvature(0.02, 3.5) == pytest.approx(1 / (50 - 3.5))


def test_foot_is_where_the_centre_passes_the_origin():
    # A circle of radius 50 about (0, 49): the origin is 1 m to the right of its lowest point.
    s, offset = clothoid.closest_point(np.array([-1.0, 0.0, 0.02, 0.0, 7.0]))
    assert s == pytest.approx(0, abs=1e-9) and offset == pytest.approx(1.0)
    s, offset = clothoid.closest_point(np.array([2.0, 0.1, 0.0, 0.0, 7.0]))
    assert s == pytest.approx(-2 * np.sin(0.1)) and offset == pytest.approx(-2 * np.cos(0.1))


def test_sigma_of_curvature_is_that_of_the_linear_sum():
    covariance = np.zeros((6, 6))
    covariance[2:4, 2:4] = [[4e-6, -1e-7], [-1e-7, 1e-8]]
    draws = np.random.default_rng(0).multivariate_normal(
        [0, 0], covariance[2:4, 2:4], size=200_000
    )
    sampled = (draws[:, 0] + 20 * draws[:, 1]).std()
    assert clothoid.curvature_sigma(covariance, 20.0) == pytest.approx(sampled, rel=0.01)
