"""The road between frames: how it moves, what is believed, when it is forgotten."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ros.road import clothoid
from asap_ros.road.clothoid import K0, K1, PITCH, WIDTH
from asap_ros.road.clothoid_fit import default_prior, fit_road
from asap_ros.road.geometry import REASONS, Status, invalid
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.road_model import RoadModel
from asap_ros.road.tracker import EgoMotion, Tracker, move, move_jacobian
from support.synthetic_roads import LABELS, MOUNT, Box, Truth, edge_points, render

PRIOR = default_prior(7.0, 3.0, 0.0175)
ROAD = np.array([0.5, 0.05, 0.004, 2e-4, 7.0, 0.0])


def fit_of(truth, seed=0, sigma=1.0, pitch=0.0):
    camera = MOUNT.camera(believed_pitch=MOUNT.pitch - pitch)
    return fit_road(
        camera, edge_points(truth, sigma=sigma, rng=np.random.default_rng(seed)), PRIOR
    )


def truth_of(parameters):
    return Truth(*parameters[:5])


@pytest.mark.parametrize('distance, yaw', [(2.0, 0.0), (2.0, 0.05), (1.0, -0.1), (0.0, 0.05)])
def test_a_moved_road_is_the_same_road(distance, yaw):
    moved = move(ROAD, EgoMotion(distance, yaw))
    half = yaw / 2
    chord = distance * np.sinc(half / np.pi)
    s = np.linspace(5, 35, 200)
    x, y = truth_of(ROAD).centre(s)
    x, y = x - chord * np.cos(half), y - chord * np.sin(half)
    x, y = np.cos(yaw) * x + np.sin(yaw) * y, np.cos(yaw) * y - np.sin(yaw) * x
    there = truth_of(moved).centre(np.linspace(0, 40, 4000))
    off = y - np.interp(x, *there)
    assert np.abs(off).max() < 1e-4


def test_its_jacobian():
    motion = EgoMotion(1.5, 0.02)
    base = np.array([0.1, 0.01, 0.001, 1e-5, 7.0, 0.0])
    for i, step in enumerate([1e-4, 1e-5, 1e-7, 1e-9, 1e-3, 1e-5]):
        above, below = base.copy(), base.copy()
        above[i] += step
        below[i] -= step
        slope = (move(above, motion) - move(below, motion)) / (2 * step)
        np.testing.assert_allclose(move_jacobian(1.5)[:, i], slope, rtol=0.03, atol=0.03)


def test_a_steady_road_gets_surer_and_the_bands_still_hold():
    truth, last, first = Truth(curvature=0.004), [], []
    for run in range(30):
        tracker = Tracker()
        for i in range(10):
            track = tracker.step(0.1 * i, EgoMotion(0.0, 0.0), fit_of(truth, seed=100 * run + i))
            if i == 0:
                first.append((track.parameters[K0], track.covariance[K0, K0]))
        last.append((track.parameters[K0], track.covariance[K0, K0]))
    first, last = np.array(first), np.array(last)
    assert np.median(last[:, 1]) < 0.7 * np.median(first[:, 1])
    assert np.std(last[:, 0]) < 0.8 * np.std(first[:, 0])
    pulls = np.abs(last[:, 0] - 0.004) / np.sqrt(last[:, 1])
    assert np.mean(pulls < 1.96) > 0.9


def drive(motion_known, seed=0):
    """Drive at 12 m/s and 10 Hz from a straight through a spiral into a bend of 100 m.

    Return the errors of curvature 20 m ahead, of the frames' own fits and of the tracker.
    """
    rng = np.random.default_rng(seed)
    tracker, alone, tracked = Tracker(), [], []
    bends = np.interp(np.arange(0, 400, 0.1), [0, 40, 100, 400], [0, 0, 0.01, 0.01])

    def local(at):
        here, ahead = np.interp([at, at + 20], np.arange(0, 400, 0.1), bends)
        return here, (ahead - here) / 20

    for i in range(80):
        at = 1.2 * i
        here, rate = local(at)
        truth = Truth(offset=0.0, heading=0.0, curvature=here, rate=rate)
        pitch = np.radians(0.4) * np.sin(2 * np.pi * 1.3 * 0.1 * i)
        fit = fit_of(truth, int(rng.integers(1 << 30)), 1.5, pitch)
        motion = EgoMotion(1.2, 1.2 * np.interp(at - 0.6, np.arange(0, 400, 0.1), bends))
        track = tracker.step(0.1 * i, motion if motion_known else None, fit)
        wanted = here + 20 * rate
        alone.append(fit.parameters[K0] + 20 * fit.parameters[K1] - wanted)
        tracked.append(track.parameters[K0] + 20 * track.parameters[K1] - wanted)
    return (np.sqrt(np.mean(np.square(e))) for e in (alone, tracked))


@pytest.mark.parametrize('motion_known', [True, False])
def test_a_drive_into_a_bend(motion_known):
    alone, tracked = drive(motion_known)
    assert alone < 0.3e-3
    assert tracked < 0.3e-3


def test_an_outlier_is_not_believed_but_a_lasting_change_is():
    tracker = Tracker()
    for i in range(6):
        tracker.step(0.1 * i, EgoMotion(0.0, 0.0), fit_of(Truth(), seed=i))
    other = fit_of(Truth(offset=2.5, curvature=0.01), seed=9)
    track = tracker.step(0.6, EgoMotion(0.0, 0.0), other)
    assert track.coasting and abs(track.parameters[0] - 0.3) < 0.1
    tracker.step(0.7, EgoMotion(0.0, 0.0), other)
    track = tracker.step(0.8, EgoMotion(0.0, 0.0), other)
    assert not track.coasting and track.parameters[0] == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize('motion, limit', [(EgoMotion(0.0, 0.0), 0.5), (None, 0.25)])
def test_coasting_is_flagged_grows_unsure_and_ends(motion, limit):
    tracker = Tracker()
    track = tracker.step(0.0, motion, fit_of(Truth()))
    sigma, time = track.covariance[0, 0], 0.0
    while True:
        time += 0.05
        track = tracker.step(time, motion, None)
        if track is None:
            break
        assert track.coasting and track.covariance[0, 0] > sigma
        sigma = track.covariance[0, 0]
    assert limit < time < limit + 0.11
    assert tracker.step(time + 0.05, motion, None) is None


def test_coasting_follows_the_vehicle():
    tracker = Tracker()
    tracker.step(0.0, None, fit_of(Truth(offset=0.0, heading=0.1, curvature=0.0), sigma=0.0))
    track = tracker.step(0.2, EgoMotion(2.0, 0.0), None)
    assert track.parameters[0] == pytest.approx(2.0 * np.tan(0.1), abs=0.01)


@pytest.mark.parametrize('time', [-0.1, 5.0])
def test_time_that_leaps_forgets_the_road(time):
    tracker = Tracker()
    tracker.step(0.0, None, fit_of(Truth(width=7.0)))
    assert tracker.step(time, None, None) is None and tracker.width is None
    track = tracker.step(time + 0.1, None, fit_of(Truth(width=5.0)))
    assert track.parameters[WIDTH] == pytest.approx(5.0, abs=0.1)


def test_the_mounting_is_learnt_and_kept():
    tracker = Tracker()
    for i in range(60):
        swing = 0.003 * (-1) ** i
        tracker.step(0.1 * i, EgoMotion(0.0, 0.0), fit_of(Truth(), i, pitch=0.01 + swing))
    assert tracker.mount_pitch == pytest.approx(0.01, abs=1e-3)
    assert tracker.bounce == pytest.approx(0.003, abs=1.5e-3)
    tracker.step(-1.0, None, None)
    assert tracker.mount_pitch == pytest.approx(0.01, abs=1e-3)


def test_a_doubtful_pitch_is_believed_less():
    fit = fit_of(Truth(curvature=0.005), pitch=0.006)
    sure, unsure = (Tracker().step(0.0, None, fit, doubtful) for doubtful in (False, True))
    assert unsure.covariance[PITCH, PITCH] > 10 * sure.covariance[PITCH, PITCH]
    assert np.linalg.eigvalsh(unsure.covariance).min() > 0


@pytest.mark.parametrize('odometry', [True, False])
@pytest.mark.parametrize('rate', [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0])
def test_at_any_frame_rate_a_seen_road_is_valid(rate, odometry):
    """Exact masks of a winding road: every frame shows it, whatever the frame before did."""
    model, camera, speed = RoadModel(LABELS), MOUNT.camera(), 10.0
    found = []
    for k in range(16):
        phase, wave = 2 * np.pi * speed * k / rate / 100.0, 2 * np.pi / 100.0
        truth = Truth(0.3, 0.0, 0.02 * np.sin(phase), 0.02 * wave * np.cos(phase))
        step = speed / rate if k else 0.0
        motion = EgoMotion(step, truth.curvature * step) if odometry else None
        frame = LabelledFrame(render(truth), None, camera)
        found.append(model.analyse(frame, k / rate, motion).geometry)
    assert all(geometry.valid for geometry in found), [g.status for g in found]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 60.0), st.booleans(), st.floats(0.0, 1.0))
def test_whatever_comes_at_whatever_rate_an_invalid_road_has_a_reason(seed, rate, odometry, share):
    rng = np.random.default_rng(seed)
    mount = MOUNT.resized(0.25)
    model, camera = RoadModel(LABELS), mount.camera()
    for k in range(8):
        truth = Truth(offset=rng.normal(0, 1), curvature=rng.normal(0, 0.01))
        box = Box(rng.uniform(4, 30), rng.uniform(-4, 4), 1.8, 1.5)
        mask = render(truth, mount, (box,) if rng.random() < share else ())
        motion = EgoMotion(10 / rate, 0.0) if odometry else None
        geometry = model.analyse(LabelledFrame(mask, None, camera), k / rate, motion).geometry
        assert geometry.valid or geometry.status & REASONS


def test_an_invalid_road_without_a_reason_cannot_be_built():
    for status in (Status.OK, Status.RIGHT_OCCLUDED, Status.COASTING):
        with pytest.raises(ValueError, match='needs a reason'):
            invalid(status)


@pytest.mark.parametrize('rate', [1.0, 2.0, 5.0])
def test_bands_hold_where_frames_are_too_far_apart_to_share_errors(rate):
    errors = []
    for seed in range(25):
        rng, tracker = np.random.default_rng(seed), Tracker()
        start = rng.uniform(0, 6)
        for k in range(12):
            phase, wave = start + 2 * np.pi * 10 * k / rate / 120, 2 * np.pi / 120
            truth = Truth(0.3, 0.0, 0.01 * np.sin(phase), 0.01 * wave * np.cos(phase))
            points = edge_points(truth, sigma=1.0, rng=rng)
            track = tracker.step(k / rate, None, fit_road(MOUNT.camera(), points, PRIOR))
            if k >= 3:
                error = clothoid.curvature(track.parameters - truth_parameters(truth), 20.0)
                errors.append(error / clothoid.curvature_sigma(track.covariance, 20.0))
    errors = np.abs(errors)
    assert 0.60 < (errors < 1.0).mean() < 0.80
    assert 0.90 < (errors < 1.96).mean() < 0.98


def truth_parameters(truth):
    return np.append(truth.parameters, 0.0)
