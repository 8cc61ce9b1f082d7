"""Roads as messages: the numbers as they are, and NaN and nothing where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from builtin_interfaces.msg import Time
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from asap_ros.msg import RoadGeometry
from asap_ros.nodes import road_conversions
from asap_ros.road.free_space import BOUNDARY_FIELDS
from asap_ros.road.geometry import ReferenceCurve, Status, invalid
from support.road_steps import road_of
from support.synthetic_roads import LABELS, MOUNT, SKY, Truth, render

HEADER = Header(stamp=Time(sec=5, nanosec=7), frame_id='base_link')


def test_message_and_model_agree():
    bits = {
        name[len('STATUS_') :]: getattr(RoadGeometry, name)
        for name in dir(type(RoadGeometry))
        if name.startswith('STATUS_')
    }
    assert bits == {bit.name: bit.value for bit in Status if bit}
    assert (RoadGeometry.REFERENCE_ROAD_CENTRE, RoadGeometry.REFERENCE_EGO_PARALLEL) == (
        ReferenceCurve.ROAD_CENTRE,
        ReferenceCurve.EGO_PARALLEL,
    )


def test_every_field_of_the_message_is_filled():
    geometry = road_of(render(Truth(curvature=0.004), crest=1 / 1000)).geometry
    message = road_conversions.road_geometry(geometry, HEADER)
    assert message.header == HEADER and message.valid
    for name in message.get_fields_and_field_types():
        if name not in ('header', 'covariance'):
            np.testing.assert_array_equal(getattr(message, name), getattr(geometry, name), name)
    np.testing.assert_array_equal(np.reshape(message.covariance, (6, 6)), geometry.covariance)
    assert message.status & Status.NOT_FLAT
    assert message.crest == pytest.approx(1 / 1000, rel=0.2)


def test_an_invalid_road_is_nan_throughout():
    message = road_conversions.road_geometry(invalid(Status.NO_TF), HEADER)
    assert not message.valid and message.status == Status.NO_TF
    for name, kind in message.get_fields_and_field_types().items():
        if kind == 'double':
            assert np.isnan(getattr(message, name)), name
        elif kind == 'sequence<double>':
            assert not len(getattr(message, name)), name
    assert message.blocker_class == RoadGeometry.BLOCKER_NONE
    assert not road_conversions.path(invalid(Status.NO_TF), HEADER).poses
    deleted = road_conversions.markers(invalid(Status.NO_TF), LABELS, HEADER).markers
    assert deleted and all(m.action == Marker.DELETE for m in deleted)


def test_organised_and_flat_clouds():
    organised = np.zeros((4, 6, 3), np.float32)
    organised[0] = np.nan
    cloud = road_conversions.point_cloud(organised, road_conversions.GROUND_FIELDS, HEADER)
    assert (cloud.height, cloud.width, cloud.row_step) == (4, 6, 72) and not cloud.is_dense
    flat = road_conversions.point_cloud(np.zeros((5, 6), np.float32), BOUNDARY_FIELDS, HEADER)
    assert (flat.height, flat.width, len(flat.data)) == (1, 5, 120) and flat.is_dense


def test_a_road_of_sky_is_invalid_and_says_why():
    geometry = road_of(np.full((MOUNT.height, MOUNT.width), SKY, np.uint8)).geometry
    assert road_conversions.road_geometry(geometry, HEADER).status == int(geometry.status) > 0
