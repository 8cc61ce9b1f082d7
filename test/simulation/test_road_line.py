from __future__ import annotations

import numpy as np
import pytest
from scipy.special import fresnel

from asap_simulation.road_line import RoadLine

LINE = RoadLine(
    knots=np.array([0.0, 40.0, 90.0, 150.0, 200.0, 260.0, 310.0]),
    curvatures=np.array([0.0, 0.0, 1 / 80, 1 / 80, -1 / 120, -1 / 120, 0.0]),
    widths=np.array([7.0, 7.0, 8.0, 8.0, 6.5, 6.5, 6.5]),
)


def test_a_spiral_is_fresnels():
    s = np.linspace(40.0, 90.0, 101)
    x, y, heading = LINE.at(s)
    u, rate = s - 40.0, 1 / 80 / 50
    sine, cosine = fresnel(u * np.sqrt(rate / np.pi))
    np.testing.assert_allclose(x, 40 + cosine * np.sqrt(np.pi / rate), atol=1e-7)
    np.testing.assert_allclose(y, sine * np.sqrt(np.pi / rate), atol=1e-7)
    np.testing.assert_allclose(heading, 0.5 * rate * u * u, atol=1e-12)


def test_an_arc_is_a_circle():
    x, y, heading = LINE.at(np.array([90.0, 110.0, 140.0]))
    centre = np.stack([x - 80 * np.sin(heading), y + 80 * np.cos(heading)])
    np.testing.assert_allclose(centre, centre[:, :1].repeat(3, axis=1), atol=1e-7)


def test_the_road_goes_straight_on_beyond_its_ends():
    x, y, heading = LINE.at(np.array([-30.0, -10.0]))
    np.testing.assert_allclose([*x, *y, *heading], [-30, -10, 0, 0, 0, 0], atol=1e-9)
    end, beyond = (np.array(LINE.at(s)) for s in (310.0, 350.0))
    direction = [np.cos(end[2]), np.sin(end[2])]
    np.testing.assert_allclose(beyond[:2], end[:2] + 40 * np.array(direction), atol=1e-9)


def test_curvature_is_the_change_of_heading():
    s = np.linspace(1.0, 309.0, 700)
    s = s[np.abs(s[:, None] - LINE.knots).min(axis=1) > 0.01]
    rate = (LINE.at(s + 1e-4)[2] - LINE.at(s - 1e-4)[2]) / 2e-4
    np.testing.assert_allclose(LINE.curvature(s), rate, atol=1e-8)
    change = (LINE.curvature(s + 1e-3) - LINE.curvature(s - 1e-3)) / 2e-3
    np.testing.assert_allclose(LINE.curvature_rate(s), change, atol=1e-9)


def test_nearest_finds_what_beside_placed():
    rng = np.random.default_rng(1)
    s, d = rng.uniform(20, 290, (20, 15)), rng.uniform(-12, 12, (20, 15))
    x, y, _ = LINE.offset(s, d)
    found_s, found_d = LINE.nearest(x, y, 0.0, 310.0)
    np.testing.assert_allclose(found_s, s, atol=1e-6)
    np.testing.assert_allclose(found_d, d, atol=1e-6)


@pytest.mark.parametrize(
    'change, reason',
    [
        ({'knots': LINE.knots[::-1]}, 'increase'),
        ({'widths': 0 * LINE.widths}, 'positive'),
        ({'knots': LINE.knots + 0.1}, 'multiples'),
        ({'curvatures': LINE.curvatures + 0.01}, 'straight'),
    ],
)
def test_what_is_no_road_is_refused(change, reason):
    parts = {'knots': LINE.knots, 'curvatures': LINE.curvatures, 'widths': LINE.widths, **change}
    with pytest.raises(ValueError, match=reason):
        RoadLine(**parts)
