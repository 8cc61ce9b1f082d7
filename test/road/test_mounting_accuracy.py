"""Rendered roads are what the tests' own truth says, and expectations follow the mounting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.mounting_accuracy import DISTANCES, expected_accuracy
from asap_ros.road.options import RoadOptions
from asap_ros.road.rendering import render_road
from support.synthetic_roads import LABELS, MOUNT, Truth, render

ROADS = 30


@pytest.mark.parametrize(
    'truth', [Truth(), Truth(curvature=0.02), Truth(curvature=-0.01, rate=3e-4, width=3.5)]
)
@pytest.mark.parametrize(
    'mount', [MOUNT, replace(MOUNT, roll=0.02, yaw=0.05, y=0.3), MOUNT.resized(0.5)]
)
def test_render_agrees_with_fresnel(truth, mount):
    found = render_road(mount.camera(), truth.parameters, LABELS)
    below = np.arange(mount.height) > mount.row_of(100.0) + mount.width * abs(mount.roll)
    np.testing.assert_array_equal(found[below], render(truth, mount)[below])


def test_noise_moves_the_edges_by_as_much():
    camera, truth = MOUNT.camera(), Truth(heading=0.0)
    clean = render_road(camera, truth.parameters, LABELS)
    moved = render_road(camera, truth.parameters, LABELS, 2.0, np.random.default_rng(0))
    road = LABELS.id_of('road')
    rows = np.flatnonzero((clean == road).any(axis=1) & (clean[:, 0] != road))[20:]
    shift = np.argmax(moved[rows] == road, axis=1) - np.argmax(clean[rows] == road, axis=1)
    assert 1.4 < shift.std() < 2.8


def by_distance(mount=MOUNT, **options):
    rows = expected_accuracy(mount.camera(), LABELS, RoadOptions(**options), ROADS)
    assert tuple(row.distance for row in rows) == DISTANCES
    return rows


def test_stated_sigmas_are_what_the_errors_are():
    for row in by_distance():
        assert row.seen > 0.9
        # Of the sigmas a part is for a camera that heaves and for labels that bend an edge, which
        # those of rendered roads do not.
        assert 0.3 < row.curvature_error / row.curvature_sigma < 2.0
        assert 0.3 < row.lateral_error / row.lateral_sigma < 2.5


def test_range_sigma():
    h, f = MOUNT.up, MOUNT.f
    for row in by_distance():
        r = row.distance
        assert row.range_sigma == pytest.approx(
            np.sqrt((r * r / (f * h)) ** 2 + (r * r * 0.005 / h) ** 2 + (r * 0.02 / h) ** 2)
        )


def test_a_higher_camera_ranges_better():
    low, high = by_distance(), by_distance(replace(MOUNT, up=2.4, pitch=0.08))
    assert all(b.range_sigma < 0.6 * a.range_sigma for a, b in zip(low, high))


def test_a_camera_that_looks_up_tells_nothing():
    for row in by_distance(replace(MOUNT, pitch=-0.4)):
        assert row.seen == 0.0 and np.isnan(row.curvature_sigma)
