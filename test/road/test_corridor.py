"""The corridor from rendered masks: its numbers, its view, what ends it, and its flags."""

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.clothoid_fit import default_prior
from asap_ros.road.corridor import corridor_geometry, through_vehicle
from asap_ros.road.fit_quality import FitQuality
from asap_ros.road.geometry import NO_BLOCKER, ReferenceCurve, Status
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.systematic_error import systematic_errors
from asap_ros.road.tracker import Track
from support.road_steps import road_of
from support.synthetic_roads import CAR, LABELS, MOUNT, PERSON, SIDEWALK, Box, Mount, Truth, render

VEGETATION = LABELS.id_of('vegetation')
TROUBLE = (
    Status.WIDTH_JUMP
    | Status.INTERSECTION
    | Status.NOT_FLAT
    | Status.ONE_SIDED
    | Status.LEFT_OCCLUDED
    | Status.RIGHT_OCCLUDED
    | Status.SHORT_VIEW
)
BOTH = [0.0, 1 / 200, -1 / 200, 1 / 50, -1 / 50]


def geometry_of(mask, mount=MOUNT, **changes):
    return road_of(mask, mount=mount, **changes).geometry


def at(geometry, s):
    return geometry.curvature + s * geometry.curvature_rate


@pytest.mark.parametrize('curvature', BOTH)
@pytest.mark.parametrize('width', [4.0, 7.0])
def test_rendered_road(curvature, width):
    truth = Truth(curvature=curvature, width=width)
    found = geometry_of(render(truth))
    assert found.valid and not found.status & TROUBLE
    assert abs(at(found, 10) - curvature) < 1e-4
    assert abs(found.lateral_offset - truth.offset) < 0.02
    assert abs(found.heading - truth.heading) < 2e-3
    assert abs(found.width - width) < 0.02
    assert abs(found.pitch - MOUNT.pitch) < 2e-4
    x, y = truth.centre(found.s)
    assert np.abs(found.path[:, 0] - x).max() < 0.05
    assert np.abs(found.path[:, 1] - y).max() < 0.05
    assert found.view_start < 5 and found.view_end > 37 and found.blocker_class == NO_BLOCKER


@pytest.mark.parametrize('start, rate', [(0.0, 1e-3), (0.0, -5e-4), (0.01, -1e-3)])
def test_rendered_spirals(start, rate):
    found = geometry_of(render(Truth(curvature=start, rate=rate)))
    assert abs(at(found, 20) - start - 20 * rate) < 1e-4


def test_rendered_noise():
    rng = np.random.default_rng(4)
    off, scores = [], []
    for i in range(60):
        curvature = [0.0, 0.005, -0.01][i % 3]
        found = geometry_of(render(Truth(curvature=curvature), sigma=1.0, rng=rng))
        off.append(
            (at(found, 20) - curvature, at(found, 10) - curvature, found.lateral_offset - 0.3)
        )
        scores.append(abs(off[-1][0]) / np.interp(20, found.s, found.curvature_at_s_sigma))
    rmse = np.sqrt(np.mean(np.square(off), axis=0))
    assert rmse[0] < 0.15e-3 and rmse[1] < 0.4e-3 and rmse[2] < 0.04
    # Sixty draws hold 95 % to plus or minus 6 %.
    assert np.mean(np.array(scores) < 1.96) > 0.88


def test_a_vehicle_frame_behind_a_turned_camera():
    mount = Mount(x=1.7, y=0.2, yaw=-0.02, roll=0.01)
    truth = Truth(curvature=0.005, offset=-0.8)
    found = geometry_of(render(truth, mount), mount)
    assert abs(at(found, 10) - 0.005) < 1e-4
    assert abs(found.lateral_offset + 0.8) < 0.02 and abs(found.width - 7) < 0.03


def test_a_parked_car_is_not_the_edge():
    clean, parked = [], []
    rng = np.random.default_rng(8)
    for i in range(40):
        curvature = [0.0, 0.005, -0.005][i % 3]
        truth, seed = Truth(curvature=curvature, offset=0.0, heading=0.0), rng.integers(1 << 30)
        side_x, side_y = truth.edge(15.0, -1)
        car = Box(float(side_x), float(side_y) + 0.3, 2.2, 1.5)
        for boxes, into in (((), clean), ((car,), parked)):
            found = geometry_of(
                render(truth, boxes=boxes, sigma=1.0, rng=np.random.default_rng(seed))
            )
            into.append(at(found, 10) - curvature)
    assert np.sqrt(np.mean(np.square(parked))) < 1.3 * np.sqrt(np.mean(np.square(clean)))


@pytest.mark.parametrize('label', [CAR, PERSON])
@pytest.mark.parametrize('distance', [12.0, 20.0, 30.0])
def test_what_stands_on_the_road_ends_the_corridor(label, distance):
    truth = Truth(offset=0.0, heading=0.0)
    found = geometry_of(render(truth, boxes=(Box(distance, 0.2, 0.8, 1.7, label),)))
    assert found.valid and found.blocker_class == label
    assert abs(found.blocker_distance - distance) < 0.6 + 2 * found.blocker_distance_sigma
    assert found.view_end == found.blocker_distance == found.s[-1]
    assert found.blocker_distance_sigma > 0


def test_what_stands_beside_the_corridor_does_not_end_it():
    found = geometry_of(render(Truth(offset=0.0, heading=0.0), boxes=(Box(15.0, -2.4, 0.8, 1.7),)))
    assert found.blocker_class == NO_BLOCKER and found.view_end > 35


def test_a_road_that_ends_is_blocked_by_what_lies_beyond():
    mask = render(Truth(offset=0.0, heading=0.0))
    mask[: int(MOUNT.row_of(18))] = SIDEWALK
    found = geometry_of(mask)
    assert found.blocker_class == SIDEWALK and abs(found.blocker_distance - 18) < 1


@pytest.mark.parametrize(
    'curvature, limit', [(0.0, 1e-4), (1 / 200, 1.2e-3), (-1 / 200, 1.2e-3), (1 / 100, 2.2e-3)]
)
def test_a_widening_road_is_flagged_and_bounded(curvature, limit):
    found = geometry_of(render(Truth(curvature=curvature, widening=0.02)))
    assert found.valid and found.status & Status.WIDTH_JUMP
    off = abs(at(found, 20) - curvature)
    assert off < limit
    assert off < 2 * np.interp(20, found.s, found.curvature_at_s_sigma), 'and the band says so'
    steady = geometry_of(render(Truth(curvature=curvature)))
    assert not steady.status & Status.WIDTH_JUMP


@pytest.mark.parametrize('crest', [1 / 400, -1 / 400, 1 / 1600, -1 / 1600])
def test_a_crest_or_dip_is_flagged_and_followed(crest):
    found = geometry_of(render(Truth(curvature=0.005), crest=crest))
    assert found.valid and found.status & Status.NOT_FLAT
    assert abs(at(found, 20) - 0.005) < 5e-4
    assert abs(found.width - 7) < 0.2


def test_flat_ground_is_not_flagged():
    rng = np.random.default_rng(6)
    flags = [
        geometry_of(render(Truth(curvature=0.004), sigma=1.0, rng=rng)).status for _ in range(30)
    ]
    assert sum(bool(f & Status.NOT_FLAT) for f in flags) <= 1


def test_a_side_road_is_flagged():
    truth = Truth(offset=0.0, heading=0.0)
    mask = render(truth)
    far, near = int(MOUNT.row_of(25)), int(MOUNT.row_of(15))
    mask[far:near, 512:] = 0
    found = geometry_of(mask)
    assert found.valid and found.status & Status.INTERSECTION
    assert abs(at(found, 20)) < 1e-3


def test_hidden_edges_are_flagged():
    truth = Truth(offset=0.0, heading=0.0)
    parked = tuple(Box(float(x), -2.8, 1.2, 1.5) for x in range(8, 40, 2))
    found = geometry_of(render(truth, boxes=parked))
    assert found.status & Status.RIGHT_OCCLUDED and not found.status & Status.LEFT_OCCLUDED
    parked = tuple(replace(box, y=2.8) for box in parked)
    found = geometry_of(render(truth, boxes=parked))
    assert found.status & Status.LEFT_OCCLUDED and not found.status & Status.RIGHT_OCCLUDED


def test_one_edge_gives_a_corridor_through_the_vehicle():
    truth = Truth(offset=-6.0, heading=0.0, width=16.0, curvature=0.004)
    mask = render(truth)
    mask[(mask == SIDEWALK) & (np.arange(1024) > 512)] = 0
    mask[210:, 1000:] = 0
    found = geometry_of(mask)
    assert found.valid and found.status & Status.ONE_SIDED
    assert found.reference == ReferenceCurve.EGO_PARALLEL
    assert found.lateral_offset == 0 and found.lateral_offset_sigma == 0
    assert found.width_sigma > 1
    assert abs(at(found, 20) - 0.004) < 3 * np.interp(20, found.s, found.curvature_at_s_sigma)


def test_ego_parallel_bends_as_a_parallel_does():
    # The vehicle 3 m to the right of the centre of a left bend of 50 m: its circle has 53 m.
    moved, covariance, seen = through_vehicle(
        np.array([3.0, 0.0, 0.02, 0.0, 7.0, 0.0]), np.diag([1, 1, 1, 1, 1, 1.0]), 20.0
    )
    np.testing.assert_allclose(moved, [0, 0, 1 / 53, 0, 7, 0], atol=1e-12)
    assert covariance[0, 0] == 0 and covariance[1, 1] == 1
    assert seen == pytest.approx(20 * 53 / 50)


def test_reference_is_a_choice():
    options = RoadOptions(reference=ReferenceCurve.EGO_PARALLEL)
    found = geometry_of(render(Truth(offset=1.0, heading=0.0)), options=options)
    assert found.reference == ReferenceCurve.EGO_PARALLEL and found.lateral_offset == 0
    assert np.abs(found.path[:, 1]).max() < 0.05


def test_unsure_labels_are_flagged():
    mask = render(Truth())
    sure = geometry_of(mask, confidence=np.full(mask.shape, 230, np.uint8))
    unsure = geometry_of(mask, confidence=np.full(mask.shape, 90, np.uint8))
    assert not sure.status & Status.LOW_CONFIDENCE and unsure.status & Status.LOW_CONFIDENCE


def test_a_camera_that_is_bent_out_of_place_is_invalid():
    found = geometry_of(render(Truth(), replace(MOUNT, pitch=0.038 + 0.06)), believed_pitch=0.038)
    assert not found.valid
    assert found.status & (Status.PITCH_OUT_OF_PRIOR | Status.INTERSECTION)
    near = geometry_of(render(Truth(), replace(MOUNT, pitch=0.038 + 0.01)), believed_pitch=0.038)
    assert near.valid and abs(near.pitch - 0.048) < 5e-4


def test_a_short_view_is_flagged_or_invalid():
    def blocked_at(distance):
        return geometry_of(render(Truth(offset=0, heading=0), boxes=(Box(distance, 0, 3, 2),)))

    assert blocked_at(12.0).valid and blocked_at(12.0).status & Status.SHORT_VIEW
    assert not blocked_at(6.0).valid and blocked_at(6.0).status & Status.SHORT_VIEW


def test_sigmas_and_covariance_agree():
    found = geometry_of(render(Truth(curvature=0.005), sigma=1.0, rng=np.random.default_rng(0)))
    sigmas = [
        found.lateral_offset_sigma,
        found.heading_sigma,
        found.curvature_sigma,
        found.curvature_rate_sigma,
        found.width_sigma,
        found.pitch_sigma,
    ]
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), sigmas)
    assert np.linalg.eigvalsh(found.covariance).min() > 0
    assert found.curvature_at_s_sigma.argmin() not in (0, len(found.s) - 1), 'least in between'


@pytest.mark.parametrize('sure, flagged', [(200, False), (100, True)])
def test_a_road_hidden_by_what_is_labelled_unsurely_says_so(sure, flagged):
    mask = render(Truth(offset=0.0, heading=0.0))
    confidence = np.full(mask.shape, 230, np.uint8)
    mask[400:500, 300:800], confidence[400:500, 300:800] = VEGETATION, sure
    found = geometry_of(mask, confidence=confidence)
    assert not found.valid and bool(found.status & Status.LOW_CONFIDENCE) == flagged


@pytest.mark.parametrize('reference', list(ReferenceCurve))
def test_edges_that_end_before_the_corridor_begins_bear_none(reference):
    mask, options = render(Truth()), RoadOptions(reference=reference)
    road = road_of(mask)
    doubts = systematic_errors(
        road.fit.parameters, road.camera, options, road.fit, default_prior(7.0, 3.0, 0.0175)
    )
    found = corridor_geometry(
        Track(road.fit.parameters, road.fit.covariance, coasting=False),
        doubts,
        FitQuality(np.linspace(-5.0, -2.0, 9), Status.OK, True),
        road.space.columns,
        LabelledFrame(mask, None, road.camera),
        LABELS,
        options,
    )
    assert not found.valid and found.status == Status.SHORT_VIEW
