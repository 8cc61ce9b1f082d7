"""The corridor on recorded drives, from their reference masks."""

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from asap_ros.road.calibration import Calibration, build_camera
from asap_ros.road.geometry import Status
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.pose import pose_from_quaternion
from asap_ros.road.road_model import RoadModel
from support.synthetic_roads import CAR, LABELS

HOOD = (
    (0.0, 1.0),
    (0.0, 0.99),
    (0.2, 0.955),
    (0.5, 0.935),
    (0.535, 0.93),
    (0.535, 0.82),
    (0.595, 0.82),
    (0.595, 0.93),
    (0.8, 0.945),
    (1.0, 0.975),
    (1.0, 1.0),
)


def drive(folder, every):
    """Yield the geometry of every so many frames of a bag."""
    camera = pose = None
    model, count = RoadModel(LABELS, RoadOptions(hood_polygon=HOOD)), 0
    with AnyReader([folder]) as reader:
        for connection, stamp, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            if connection.topic == '/tf_static':
                r, t = (
                    getattr(message.transforms[0].transform, name)
                    for name in ('rotation', 'translation')
                )
                pose = pose_from_quaternion(r.x, r.y, r.z, r.w, t.x, t.y, t.z)
            elif connection.topic == '/camera/camera_info' and camera is None:
                calibration = Calibration(
                    message.width,
                    message.height,
                    tuple(message.k),
                    tuple(message.d),
                    tuple(message.p),
                )
                camera = build_camera(calibration, pose, 1024, 512, rectified=True)
            elif connection.topic == '/reference/mask/compressed':
                count += 1
                if count % every == 0:
                    mask = cv2.imdecode(message.data, cv2.IMREAD_UNCHANGED)
                    mask = cv2.resize(mask, (1024, 512), interpolation=cv2.INTER_NEAREST)
                    yield model.analyse(LabelledFrame(mask, None, camera), 1e-9 * stamp).geometry


def bend(geometry):
    return geometry.curvature + 20 * geometry.curvature_rate


@pytest.mark.parametrize('bag', ['aachen_1', 'aachen_2'])
def test_straight_streets(bags, bag):
    found = list(drive(bags / bag, every=3))
    assert np.mean([g.valid for g in found]) >= 0.9
    valid = [g for g in found if g.valid]
    assert abs(np.median([bend(g) for g in valid])) < 0.5e-3
    assert np.median([g.view_end for g in valid]) > 40
    assert 7 < np.median([g.width for g in valid]) < 9.5
    if bag == 'aachen_2':
        assert any(g.status & Status.RIGHT_OCCLUDED for g in valid), 'cars are parked there'


def test_a_left_bend(bags):
    found = list(drive(bags / 'aachen_0', every=3))
    assert np.mean([g.valid for g in found]) >= 0.9
    valid = [g for g in found if g.valid]
    assert 1 / 120 < np.median([bend(g) for g in valid]) < 1 / 40
    assert any(g.blocker_class == CAR for g in valid), 'one drives ahead'


def test_a_junction_is_not_called_a_road(bags):
    found = list(drive(bags / 'aachen_3', every=3))
    assert all(not g.valid or g.status & (Status.INTERSECTION | Status.ONE_SIDED) for g in found)
