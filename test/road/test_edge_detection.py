"""Which pixels are edges of the road, and which only hide one."""

import numpy as np
import pytest

from asap_ros.road.edge_detection import ABSENT, FIXED, OCCLUDED
from asap_ros.road.options import RoadOptions
from support.road_steps import edges_of
from support.synthetic_roads import (
    BUILDING,
    CAR,
    LABELS,
    MOUNT,
    PERSON,
    ROAD,
    SIDEWALK,
    SKY,
    Box,
    Truth,
    render,
)

STRAIGHT = Truth(offset=0.0, heading=0.0, width=7.0)


def strip(columns, label=ROAD):
    """Return a mask of pavement with the road in a range of columns."""
    mask = np.full((512, 1024), SIDEWALK, np.uint8)
    mask[:213] = SKY
    mask[213:, columns[0] : columns[1]] = label
    return mask


def test_edges_lie_between_the_pixels():
    edges = edges_of(strip((300, 700)))
    assert (edges.left_u == 299.5).all() and (edges.right_u == 699.5).all()
    assert (edges.left_kind == FIXED).all() and (edges.right_kind == FIXED).all()
    assert (np.diff(edges.v) < 0).all(), 'nearest first'
    assert (np.diff(edges.v[edges.v < MOUNT.row_of(12)]) == -1).all(), 'every row far away'
    assert edges.v[0] == pytest.approx(MOUNT.row_of(5), abs=1.5)
    assert edges.v[-1] == pytest.approx(MOUNT.row_of(40), abs=1.5)


@pytest.mark.parametrize('curvature', [0.0, 0.01, -0.01])
def test_edges_of_a_road_are_where_it_was_drawn(curvature):
    truth = Truth(curvature=curvature)
    edges = edges_of(render(truth))
    for side, u, kind in (
        (1, edges.left_u, edges.left_kind),
        (-1, edges.right_u, edges.right_kind),
    ):
        there = kind == FIXED
        off = u[there] - truth.crossings(MOUNT, side)[edges.v[there].astype(int)]
        assert np.abs(off).max() < 1.0 and abs(off.mean()) < 0.1


@pytest.mark.parametrize('label', [CAR, PERSON])
def test_a_parked_car_hides_the_edge(label):
    mask = strip((300, 700))
    mask[300:400, 640:760] = label
    edges = edges_of(mask)
    beside = (edges.v > 303) & (edges.v < 397)
    assert (edges.right_kind[beside] == OCCLUDED).all()
    assert (edges.left_kind == FIXED).all()
    assert (edges.right_kind[(edges.v < 297) | (edges.v > 403)] == FIXED).all()


def test_a_wall_is_an_edge():
    mask = strip((300, 700))
    mask[300:400, 700:] = BUILDING
    assert (edges_of(mask).right_kind == FIXED).all()


def test_a_car_ahead_does_not_end_the_road_behind_it():
    mask = render(STRAIGHT, boxes=(Box(15.0, 0.0, 1.8, 0.6),))
    edges = edges_of(mask)
    behind = edges.v < MOUNT.row_of(16)
    assert behind.sum() > 20
    off = edges.right_u - STRAIGHT.crossings(MOUNT, -1)[edges.v.astype(int)]
    assert np.abs(off[edges.right_kind == FIXED]).max() < 1.0
    assert (edges.right_kind[behind] == FIXED).all()


def test_of_two_carriageways_the_own_one_is_followed():
    mask = strip((100, 900))
    mask[:480, 560:600] = LABELS.id_of('terrain')
    edges = edges_of(mask)
    above = edges.v < 478
    assert (edges.right_u[above] == 559.5).all() and (edges.left_u == 99.5).all()


def test_the_image_border_is_no_edge():
    edges = edges_of(strip((0, 1024)))
    assert (edges.left_kind == ABSENT).all() and (edges.right_kind == ABSENT).all()


def test_the_hood_is_no_edge():
    options = RoadOptions(hood_polygon=((0.0, 1.0), (0.0, 0.6), (0.35, 1.0)))
    mask = np.full((512, 1024), ROAD, np.uint8)
    mask[:213] = SKY
    assert (edges_of(mask, options).left_kind == ABSENT).all()


def test_without_road_there_are_no_edges():
    assert len(edges_of(np.full((512, 1024), CAR, np.uint8)).v) == 0
