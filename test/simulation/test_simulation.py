from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros import labels
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.projection import Camera
from asap_ros.road.road_model import RoadModel
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera
from support import simulated_drives

CITYSCAPES = labels.load('cityscapes')
ROAD = CITYSCAPES.id_of('road')
SHARP = SimulatedCamera.of_size(256, 512)


def pixels(simulation, frame, points):
    """Project points of the world by scipy's rotations through TF, mounting and sway."""
    turn, shift = simulation.world.motion.sway(frame.time)
    mount = simulation.lens.mounting
    base = Rotation.from_matrix(frame.rotation).inv().apply(points - frame.position)
    body = Rotation.from_matrix(turn).inv().apply(base - shift)
    optical = Rotation.from_matrix(mount.rotation).inv().apply(body - mount.translation)
    cx, cy = simulation.lens.centre
    depth = np.where(optical[:, 2] > 1, optical[:, 2], np.nan)
    f = simulation.lens.f
    return cx + f * optical[:, 0] / depth, cy + f * optical[:, 1] / depth


def edge_columns(simulation, frame, side):
    """Return the column at which a road edge crosses each row, NaN where none is in sight."""
    made = simulation.world
    s0, _ = made.motion.along(frame.time)
    s = s0 + np.linspace(3.0, 70.0, 8000)
    x, y, _ = made.layout.line.offset(s, side * 0.5 * made.layout.line.width(s))
    u, v = pixels(simulation, frame, np.stack([x, y, made.terrain.height(x)], axis=1))
    u, v = u[np.isfinite(v)], v[np.isfinite(v)]
    seen = v <= np.minimum.accumulate(v)
    return np.interp(
        np.arange(len(frame.mask)), v[seen][::-1], u[seen][::-1], left=np.nan, right=np.nan
    )


@pytest.mark.parametrize(
    'name, lens',
    [
        ('winding', SHARP),
        ('highway', SHARP),
        ('crest', SHARP),
        ('urban', SimulatedCamera(200, 330, 260.0, 1.5, 0.06)),
    ],
)
def test_road_edges_reproject_to_the_masks_edges(name, lens):
    simulation = simulated_drives.drive(name, lens=lens, empty=True, junctions=0)
    compared = 0
    for number in (5, 70, 140):
        frame = simulation.frame(number, 20.0)
        for side in (1, -1):
            expected = edge_columns(simulation, frame, side)
            for row in np.flatnonzero((expected > 3) & (expected < lens.width - 4)):
                left, right = int(np.floor(expected[row] - 0.5)), int(np.ceil(expected[row] + 0.5))
                inside, outside = (right, left) if side > 0 else (left, right)
                assert frame.mask[row, inside] == ROAD, (number, side, row)
                assert frame.mask[row, outside] != ROAD, (number, side, row)
                compared += 1
    assert compared > 150


def test_curvature_heading_and_offset_are_the_clothoids():
    simulation = simulated_drives.drive('winding')
    line = simulation.world.layout.line
    for number in (0, 60, 130):
        frame = simulation.frame(number, 20.0)
        geometry = frame.geometry
        # The middle as base_link has it, found by brute force.
        s = np.arange(line.knots[0], line.knots[-1], 0.001)
        x, y, heading = line.at(s)
        local = (np.stack([x, y, 0 * x], axis=1) - frame.position) @ frame.rotation
        near = np.abs(local[:, 1]) < 10
        at = np.flatnonzero(near)[np.argmin(np.abs(local[near, 0]))]
        yaw = np.arctan2(frame.rotation[1, 0], frame.rotation[0, 0])
        assert geometry.lateral_offset == pytest.approx(local[at, 1], abs=1e-3)
        assert geometry.heading == pytest.approx(heading[at] - yaw, abs=1e-4)
        assert geometry.curvature == pytest.approx(line.curvature(s[at]), abs=1e-6)
        np.testing.assert_allclose(
            geometry.curvature_at_s, line.curvature(s[at] + geometry.s), atol=1e-6
        )
        assert geometry.width == pytest.approx(line.width(s[at]), abs=1e-3)
        assert geometry.s[0] == geometry.view_start and geometry.s[-1] == geometry.view_end


def test_pitch_is_that_of_the_mounting_and_the_sway():
    simulation = simulated_drives.drive('winding')
    pitches = []
    for number in range(0, 40, 4):
        frame = simulation.frame(number, 20.0)
        expected = simulation.lens.pitch + simulation.world.motion.pitch(frame.time)
        assert frame.geometry.pitch == pytest.approx(expected, abs=1e-5)
        pitches.append(expected)
    assert np.ptp(pitches) > 2e-3, 'the camera bounces'


@pytest.mark.parametrize('name', ['urban', 'crest'])
def test_free_space_is_the_masks_first_pixel_that_is_no_road(name):
    simulation = simulated_drives.drive(name)
    frame = simulation.frame(30, 20.0)
    assert len(frame.free_space) == simulation.lens.width
    u, v = pixels(
        simulation,
        frame,
        frame.free_space[:, :3].astype(float) @ frame.rotation.T + frame.position,
    )
    blocked = 0
    for column, (x, _, _, label, _, _) in enumerate(frame.free_space):
        classes = frame.mask[::-1, column]
        first = int(np.argmax(classes != ROAD))
        row = len(classes) - 1 - first
        if np.isnan(x):
            assert label == 255
            continue
        blocked += 1
        assert label == classes[first] != ROAD
        if first:
            assert abs(u[column] - column) < 0.05 and abs(v[column] - row - 0.5) < 0.05
    assert blocked > 0.8 * simulation.lens.width


@pytest.mark.parametrize('name', ['winding', 'crest'])
def test_odometry_integrates_to_the_poses(name):
    simulation = simulated_drives.drive(name)
    motion, terrain = simulation.world.motion, simulation.world.terrain
    rotation, position = motion.pose(0.0, terrain)
    step = 0.01
    for k in range(200):
        linear, angular = motion.twist((k + 0.5) * step, terrain)
        half = Rotation.from_rotvec(0.5 * step * angular).as_matrix()
        position = position + step * rotation @ half @ linear
        rotation = rotation @ half @ half
    true_rotation, true_position = motion.pose(2.0, terrain)
    np.testing.assert_allclose(position, true_position, atol=0.01)
    np.testing.assert_allclose(rotation, true_rotation, atol=1e-3)
    assert abs(linear[1]) < 1e-3, 'it does not slip'


def test_one_seed_is_one_drive_and_another_is_another():
    first = simulated_drives.drive('urban').frame(7, 20.0)
    again = simulated_drives.drive.__wrapped__('urban').frame(7, 20.0)
    other = simulated_drives.drive('urban', seed=2).frame(7, 20.0)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.mask, again.mask)
    np.testing.assert_array_equal(first.free_space, again.free_space)
    assert first.geometry.curvature == again.geometry.curvature
    assert (first.rgb != other.rgb).mean() > 0.5


def test_a_frame_does_not_depend_on_those_before_it():
    simulation = simulated_drives.drive('rain')
    alone = simulation.frame(12, 20.0)
    simulation.frame(3, 20.0)
    np.testing.assert_array_equal(simulation.frame(12, 20.0).rgb, alone.rgb)


@pytest.mark.parametrize('name', sorted(SCENARIOS))
def test_every_scenario_shows_what_it_promises(name):
    simulation = simulated_drives.drive(name)
    seen = set()
    for number in range(0, 200, 25):
        frame = simulation.frame(number, 20.0)
        seen |= set(np.unique(frame.mask).tolist())
        assert frame.rgb.shape == (*frame.mask.shape, 3) and frame.rgb.dtype == np.uint8
        assert (frame.mask == ROAD).mean() > 0.1
        assert frame.geometry.valid
    missing = {CITYSCAPES.id_of(n) for n in SCENARIOS[name].expected_classes} - seen
    assert not missing, [CITYSCAPES.names[i] for i in missing]


def test_night_is_dark_and_day_is_not():
    day, night = (simulated_drives.drive(n).frame(20, 20.0).rgb.mean() for n in ('urban', 'night'))
    assert day > 100 > 70 > night


def test_the_road_model_finds_an_empty_arc_where_the_truth_has_it():
    """A mask, the calibration and the truth agree on signs, origins and scales."""
    simulation = simulated_drives.drive(
        'winding',
        lens=SHARP,
        empty=True,
        radius=(150.0, 150.0),
        arc=(140.0, 140.0),
        straight=(10.0, 10.0),
        width=(7.0, 7.0),
        bounce=0.0,
    )
    mount, lens = simulation.lens.mounting, simulation.lens
    camera = Camera(
        lens.f, lens.f, *lens.centre, lens.width, lens.height, mount.rotation, mount.translation
    )
    line = simulation.world.layout.line
    compared = 0
    for number in range(0, 200, 10):
        frame = simulation.frame(number, 20.0)
        ahead = simulation.world.motion.along(frame.time)[0] + np.array([3.0, 45.0])
        if not np.allclose(np.abs(line.curvature(ahead)), 1 / 150):
            continue
        road = RoadModel(CITYSCAPES).analyse(LabelledFrame(frame.mask, None, camera), 0.0).geometry
        truth = frame.geometry
        assert road.curvature == pytest.approx(truth.curvature, abs=5e-4)
        assert road.lateral_offset == pytest.approx(truth.lateral_offset, abs=0.05)
        assert road.heading == pytest.approx(truth.heading, abs=5e-3)
        assert road.width == pytest.approx(truth.width, abs=0.1)
        assert road.pitch == pytest.approx(truth.pitch, abs=2e-3)
        compared += 1
    assert compared >= 3
