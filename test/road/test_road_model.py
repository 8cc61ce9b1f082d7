"""One call a frame: what it refuses, what it never does, and what it does not depend on."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ros.labels import IGNORED
from asap_ros.road.calibration import Calibration, build_camera
from asap_ros.road.geometry import NO_BLOCKER, ReferenceCurve, RoadGeometry, Status, invalid
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.pose import CameraError, PoseError, pose_from_mounting, pose_from_quaternion
from asap_ros.road.road_model import Road, RoadModel
from asap_ros.road.tracker import EgoMotion
from support.road_steps import road_of
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
    Mount,
    Truth,
    render,
)

TRUTH = Truth(offset=0.4, heading=0.03, curvature=0.006, rate=1e-4)


def numbers(geometry):
    return np.array(
        [
            geometry.lateral_offset,
            geometry.heading,
            geometry.curvature,
            geometry.curvature_rate,
            geometry.width,
            geometry.pitch,
        ]
    )


def assert_consistent(geometry):
    """Assert what the docstring of RoadGeometry promises of NaN, sizes and order."""
    assert geometry.status == Status(int(geometry.status))
    scalars = [getattr(geometry, f.name) for f in fields(RoadGeometry) if f.type == 'float']
    arrays = [
        geometry.s,
        geometry.curvature_at_s,
        geometry.curvature_at_s_sigma,
        geometry.lateral_at_s_sigma,
        geometry.path,
    ]
    if not geometry.valid:
        assert geometry.status, 'an invalid answer says why'
        assert np.isnan(scalars).all() and np.isnan(geometry.covariance).all()
        assert all(len(a) == 0 for a in arrays) and geometry.blocker_class == NO_BLOCKER
        return
    free_of_nan = [
        f.name for f in fields(RoadGeometry) if f.type == 'float' and 'blocker' not in f.name
    ]
    assert np.isfinite([getattr(geometry, name) for name in free_of_nan]).all()
    assert all(np.isfinite(a).all() and len(a) == len(geometry.s) for a in arrays)
    assert np.isfinite(geometry.covariance).all()
    blocked = geometry.blocker_class != NO_BLOCKER
    assert np.isfinite(geometry.blocker_distance) == blocked
    assert np.isfinite(geometry.blocker_distance_sigma) == blocked
    assert (np.diff(geometry.s) > 0).all()
    assert geometry.view_start == geometry.s[0] and geometry.view_end == geometry.s[-1]
    assert (geometry.curvature_at_s_sigma >= 0).all() and geometry.width > 0


@pytest.mark.parametrize('label', [ROAD, CAR, SKY, SIDEWALK, BUILDING, IGNORED, 200])
def test_a_mask_of_one_class_is_no_corridor(label):
    road = road_of(np.full((512, 1024), label, np.uint8))
    assert not road.geometry.valid
    assert_consistent(road.geometry)


def test_a_transform_of_nan_is_refused_and_the_frame_is_invalid():
    with pytest.raises(PoseError):
        pose_from_quaternion(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    model = RoadModel(LABELS)
    for unknown in (Status.NO_TF, Status.NO_CALIBRATION, Status.NO_TF | Status.NO_CALIBRATION):
        road = Road(invalid(unknown), render(TRUTH))
        assert road.geometry.status == unknown and not road.geometry.valid
        assert_consistent(road.geometry)
        assert model.scan(road) is None and model.grid(road) is None
        assert model.ground_points(road) is None


@pytest.mark.parametrize(
    'mask, confidence, says',
    [
        (np.zeros((512, 1024), np.int32), None, 'uint8'),
        (np.zeros((512, 1024, 1), np.uint8), None, 'uint8'),
        (np.zeros((0, 1024), np.uint8), None, 'uint8'),
        (np.zeros((256, 1024), np.uint8), None, 'build the camera'),
        (np.zeros((512, 1024), np.uint8), np.zeros((128, 256), np.uint8), 'resize'),
        (np.zeros((512, 1024), np.uint8), np.zeros((512, 1024), np.float32), 'confidence'),
    ],
)
def test_arrays_that_do_not_fit_are_refused(mask, confidence, says):
    with pytest.raises(ValueError, match=says):
        RoadModel(LABELS).analyse(LabelledFrame(mask, confidence, MOUNT.camera()), 0.0)


def test_a_mirrored_image_gives_the_mirrored_road():
    mount = Mount(cx=520.0, y=0.15, yaw=0.02)
    mirror = replace(mount, cx=1023 - mount.cx, y=-mount.y, yaw=-mount.yaw)
    x, y = TRUTH.centre(26.0)
    boxes = (Box(float(x), float(y), 1.8, 1.5), Box(14.0, -3.6, 1.5, 1.5))
    mask = render(TRUTH, mount, boxes, sigma=1.0, rng=np.random.default_rng(0))
    one = road_of(mask, mount=mount)
    other = road_of(np.ascontiguousarray(mask[:, ::-1]), mount=mirror)
    assert one.geometry.valid and one.geometry.blocker_class == CAR
    sign = np.array([-1, -1, -1, -1, 1, 1])
    np.testing.assert_allclose(numbers(other.geometry), sign * numbers(one.geometry), atol=1e-6)
    assert other.geometry.view_end == pytest.approx(one.geometry.view_end, abs=1e-6)
    swapped = {
        Status.LEFT_OCCLUDED: Status.RIGHT_OCCLUDED,
        Status.RIGHT_OCCLUDED: Status.LEFT_OCCLUDED,
    }
    bits = [swapped.get(bit, bit) for bit in Status if bit & one.geometry.status]
    assert other.geometry.status == sum(bits, Status.OK)
    np.testing.assert_array_equal(other.space.contact, one.space.contact[::-1])
    model = RoadModel(LABELS)
    scans = [model.scan(road) for road in (one, other)]
    np.testing.assert_allclose(scans[1].ranges, scans[0].ranges[::-1], rtol=1e-5)


def camera_of(calibration, width, height):
    pose = pose_from_mounting(MOUNT.up, MOUNT.pitch)
    return build_camera(calibration, pose, width, height, rectified=True)


def seen_through(calibration, scale_of, truth=TRUTH):
    """Return the road of a scene as a CameraInfo says it is windowed, binned and resized."""
    f, cx, cy = 2262.0, 1023.5, 511.5
    whole = Mount(f=f, cx=cx, cy=cy, width=2048, height=1024)
    width, height = (round(n * scale_of) for n in calibration.image_size)
    binning = max(1, calibration.binning_x)
    window = replace(
        whole,
        cx=cx - calibration.roi_x_offset,
        cy=cy - calibration.roi_y_offset,
        width=calibration.window[0],
        height=calibration.window[1],
    )
    mount = window.resized(scale_of / binning)
    assert (mount.width, mount.height) == (width, height)
    camera = camera_of(calibration, width, height)
    return RoadModel(LABELS).analyse(LabelledFrame(render(truth, mount), None, camera), 0.0)


def calibration(**changes):
    k = (2262.0, 0, 1023.5, 0, 2262.0, 511.5, 0, 0, 1)
    p = (2262.0, 0, 1023.5, 0, 0, 2262.0, 511.5, 0, 0, 0, 1, 0)
    return Calibration(2048, 1024, k, (), p, **changes)


@pytest.mark.parametrize(
    'changes, scale',
    [
        ({}, 1.0),
        ({}, 0.5),
        ({}, 0.25),
        ({'binning_x': 2, 'binning_y': 2}, 1.0),
        ({'roi_x_offset': 128, 'roi_y_offset': 384, 'roi_width': 1792, 'roi_height': 640}, 0.5),
        (
            {
                'roi_x_offset': 128,
                'roi_y_offset': 384,
                'roi_width': 1792,
                'roi_height': 640,
                'binning_x': 2,
                'binning_y': 2,
            },
            1.0,
        ),
    ],
)
def test_windows_binning_and_size_do_not_change_the_road(changes, scale):
    geometry = seen_through(calibration(**changes), scale).geometry
    assert geometry.valid
    # Half as many rows of pixels twice as large know the edges a few times less well.
    coarse = 4.0 if scale == 0.25 else 1.0
    off = np.abs(numbers(geometry) - [*TRUTH.parameters, MOUNT.pitch])
    assert (off < coarse * np.array([0.01, 1.5e-3, 1e-4, 5e-6, 0.02, 2e-4])).all(), off


def test_a_distorted_camera_is_refused_before_any_frame():
    raw = replace(calibration(), d=(-0.3, 0.1, 0.0, 0.0, 0.0))
    with pytest.raises(CameraError, match='rectify'):
        build_camera(raw, pose_from_mounting(1.22, 0.038), 1024, 512, rectified=False)


def test_a_frame_without_road_after_good_ones_coasts_and_then_is_invalid():
    model, camera, mask = RoadModel(LABELS), MOUNT.camera(), render(TRUTH)
    blind = np.full_like(mask, ROAD)
    still = EgoMotion(0.0, 0.0)
    for i in range(3):
        assert model.analyse(LabelledFrame(mask, None, camera), 0.1 * i, still).geometry.valid
    road = model.analyse(LabelledFrame(blind, None, camera), 0.3, still).geometry
    assert road.valid and road.status & Status.COASTING
    assert_consistent(road)
    road = model.analyse(LabelledFrame(blind, None, camera), 1.0, still).geometry
    assert not road.valid
    assert_consistent(road)


def test_what_the_model_takes_for_granted_is_doubted_while_coasting_too():
    """A road that is followed unseen is no surer a clothoid than when its edges were seen."""
    model, camera, rng = RoadModel(LABELS), MOUNT.camera(), np.random.default_rng(1)
    mask = render(Truth(offset=0, heading=0, curvature=0.015), sigma=3.0, rng=rng)
    seen = model.analyse(LabelledFrame(mask, None, camera), 0.0, EgoMotion(0, 0)).geometry
    road = model.analyse(
        LabelledFrame(np.full_like(mask, ROAD), None, camera), 0.02, EgoMotion(0.2, 0.003)
    ).geometry
    assert road.valid and road.status & Status.COASTING
    for at in (10.0, 20.0):
        before = np.interp(at + 0.2, seen.s, seen.curvature_at_s_sigma)
        assert np.interp(at, road.s, road.curvature_at_s_sigma) > before


def test_what_blocks_is_seen_while_coasting():
    model, camera = RoadModel(LABELS), MOUNT.camera()
    model.analyse(
        LabelledFrame(render(Truth(offset=0, heading=0)), None, camera), 0.0, EgoMotion(0, 0)
    )
    wide = render(Truth(offset=0, heading=0, width=200), boxes=(Box(15.0, 0.0, 2, 1.5),))
    road = model.analyse(LabelledFrame(wide, None, camera), 0.1, EgoMotion(0, 0)).geometry
    assert road.status & Status.COASTING and road.blocker_class == CAR
    assert road.blocker_distance == pytest.approx(15, abs=0.7)


scenes = st.fixed_dictionaries(
    {
        'offset': st.floats(-4, 4),
        'heading': st.floats(-0.3, 0.3),
        'curvature': st.floats(-0.05, 0.05),
        'rate': st.floats(-1e-3, 1e-3),
        'width': st.floats(1.0, 20.0),
        'widening': st.floats(-0.1, 0.2),
    }
)


@settings(max_examples=30, deadline=None)
@given(
    scenes,
    st.integers(0, 2**32 - 1),
    st.floats(0, 2),
    st.floats(-0.1, 0.1),
    st.floats(-0.5, 0.5),
    st.floats(-0.03, 0.03),
)
def test_any_mirrored_image_gives_the_mirrored_road(scene, seed, sigma, yaw, y, roll):
    mount = replace(MOUNT.resized(0.25), yaw=yaw, y=y, roll=roll)
    mirror = replace(mount, cx=mount.width - 1 - mount.cx, y=-y, yaw=-yaw, roll=-roll)
    rng = np.random.default_rng(seed)
    box = Box(rng.uniform(6, 40), rng.uniform(-4, 4), 1.8, 1.5)
    mask = render(Truth(**scene), replace(mount, roll=0.0), (box,), sigma=sigma, rng=rng)
    one = road_of(mask, mount=mount)
    other = road_of(np.ascontiguousarray(mask[:, ::-1]), mount=mirror)
    assert other.geometry.valid == one.geometry.valid
    if one.geometry.valid:
        sign = np.array([-1, -1, -1, -1, 1, 1])
        np.testing.assert_allclose(
            numbers(other.geometry), sign * numbers(one.geometry), atol=1e-6
        )
    np.testing.assert_array_equal(other.space.contact, one.space.contact[::-1])
    np.testing.assert_array_equal(other.space.blocker, one.space.blocker[::-1])


@settings(max_examples=15, deadline=None)
@given(
    st.floats(-0.01, 0.01),
    st.floats(-1, 1),
    st.integers(0, 8),
    st.integers(0, 12),
    st.sampled_from([1, 2]),
    st.sampled_from([0.5, 1.0]),
)
def test_any_window_binning_and_size_give_the_same_road(
    curvature, offset, left, above, binning, scale
):
    truth = Truth(offset=offset, heading=0.01, curvature=curvature)
    # Windows that leave 4 m of each edge in view: of a single edge the width is not told.
    window = (
        {
            'roi_x_offset': 32 * left,
            'roi_y_offset': 32 * above,
            'roi_width': 2048 - 64 * left,
            'roi_height': 1024 - 32 * above,
            'binning_x': binning,
            'binning_y': binning,
        }
        if left or above or binning > 1
        else {}
    )
    geometry = seen_through(calibration(**window), scale, truth).geometry
    assert geometry.valid
    off = np.abs(numbers(geometry) - [*truth.parameters, MOUNT.pitch])
    # A straight edge runs along pixels' borders in places: what these round does not average out.
    coarse = 12.0 if scale / binning == 0.25 else 4.0
    assert (off < coarse * np.array([0.01, 1.5e-3, 1e-4, 5e-6, 0.02, 2e-4])).all(), off


@settings(max_examples=60, deadline=None)
@given(
    scenes,
    st.integers(0, 2**32 - 1),
    st.floats(0, 5),
    st.floats(0, 0.3),
    st.sampled_from([None, ReferenceCurve.EGO_PARALLEL]),
)
def test_any_road_is_answered_in_order(scene, seed, sigma, dirt, reference):
    rng = np.random.default_rng(seed)
    mount = MOUNT.resized(0.25)
    mask = render(
        Truth(**scene),
        mount,
        sigma=sigma,
        rng=rng,
        boxes=(Box(rng.uniform(4, 40), rng.uniform(-4, 4), 1.8, 1.5, PERSON),),
    )
    spots = rng.random(mask.shape) < dirt * rng.random()
    mask[spots] = rng.choice(np.array([ROAD, CAR, SIDEWALK, IGNORED, 99], np.uint8), spots.sum())
    options = RoadOptions() if reference is None else RoadOptions(reference=reference)
    model, camera = RoadModel(LABELS, options), mount.camera()
    for i in range(2):
        road = model.analyse(LabelledFrame(mask, None, camera), 0.1 * i)
        assert_consistent(road.geometry)
    scan, grid = model.scan(road), model.grid(road)
    assert np.all((scan.classes != IGNORED) == np.isfinite(scan.ranges))
    assert np.isin(grid.cells, [0, 100, -1]).all()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 60),
    st.booleans(),
    st.floats(-1.2, 1.2),
    st.floats(-1.0, 1.0),
    st.floats(0.0, 0.95),
)
def test_any_mask_under_any_camera_is_answered_in_order(
    seed, height, width, blocks, pitch, roll, hood
):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 256 if rng.random() < 0.3 else 3, (height, width)).astype(np.uint8)
    if blocks:
        mask = np.repeat(np.repeat(mask, 5, axis=0), 5, axis=1)
        mask = np.ascontiguousarray(mask)
    height, width = mask.shape
    mount = Mount(
        f=70.0, cx=width / 2, cy=height / 2, width=width, height=height, pitch=pitch, roll=roll
    )
    confidence = rng.integers(0, 256, mask.shape).astype(np.uint8)
    model = RoadModel(LABELS, RoadOptions(hood_fraction=hood, min_confidence=30))
    road = model.analyse(LabelledFrame(mask, confidence, mount.camera()), 0.0)
    assert_consistent(road.geometry)
    scan, points = model.scan(road), model.ground_points(road)
    assert not np.isneginf(scan.ranges).any() and scan.range_min > 0
    assert points.shape == (*mask.shape, 3) and not np.isinf(points).any()
    assert np.isin(model.grid(road).cells, [0, 100, -1]).all()
