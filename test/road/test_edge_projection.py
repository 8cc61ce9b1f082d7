"""The projection of edges and its derivatives, against scipy's rotations and differences."""

import numpy as np
import pytest

from asap_ros.road.edge_detection import ABSENT, FIXED, OCCLUDED, Edges
from asap_ros.road.edge_projection import edge_points as points_of
from asap_ros.road.edge_projection import linearise, project_edge
from support.synthetic_roads import MOUNT, Mount, Truth, edge_points

PARAMETERS = np.array([0.2, 0.03, 0.004, 1e-4, 6.8, 0.004, 2e-4])
TILTED = Mount(roll=0.05, yaw=-0.1, x=1.7, y=0.2, pitch=0.06)
STEPS = [1e-4, 1e-6, 1e-7, 1e-9, 1e-4, 1e-7, 1e-7]


def settled(camera, points, parameters):
    """Return the arc lengths at which the edges meet the points' rows."""
    s = np.full(len(points.u), 15.0)
    for _ in range(12):
        s = s + np.clip(linearise(camera, points, parameters, s)[4], -5, 5)
    return s


@pytest.mark.parametrize('mount', [MOUNT, TILTED])
@pytest.mark.parametrize('side', [1.0, -1.0])
def test_edges_are_where_the_truth_projects_them(mount, side):
    s = np.linspace(6, 40, 30)
    truth = Truth(*PARAMETERS[:5])
    x, y = truth.edge(s, side)
    found = project_edge(mount.camera(), np.append(PARAMETERS[:5], [0.0, 3e-4]), s, side)
    np.testing.assert_allclose(found[:2], mount.pixels(x, y, -0.5 * 3e-4 * s * s), atol=1e-4)
    nose_down = mount.camera().pitched(0.01)
    found = project_edge(mount.camera(), np.append(PARAMETERS[:5], [0.01, 0.0]), s, side)
    np.testing.assert_allclose(found[:2], nose_down.project(x, y), atol=1e-4)


@pytest.mark.parametrize('index', range(7))
@pytest.mark.parametrize('mount', [MOUNT, TILTED])
def test_jacobian_is_that_of_the_residual(index, mount):
    camera, points = mount.camera(), edge_points(Truth(curvature=0.005, rate=1e-4))
    above, below = PARAMETERS.copy(), PARAMETERS.copy()
    above[index] += STEPS[index]
    below[index] -= STEPS[index]
    s = settled(camera, points, PARAMETERS)
    exact = linearise(camera, points, PARAMETERS, s)
    up, down = (
        linearise(camera, points, p, settled(camera, points, p))[0] for p in (above, below)
    )
    slope = -(up - down) / (2 * STEPS[index])
    np.testing.assert_allclose(exact[1][index], slope, atol=1e-4 * (1 + np.abs(slope).max()))


def test_arc_lengths_follow_a_step_of_the_parameters():
    camera, points = MOUNT.camera(), edge_points(Truth(curvature=0.005))
    step = np.array([0.01, 1e-3, 1e-4, 1e-6, 0.01, 2e-4, 1e-5])
    s = settled(camera, points, PARAMETERS)
    along = linearise(camera, points, PARAMETERS, s)[5]
    left = [
        np.abs(linearise(camera, points, PARAMETERS + step, at)[4]).max()
        for at in (s, s + step @ along)
    ]
    assert left[1] < 0.1 * left[0]


def test_only_fixed_edges_are_points():
    edges = Edges(
        v=np.array([400.0, 399, 398]),
        left_u=np.array([1.5, 2.5, 3.5]),
        right_u=np.array([900.5, 899.5, 898.5]),
        left_kind=np.array([FIXED, OCCLUDED, FIXED], np.uint8),
        right_kind=np.array([ABSENT, FIXED, OCCLUDED], np.uint8),
    )
    points = points_of(edges)
    np.testing.assert_array_equal(points.u, [1.5, 3.5, 899.5])
    np.testing.assert_array_equal(points.v, [400, 398, 399])
    np.testing.assert_array_equal(points.side, [1, 1, -1])
