from __future__ import annotations

import numpy as np
import pytest

from asap_ros.road.pose import pose_from_mounting
from asap_simulation import camera_effects
from asap_simulation.camera_view import CameraView
from asap_simulation.light import Light

MOUNT = pose_from_mounting(1.2)
VIEW = CameraView(150.0, 150.0, 99.5, 49.5, 200, 100, MOUNT.rotation, MOUNT.translation)
STILL = np.zeros(3)
PLAIN = np.full((100, 200, 3), 120, np.uint8)


def record(scene, seed=1, speed=STILL, spin=STILL, **light):
    return camera_effects.record(
        scene, VIEW, Light(**light), np.array(speed), np.array(spin), np.random.default_rng(seed)
    )


def test_grain_has_the_deviation_asked_for_and_changes_from_frame_to_frame():
    middle = (slice(40, 60), slice(80, 120))
    first, second = (record(PLAIN, seed, grain=5.0)[middle].astype(float) for seed in (1, 2))
    assert first.std() == pytest.approx(5.0, rel=0.15)
    assert (first - second).std() == pytest.approx(5.0 * np.sqrt(2), rel=0.2)
    assert first.mean() == pytest.approx(120, abs=2)
    assert record(PLAIN, grain=0.0)[0, 0, 0] < 115, 'the rim is darker'


def test_driving_blurs_the_ground_before_the_camera_and_not_what_is_far():
    stripes = PLAIN.copy()
    stripes[::4] = 20
    drawn = record(stripes, speed=(0.0, 0.0, 20.0), exposure_time=0.02, grain=0.0).astype(float)
    contrast = np.abs(np.diff(drawn[..., 0], axis=0)).mean(axis=1)
    assert contrast[80:95].mean() < 0.7 * contrast[5:45].mean()


def test_turning_blurs_sideways():
    bars = PLAIN.copy()
    bars[:, ::6] = 20
    drawn = record(bars, spin=(0.0, 0.8, 0.0), exposure_time=0.03, grain=0.0).astype(float)
    still = record(bars, exposure_time=0.03, grain=0.0).astype(float)
    assert np.abs(np.diff(drawn[20, :, 0])).mean() < 0.7 * np.abs(np.diff(still[20, :, 0])).mean()


def test_rain_streaks_the_picture():
    dry, wet = (record(PLAIN, grain=0.0, rain=count).astype(int) for count in (0, 400))
    assert 0.01 < (wet - dry > 5).any(axis=-1).mean() < 0.6
