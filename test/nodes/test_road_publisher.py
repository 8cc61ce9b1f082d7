"""What the live node publishes of roads that it knows: rendered bends, boxes, mountings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from builtin_interfaces.msg import Time
from rclpy.lifecycle import TransitionCallbackReturn
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from asap_ros.msg import RoadGeometry
from asap_ros.road import drawing
from support.live_segmenter import pixels
from support.live_vehicle import (
    GRASS,
    MOUNTED,
    OPTICAL,
    ROAD_OUTPUTS,
    TO_CAMVID,
    calibration,
    points,
    transform,
)
from support.synthetic_roads import CAR, MOUNT, Box, Truth, render


def colours(mask):
    """Return what an opaque overlay shows of a mask of Cityscapes ids."""
    return tiny_model.LABELS.colours[TO_CAMVID[mask]]


@pytest.mark.parametrize('radius', [80.0, -80.0, 300.0])
def test_a_bend_of_known_radius(make_vehicle, radius):
    car, truth = make_vehicle('road_geometry', 'path'), Truth(curvature=1 / radius)
    car.mount()
    frame = car.see(render(truth))
    found, path = car.last('road_geometry'), car.last('path')
    assert found.valid and found.reference == RoadGeometry.REFERENCE_ROAD_CENTRE
    assert np.sign(found.curvature) == np.sign(radius)
    assert np.interp(10.0, found.s, found.curvature_at_s) == pytest.approx(1 / radius, abs=2e-4)
    assert found.lateral_offset == pytest.approx(truth.offset, abs=0.02)
    assert found.heading == pytest.approx(truth.heading, abs=2e-3)
    assert found.width == pytest.approx(truth.width, abs=0.02)
    assert found.pitch == pytest.approx(MOUNT.pitch, abs=1e-3)
    assert found.curvature_sigma**2 == pytest.approx(found.covariance[14])
    for header in (found.header, path.header, path.poses[0].header):
        assert (header.stamp, header.frame_id) == (frame.header.stamp, 'base_link')
    at = np.array(found.s)
    assert at[0] == found.view_start and at[-1] == found.view_end > 15.0
    assert len(found.curvature_at_s_sigma) == len(found.lateral_at_s_sigma) == len(at)
    np.testing.assert_allclose(
        [[p.pose.position.x, p.pose.position.y] for p in path.poses],
        np.stack(truth.centre(at), axis=1),
        atol=0.1,
    )
    turned = [2 * np.arctan2(p.pose.orientation.z, p.pose.orientation.w) for p in path.poses]
    np.testing.assert_allclose(turned, truth.heading + at / radius, atol=0.01)
    assert car.last('timings').road > 0.0


def test_pose_from_parameters(make_vehicle):
    car = make_vehicle('road_geometry', base_frame='chassis', **MOUNTED)
    frame = car.see(render(Truth(curvature=0.01)))
    found = car.last('road_geometry')
    assert found.valid and found.curvature == pytest.approx(0.01, abs=5e-4)
    assert (found.header.stamp, found.header.frame_id) == (frame.header.stamp, 'chassis')


def test_reference_through_the_vehicle(make_vehicle):
    car = make_vehicle('road_geometry', 'markers', reference='ego_parallel', **MOUNTED)
    car.see(render(Truth(curvature=0.01)))
    found = car.last('road_geometry')
    assert found.valid and found.reference == RoadGeometry.REFERENCE_EGO_PARALLEL
    assert found.lateral_offset == 0.0
    drawn = {m.id for m in car.last('markers').markers if m.action == Marker.ADD}
    assert drawn == {0}


@pytest.mark.parametrize('grid', ['network', 'camera'])
def test_outputs_of_one_frame_fit_one_another(make_vehicle, grid):
    # What a semantic costmap layer reads together, and what nav2 reads.
    car = make_vehicle(
        *ROAD_OUTPUTS,
        'mask',
        'confidence',
        'mask/camera_info',
        'label_info',
        mask_resolution=grid,
        network_height=256,
        network_width=512,
    )
    car.mount()
    box = Box(x=20.0, y=0.0, width=2.0, tall=1.5)
    frame = car.see(render(Truth(), boxes=(box,)))
    size = (256, 512) if grid == 'network' else (512, 1024)
    for name in ('mask', 'confidence', 'mask/camera_info', 'ground_points'):
        message = car.last(name)
        assert (message.height, message.width) == size, name
        assert message.header.stamp == frame.header.stamp, name
    assert car.last('mask').header.frame_id == car.last('confidence').header.frame_id == OPTICAL
    for name in ROAD_OUTPUTS[:-1]:
        assert car.last(name).header == Header(stamp=frame.header.stamp, frame_id='base_link'), (
            name
        )
    mask, ground = pixels(car.last('mask')), points(car.last('ground_points'))
    car.segmenter.wait(
        lambda: car.segmenter.heard['label_info'], 'label_info'
    )  # it has its own time
    classes = {c.class_id: c.class_name for c in car.last('label_info').class_map}
    assert set(np.unique(mask)) <= set(classes)
    on_ground = np.isfinite(ground).all(axis=-1)
    road = mask == tiny_model.LABELS.id_of('road')
    assert set(np.unique(mask[on_ground])) - {8} <= {3, 4}  # the car, by its foot
    assert (on_ground & road).sum() > 0.9 * road.sum()
    # A pixel's point is where mask/camera_info and TF, with the pitch found, say that it is.
    row, column = np.argwhere(on_ground & road)[1000]
    x, y, _ = ground[row, column]
    p = np.reshape(car.last('mask/camera_info').p, (3, 4))
    found = car.last('road_geometry')
    turned = transform(replace(MOUNT, pitch=found.pitch)).transform.rotation
    optical = Rotation.from_quat([getattr(turned, a) for a in 'xyzw'])
    u, v, w = p[:, :3] @ optical.inv().apply([x, y, -MOUNT.up])
    np.testing.assert_allclose([u / w, v / w], [column, row], atol=0.05)
    # The scan ends at the box, as does the grid.
    scan, cells = car.last('free_space/scan'), car.last('free_space/grid')
    ahead = len(scan.ranges) // 2
    assert scan.angle_min == pytest.approx(-scan.angle_max)
    assert scan.angle_min + ahead * scan.angle_increment == pytest.approx(0.0, abs=1e-6)
    assert scan.ranges[ahead] == pytest.approx(20.0, abs=0.6)
    assert classes[int(scan.intensities[ahead])] == 'car'
    assert scan.range_min < 20.0 < scan.range_max
    side = np.reshape(cells.data, (cells.info.height, cells.info.width))
    line = side[round(-cells.info.origin.position.y / cells.info.resolution)]
    assert line[round(15.0 / cells.info.resolution)] == 0
    assert np.flatnonzero(line == 100).min() * cells.info.resolution == pytest.approx(
        20.0, abs=0.6
    )
    boundary = car.last('free_space/boundary')
    assert [f.name for f in boundary.fields] == [
        'x',
        'y',
        'z',
        'class',
        'range_sigma',
        'confidence',
    ]
    x, y, z, kind, sigma, belief = points(boundary)[0].T
    at = (kind == tiny_model.LABELS.id_of('car')) & (np.abs(y) < 0.8)
    assert at.any() and np.abs(x[at] - 20.0).max() < 0.6
    assert (sigma > 0.0).all() and (z == 0.0).all() and belief == pytest.approx(240 / 255)
    assert classes[found.blocker_class] == 'car'
    assert found.blocker_distance == pytest.approx(20.0, abs=1.0)


@pytest.mark.parametrize(
    'hood', [(), (0.19, 1.0, 0.19, 0.83, 0.79, 0.83, 0.79, 1.0)], ids=['undeclared', 'declared']
)
def test_a_hood_is_an_obstacle_until_it_is_declared(make_vehicle, hood):
    mask = render(Truth(curvature=0.005))
    mask[430:, 200:800] = CAR
    car = make_vehicle(
        'road_geometry',
        'free_space/scan',
        **MOUNTED,
        **({'hood_polygon': list(hood)} if hood else {}),
    )
    car.see(mask)
    assert car.last('road_geometry').valid == bool(hood)
    ranges = car.last('free_space/scan').ranges
    assert (ranges[len(ranges) // 2] > 30.0) == bool(hood)


def test_origin_is_base_link_though_the_camera_is_ahead_of_it(make_vehicle):
    mount = replace(MOUNT, x=1.7, y=0.2)
    car = make_vehicle('free_space/scan', 'road_geometry')
    car.mount(mount)
    truth = Truth(curvature=0.005)
    car.see(render(truth, mount, boxes=(Box(x=20.0, y=0.0, width=2.0, tall=1.5, label=CAR),)))
    scan = car.last('free_space/scan')
    assert scan.ranges[len(scan.ranges) // 2] == pytest.approx(20.0, abs=0.6)
    assert car.last('road_geometry').lateral_offset == pytest.approx(truth.offset, abs=0.05)


def test_corridor_for_rviz(make_vehicle):
    car, truth = make_vehicle('markers', **MOUNTED), Truth(curvature=0.005)
    car.see(render(truth, boxes=(Box(x=20.0, y=0.0, width=2.0, tall=1.5),)))
    found = car.last('markers').markers
    assert all(m.action == Marker.ADD and m.ns == 'corridor' for m in found)
    assert len({m.id for m in found}) == len(found) == 7
    by_kind = {
        kind: [m for m in found if m.type == kind]
        for kind in (Marker.LINE_STRIP, Marker.TRIANGLE_LIST, Marker.CUBE)
    }
    centre, left, right = by_kind[Marker.LINE_STRIP]
    for line, side in ((centre, 0.0), (left, 1.0), (right, -1.0)):
        s = np.linspace(0.0, 25.0, 2501)
        true = np.stack(truth.edge(s, side), axis=1)
        for p in line.points:
            assert np.hypot(*(true - [p.x, p.y]).T).min() < 0.1
    assert all(len(m.points) % 3 == 0 for m in by_kind[Marker.TRIANGLE_LIST])
    assert by_kind[Marker.CUBE][0].pose.position.x == pytest.approx(20.0, abs=1.0)
    assert found[-1].text.startswith('car ')


def test_the_overlay_shows_the_road(make_vehicle):
    car = make_vehicle('overlay', overlay_opacity=1.0, **MOUNTED)
    frame = car.see(render(Truth(curvature=0.01)))
    shown = pixels(car.last('overlay'))
    assert car.last('overlay').header == frame.header
    u = round(float(Truth(curvature=0.01).crossings(MOUNT, -1)[300]))
    blue = (np.abs(shown[300, u - 6 : u + 7].astype(int) - drawing.EDGE) < 60).all(axis=1)
    assert blue.any(), 'the edge of the corridor'
    assert not (shown[:60] == colours(render(Truth(curvature=0.01)))[:60]).all(), 'figures'


def test_the_overlay_of_a_camera_without_a_transform_says_so(make_vehicle):
    car = make_vehicle('overlay', overlay_opacity=1.0)
    car.see(GRASS)
    shown = pixels(car.last('overlay'))
    assert (shown[60:] == colours(GRASS)[60:]).all()
    yellow = np.abs(shown[:30].astype(int) - drawing.WARNING).max(axis=2) < 60
    assert yellow.sum() > 20, 'no road: NO_TF'


def test_an_overlay_of_a_camera_without_calibration_is_classes_alone(make_vehicle, capfd):
    car = make_vehicle('overlay', info=False, overlay_opacity=1.0)
    mask = render(Truth())
    car.see(mask)
    assert (pixels(car.last('overlay')) == colours(mask)).all()
    assert 'camera_info' not in capfd.readouterr().err


def test_nothing_of_the_road_is_made_for_nobody(make_vehicle, monkeypatch):
    car = make_vehicle('mask', **MOUNTED)
    monkeypatch.setattr('asap_ros.road.road_model.RoadModel.analyse', pytest.fail)
    monkeypatch.setattr('asap_ros.road.road_pipeline.build_camera', pytest.fail)
    car.see(render(Truth()))
    assert np.isnan(car.last('timings').road)


def test_one_camera_object_while_nothing_changes(make_vehicle):
    car = make_vehicle('road_geometry')
    kept = []
    for second in (99, 101, 104):
        car.move(Time(sec=second))
    for number in range(3):
        car.see(render(Truth()), number)
        kept.append(car.segmenter.road._pipeline._cameras._built.camera)
    assert kept[0] is kept[1] is kept[2]
    info = calibration()
    info.p[2] += 1.0
    car.segmenter.calibrate(info)
    car.see(render(Truth()), 3)
    assert car.segmenter.road._pipeline._cameras._built.camera is not kept[0]


def test_odometry_moves_the_tracked_road(make_vehicle, monkeypatch):
    car = make_vehicle('road_geometry', **MOUNTED)
    seen = []
    model = car.segmenter.road._pipeline.model
    analyse = model.analyse
    monkeypatch.setattr(model, 'analyse', lambda *a: seen.append(a[2]) or analyse(*a))
    start = car.segmenter.header(0).stamp.sec
    car.see(render(Truth()))
    for step in range(6):
        car.drive(
            Time(sec=start, nanosec=200_000_000 * step)
            if step < 5
            else Time(sec=start + 1, nanosec=1),
            10.0,
        )
    car.see(render(Truth()), 1)
    car.see(render(Truth()), 2)  # no odometry any more
    assert seen[0] is None and seen[2] is None
    assert seen[1].distance == pytest.approx(10.0, rel=1e-3) and seen[1].yaw == 0.0


@pytest.mark.parametrize(
    'parameters, says',
    [
        ({'camera.pose_from': 'parameters'}, 'set the camera height'),
        ({'camera.pose_from': 'guess'}, "camera.pose_from: 'guess' is not one of tf, parameters"),
        ({'reference': 'kerb'}, "reference: 'kerb' is not one of road_centre, ego_parallel"),
        ({'hood_fraction': 1.0}, 'hood_fraction 1.0'),
        ({'hood_polygon': [0.0, 1.0, 0.5, 0.8, 1.0]}, 'hood_polygon has 5 numbers'),
        ({'hood_polygon': [0.0, 1.0, 0.5, 0.8, 1.0, 1.5]}, 'the corner (1.0, 1.5)'),
    ],
)
def test_parameters_that_do_not_hold(make_segmenter, capfd, parameters, says):
    segmenter = make_segmenter(**parameters)
    assert segmenter.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert says in capfd.readouterr().err
    assert segmenter.node.engine_facts() is None


def test_inputs_of_the_road_end_with_the_configuration(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings')

    def inputs():
        names = segmenter.node.get_subscriber_names_and_types_by_node('segmenter', '/')
        return {name for name, _ in names if name in ('/tf', '/tf_static', '/odometry')}

    segmenter.wait(lambda: inputs() == {'/tf', '/tf_static', '/odometry'}, 'the inputs')
    segmenter.node.trigger_deactivate()
    segmenter.node.trigger_cleanup()
    segmenter.wait(lambda: not inputs(), 'their end')
