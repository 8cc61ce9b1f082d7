from __future__ import annotations

import re

import numpy as np
import pytest

from asap_ros import resources
from asap_ros.bags.typestore import typestore


@pytest.mark.parametrize('name', ['RoadGeometry', 'StageTimings'])
def test_own_messages_have_the_fields_of_their_msg_files(name):
    text = resources.find(f'msg/{name}.msg').read_text()
    stated = re.findall(r'^[\w/]+(?:\[\d*\])? +(\w+) *(?:#.*)?$', text, re.MULTILINE)
    fields = typestore().fielddefs[f'asap_ros/msg/{name}'][1]
    assert [field for field, _ in fields] == stated and len(stated) > 10


def test_a_road_geometry_survives_writing_and_reading():
    store = typestore()
    types = store.types
    header = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](5, 7), 'base_link')
    kind = types['asap_ros/msg/RoadGeometry']
    values = dict.fromkeys(kind.__dataclass_fields__, 0.5)
    s = np.array([0.0, 1.0, 2.0])
    values.update(
        header=header,
        valid=True,
        status=kind.STATUS_COASTING,
        reference=0,
        blocker_class=255,
        covariance=np.arange(36.0),
        s=s,
        curvature_at_s=s / 100,
        curvature_at_s_sigma=s * 0,
        lateral_at_s_sigma=s * 0,
    )
    cdr = store.serialize_cdr(kind(**values), 'asap_ros/msg/RoadGeometry')
    read = store.deserialize_cdr(cdr, 'asap_ros/msg/RoadGeometry')
    assert read.header.frame_id == 'base_link' and read.header.stamp.nanosec == 7
    assert read.status == 4096 and read.valid
    np.testing.assert_array_equal(read.covariance, np.arange(36.0))
    np.testing.assert_array_equal(read.curvature_at_s, s / 100)


def test_the_store_is_made_once():
    assert typestore() is typestore()
