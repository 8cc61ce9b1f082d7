from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.pose import pose_from_mounting
from asap_simulation import ground as grounds
from asap_simulation import markings, road_field
from asap_simulation.camera_view import CameraView, GroundView
from asap_simulation.light import Light
from asap_simulation.road_layout import Junction, RoadLayout, Stripe, Verge
from asap_simulation.road_line import RoadLine
from asap_simulation.terrain import Terrain

LINE = RoadLine(np.array([0.0, 600.0]), np.zeros(2), np.array([8.0, 8.0]))
LAYOUT = RoadLayout(LINE, Verge(pavement=3.0), (Stripe(0.0, None, 3.0, 5.0), Stripe(1.0, 0.2)))
HIGH = pose_from_mounting(12.0, 0.9)  # so high up that all is seen from close to


def look(layout, x=100.0, light=None):
    view = CameraView(
        200.0, 200.0, 159.5, 99.5, 320, 200, HIGH.rotation, HIGH.translation + (x, 0.0, 0.0)
    )
    ground = GroundView(view, Terrain())
    return ground, road_field.road_field(ground, layout, x)


def test_road_kerb_and_grass_are_bands_beside_the_line():
    ground, field = look(LAYOUT)
    classes = grounds.labels(ground, field, LAYOUT)
    away = np.abs(field.y)
    assert set(np.unique(classes)) == {0, 1, 9}
    assert (classes[away < 3.99] == 0).all()
    assert (classes[(away > 4.01) & (away < 6.99)] == 1).all()
    assert (classes[away > 7.01] == 9).all()


def test_a_street_opens_the_road_with_round_corners():
    layout = replace(LAYOUT, junctions=(Junction(112.0, 6.0, 2.0),))
    ground, field = look(layout)
    classes = grounds.labels(ground, field, layout)
    along, away = np.abs(field.s - 112.0), np.abs(field.d)
    assert (classes[(along < 2.95) & (away < 30)] == 0).all(), 'the street is road'
    # Two metres from both edges the corner's circle has its middle.
    from_middle = np.hypot(along - 5.0, away - 6.0)
    corner = (along > 3) & (along < 5) & (away > 4) & (away < 6)
    assert corner.sum() > 20
    assert (classes[corner & (from_middle > 2.03)] == 0).all()
    assert (classes[corner & (from_middle < 1.97)] == 1).all()


def test_dashes_stay_where_they_are_on_the_road():
    for x in (100.0, 101.3):
        _, field = look(LAYOUT, x)
        middle = next(markings.shares(field, LAYOUT))
        on = (np.abs(field.d) < 0.06) & (field.s > 106) & (field.s < 120)
        phase = field.s % 8.0
        clear = np.abs(np.abs(phase - 4.0) - 1.5) > 0.15  # not at the end of a dash
        painted = np.abs(phase - 4.0) < 1.5
        assert (on & clear).sum() > 20
        np.testing.assert_array_equal(middle[on & clear] > 0.5, painted[on & clear])


def test_markings_are_brighter_than_the_road_and_shadows_darker():
    ground, field = look(LAYOUT)
    light, forward = Light(), np.array([[100.0, 0.0], [1.0, 0.0]])
    none = np.empty((0, 4))
    shade = np.zeros(field.edge.shape, np.float32)
    sunny = grounds.picture(ground, field, LAYOUT, light, shade, none, forward).mean(axis=0)
    shady = grounds.picture(ground, field, LAYOUT, light, shade + 1, none, forward).mean(axis=0)
    line = next(markings.shares(field, LAYOUT)) > 0.9
    road = (field.edge < -1) & (np.abs(field.d) > 0.5)
    assert sunny[line].mean() > 2 * sunny[road].mean()
    assert shady[road].mean() < 0.6 * sunny[road].mean()


def test_headlights_light_the_road_ahead_and_not_the_sides():
    ground, field = look(LAYOUT)
    light = replace(Light(), lamps=True, sun=(0.0, 0.0, 0.0), sky=(0.01, 0.01, 0.01))
    shade = np.zeros(field.edge.shape, np.float32)
    colour = grounds.picture(
        ground, field, LAYOUT, light, shade, np.empty((0, 4)), np.array([[100.0, 0.0], [1.0, 0.0]])
    ).mean(axis=0)
    road = np.abs(field.d) < 1.0
    far = np.abs(field.d) > 9
    assert colour[road].mean() > 4 * colour[far].mean()
    assert field.pixel.min() >= 1e-3 and np.isfinite(colour).all()
    assert colour[road].mean() == pytest.approx(colour[:, ::-1][road[:, ::-1]].mean(), rel=0.3)
