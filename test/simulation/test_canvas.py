from __future__ import annotations

import numpy as np
import pytest

from asap_ros.road.pose import pose_from_mounting
from asap_simulation import billboards, facades
from asap_simulation.bodies import bus, car, truck
from asap_simulation.camera_view import CameraView
from asap_simulation.canvas import Canvas
from asap_simulation.light import Light
from asap_simulation.objects import Billboard, SimulatedVehicle
from asap_simulation.structures import Barrier, Building, Post

UNTOUCHED = 77


def canvas(light=None):
    mount = pose_from_mounting(1.2)
    view = CameraView(200.0, 200.0, 99.5, 49.5, 200, 100, mount.rotation, mount.translation)
    return Canvas(
        view,
        light or Light(),
        np.full((100, 200, 3), 128, np.uint8),
        np.full((100, 200), UNTOUCHED, np.uint8),
        (np.eye(3), np.zeros(3)),
        np.empty((0, 4)),
    )


def place(x, y):
    return np.array([x, y, 0.0])


def test_a_face_covers_the_pixels_that_its_corners_project_around():
    made = canvas()
    face = np.array([[10.0, 2.0, 0.2], [10.0, -2.0, 0.2], [10.0, -2.0, 2.2], [10.0, 2.0, 2.2]])
    made.face(face, (255, 0, 0), 5)
    rows, columns = np.nonzero(made.label == 5)
    # u = 99.5 -+ 200 * 2 / 10, v = 49.5 + 200 * (1.2 - z) / 10, to the pixel.
    assert abs(columns.min() - 59.5) <= 1 and abs(columns.max() - 139.5) <= 1
    assert abs(rows.min() - 29.5) <= 1 and abs(rows.max() - 69.5) <= 1
    assert (made.rgb[40:60, 80:120] == (255, 0, 0)).all()


def test_what_reaches_behind_the_camera_is_cut_off_and_not_turned_over():
    made = canvas()
    made.face(
        np.array([[-5.0, 1.0, 0.0], [20.0, 1.0, 0.0], [20.0, 1.0, 1.0], [-5.0, 1.0, 1.0]]),
        (0, 0, 0),
        3,
    )
    rows, columns = np.nonzero(made.label == 3)
    assert len(rows) > 500
    assert columns.max() < 100, 'all of it is to the left'
    assert rows.min() > 49, 'all of it is below the camera'
    made.face(np.array([[-5.0, 1.0, 0.0], [-4.0, 1.0, 0.0], [-4.0, 1.0, 1.0]]), (0, 0, 0), 4)
    assert not (made.label == 4).any()


@pytest.mark.parametrize(
    'thing, expected',
    [
        (SimulatedVehicle(place(12, 1), 0.3, car()), {13}),
        (SimulatedVehicle(place(16, -1), 3.0, truck(), lamps=True), {14}),
        (SimulatedVehicle(place(16, 2), 0.0, bus()), {15}),
        (
            Building(
                place(25, 8),
                -0.2,
                12.0,
                8.0,
                6.0,
                facades.facade(0, 2, 4, True, False),
                facades.facade(0, 2, 3, False, False),
                2.0,
            ),
            {2},
        ),
        (Billboard(place(12, 0), 0.0, billboards.tree(0), 6.0), {8}),
        (Billboard(place(9, 0), 0.0, billboards.person(1, 2), 1.75), {11}),
        (Billboard(place(9, 0), 0.0, billboards.cyclist(1, True), 1.75), {12, 18}),
        (Billboard(place(9, 0), 0.0, billboards.cyclist(1, False), 1.75), {12, 18}),
        (Post(place(9, 1), 0.0, 2.5, 0.1, sign='warning'), {5, 7}),
        (Post(place(12, 1), 0.0, 3.2, 0.12, signal=0), {5, 6}),
        (Barrier(place(8, 3), 0.0, place(12, 3), 'rail'), {4}),
        (Barrier(place(8, 3), 0.0, place(12, 3), 'wall'), {3}),
    ],
    ids=lambda value: value.__class__.__name__ if not isinstance(value, set) else None,
)
def test_everything_is_drawn_with_its_own_classes_and_stands_on_the_ground(thing, expected):
    made = canvas()
    thing.draw(made)
    drawn = made.label != UNTOUCHED
    assert set(np.unique(made.label[drawn])) == expected
    assert drawn.sum() > 30
    assert (made.rgb[drawn] != 128).any(axis=-1).mean() > 0.9
    # Nothing reaches below where the ground is at the nearest that the thing comes.
    near = thing.foot[0] - thing.reach
    assert np.nonzero(drawn)[0].max() <= 49.5 + 200 * 1.2 / near + 1.5


def test_a_car_meets_the_ground_at_its_near_end():
    made = canvas()
    SimulatedVehicle(place(12.0, 0.0), 0.0, car()).draw(made)
    rows, _ = np.nonzero(made.label == 13)
    # The dark below the body begins 1.95 m before the middle, the body 0.2 m before that.
    assert abs(rows.max() - (49.5 + 200 * 1.2 / (12 - 1.95))) <= 1.5


def test_lit_windows_shine_at_night_only():
    wall = Building(
        place(60, 0),
        0.0,
        12.0,
        8.0,
        6.2,
        facades.facade(3, 2, 4, True, True),
        facades.facade(3, 2, 4, True, True),
    )
    night = Light(sun=(0, 0, 0), sky=(0.02, 0.02, 0.02), horizon=(0, 0, 0), lamps=True)
    made = canvas(night)
    wall.draw(made)
    bright = made.rgb[made.label == 2].max(axis=-1)
    assert (bright > 180).any() and np.median(bright) < 120
