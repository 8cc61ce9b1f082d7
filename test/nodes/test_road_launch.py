"""A launched segmenter that is shown roads: what it says of a bend, of none, of a lost camera."""

from __future__ import annotations

import time
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from builtin_interfaces.msg import Time
from nav_msgs.msg import Path
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from asap_ros.msg import RoadGeometry
from asap_ros.road.geometry import Status
from support.launched_segmenter import FRONT, TIMEOUT, PeerNode, launched
from support.live_segmenter import LATCHED
from support.live_vehicle import GRASS, OPTICAL, calibration, picture, transform
from support.synthetic_roads import MOUNT, Truth, render

PARAMETERS = f"""
/**:
  ros__parameters:
    network_height: {MOUNT.height}
    network_width: {MOUNT.width}
    threads: 1
    max_age: 0.0
    hood_polygon: [0.0, 1.0, 0.5, 0.99, 1.0, 1.0]
"""


class VehicleNode(PeerNode):
    """A camera, its calibration and its transform; frames are answered by another process.

    Frames go as PNG: one that is larger than a socket's buffer comes by luck alone, best effort.
    """

    def __init__(self, context: rclpy.Context):
        super().__init__('vehicle', context)
        self.image = self.create_publisher(CompressedImage, '/front/image_raw/compressed', 1)
        self.info = self.create_publisher(CameraInfo, '/front/camera_info', 1)
        self.static = self.create_publisher(TFMessage, '/tf_static', LATCHED)
        self.roads: list[RoadGeometry] = []
        self.paths: list[Path] = []
        self.create_subscription(
            RoadGeometry, '/front/segmenter/road_geometry', self.roads.append, 5
        )
        self.create_subscription(Path, '/front/segmenter/path', self.paths.append, 5)
        self.static.publish(TFMessage(transforms=[transform()]))
        self._seconds = 0

    def see(self, mask: np.ndarray, frame_id: str = OPTICAL) -> tuple[RoadGeometry, Path, Time]:
        """Return what answers the frame of a mask, and the frame's stamp.

        Frames are too far apart in time for one to say anything of the next.
        """
        self._seconds += 100
        stamp = Time(sec=self._seconds, nanosec=123_456_789)
        pixels = cv2.cvtColor(picture(mask), cv2.COLOR_RGB2BGR)
        frame = CompressedImage(
            header=Header(stamp=stamp, frame_id=frame_id),
            format='rgb8; png compressed bgr8',
            data=array('B', cv2.imencode('.png', pixels)[1].tobytes()),
        )

        def publish():
            self.info.publish(calibration())
            self.image.publish(frame)

        def answers(heard):
            return [message for message in heard if message.header.stamp == stamp]

        self.repeat(publish, lambda: answers(self.roads) and answers(self.paths), 'the road')
        return answers(self.roads)[-1], answers(self.paths)[-1], stamp

    def be_known(self) -> None:
        """Return when the segmenter has the calibration and the transform.

        Each comes once its two ends have found each other, on a busy machine long after the
        first frame.
        """
        end = time.monotonic() + TIMEOUT
        while self.see(GRASS)[0].status & (Status.NO_CALIBRATION | Status.NO_TF):
            assert time.monotonic() < end, 'calibration or transform have not arrived'


@pytest.fixture(scope='module')
def vehicle(own_domain, tiny_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp('road')
    (folder / 'road.yaml').write_text(PARAMETERS)
    context = rclpy.Context()
    with launched(
        folder,
        f'model:={tiny_file}',
        f'params_file:={folder / "road.yaml"}',
        *FRONT,
        'compressed:=true',
    ):
        rclpy.init(args=[], context=context)
        made = VehicleNode(context)
        made.be_known()
        yield made
        made.close()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('radius', [80.0, -80.0, 250.0])
def test_a_bend_of_known_radius(vehicle, radius):
    truth = Truth(curvature=1 / radius)
    found, path, stamp = vehicle.see(render(truth))
    assert found.valid and not found.status & Status.COASTING, Status(found.status)
    assert np.sign(found.curvature) == np.sign(radius)
    assert np.interp(10.0, found.s, found.curvature_at_s) == pytest.approx(1 / radius, abs=2e-4)
    assert found.lateral_offset == pytest.approx(truth.offset, abs=0.02)
    for header in (found.header, path.header):
        assert (header.stamp, header.frame_id) == (stamp, 'base_link')
    last = path.poses[-1].pose.position
    x, y = truth.centre(found.view_end)
    assert (last.x, last.y) == (pytest.approx(x, abs=0.1), pytest.approx(y, abs=0.1))
    assert np.sign(last.y) == np.sign(radius)


def test_no_road_is_an_empty_path(vehicle):
    found, path, stamp = vehicle.see(GRASS)
    assert not found.valid and found.status & Status.SHORT_VIEW
    assert np.isnan(found.curvature) and not len(found.s)
    assert not path.poses and (path.header.stamp, path.header.frame_id) == (stamp, 'base_link')


def test_a_camera_that_tf_does_not_know(vehicle):
    found, path, stamp = vehicle.see(render(Truth()), frame_id='lost')
    assert not found.valid and found.status == Status.NO_TF, Status(found.status)
    assert not path.poses
    assert (found.header.stamp, found.header.frame_id) == (stamp, 'base_link')
