"""The motion between two frames, from velocities measured at other times."""

from __future__ import annotations

import math

import pytest

from asap_ros.road.motion_log import MAX_SILENCE, MotionLog


def log(*entries):
    made = MotionLog()
    for entry in entries:
        made.add(*entry)
    return made


def steady(start=0.0, end=1.0, step=0.05, speed=10.0, yaw_rate=0.2):
    count = round((end - start) / step)
    return [(start + step * k, speed, yaw_rate) for k in range(count + 1)]


def test_steady_motion():
    found = log(*steady()).between(0.12, 0.62)
    assert found.distance == pytest.approx(5.0) and found.yaw == pytest.approx(0.1)


def test_acceleration_is_integrated():
    # v = 4 t: the integral of it from 0.25 to 0.75 is 2 (0.75^2 - 0.25^2).
    found = log(*[(0.1 * k, 0.4 * k, -0.1 * k) for k in range(11)]).between(0.25, 0.75)
    assert found.distance == pytest.approx(1.0)
    assert found.yaw == pytest.approx(-0.25)


def test_backwards_is_negative():
    assert log(*steady(speed=-1.0)).between(0.0, 1.0).distance == pytest.approx(-1.0)


def test_one_measurement_lasts_a_little():
    assert log((1.0, 5.0, 0.0)).between(0.9, 1.1).distance == pytest.approx(1.0)
    assert log((1.0, 5.0, 0.0)).between(1.05, 1.15).distance == pytest.approx(0.5)


@pytest.mark.parametrize(
    'start, end', [(-1.0, 0.5), (0.5, 1.0 + 1.01 * MAX_SILENCE), (2.0, 3.0), (0.5, 0.4)]
)
def test_unknown_motion(start, end):
    assert log(*steady()).between(start, end) is None


def test_nothing_measured():
    assert MotionLog().between(0.0, 1.0) is None


def test_gap_in_the_middle():
    assert log(*steady(0.0, 0.4), *steady(1.0, 1.4)).between(0.2, 1.2) is None


def test_what_is_not_finite_is_left_out():
    made = log(*steady(), (1.05, math.nan, 0.0), (1.1, 1.0, math.inf), (math.nan, 1.0, 1.0))
    assert made.between(0.5, 1.0).distance == pytest.approx(5.0)


def test_time_that_goes_back_begins_anew():
    made = log(*steady(100.0, 101.0), *steady(0.0, 1.0, speed=3.0))
    assert made.between(100.0, 101.0) is None
    assert made.between(0.0, 1.0).distance == pytest.approx(3.0)
