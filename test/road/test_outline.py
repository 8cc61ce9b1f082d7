"""The lines of a corridor: where its edges are, and how wide their bands."""

from dataclasses import replace

import numpy as np

from asap_ros.road.geometry import ReferenceCurve, Status, invalid
from asap_ros.road.outline import outline
from support.road_steps import road_of
from support.synthetic_roads import Truth, render

TRUTH = Truth(offset=0.4, heading=0.03, curvature=0.006, rate=1e-4)


def geometry_of(truth=TRUTH):
    return road_of(render(truth)).geometry


def test_edges_are_the_roads_own():
    geometry = geometry_of()
    lines = outline(geometry)
    for line, side in zip(lines.edges, (1, -1)):
        x, y = TRUTH.edge(geometry.s, side)
        np.testing.assert_allclose(line.points, np.stack([x, y], axis=1), atol=0.03)
    x, y = TRUTH.centre(geometry.s)
    np.testing.assert_allclose(lines.centre.points, np.stack([x, y], axis=1), atol=0.03)


def test_bands_are_across_the_line_and_hold_both_sigmas():
    geometry = geometry_of()
    lines = outline(geometry)
    heading = geometry.path[:, 2]
    along = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    for line, sigma in (
        (lines.centre, geometry.lateral_at_s_sigma),
        (lines.edges[0], np.hypot(geometry.lateral_at_s_sigma, 0.5 * geometry.width_sigma)),
    ):
        reach = line.first - line.points
        np.testing.assert_allclose((reach * along).sum(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(np.hypot(*reach.T), 1.96 * sigma, rtol=1e-9)
        np.testing.assert_allclose(line.points - line.second, reach, atol=1e-12)


def test_a_parallel_through_the_vehicle_has_no_edges():
    lines = outline(replace(geometry_of(), reference=ReferenceCurve.EGO_PARALLEL))
    assert lines.edges is None and len(lines.centre.points)


def test_an_invalid_corridor_has_no_lines():
    assert outline(invalid(Status.SHORT_VIEW)) is None
