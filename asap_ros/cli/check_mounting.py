"""Judge a camera's mounting before a drive: what it can tell of a road, and how surely."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from asap_ros import labels
from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser, add_hood_fraction, add_size, number
from asap_ros.cli.command import UsageError
from asap_ros.nodes.camera_pose import FixedPose, TfPose
from asap_ros.nodes.message_conversions import nanoseconds
from asap_ros.road.calibration import Calibration, build_camera
from asap_ros.road.mounting_accuracy import MountingAccuracy, expected_accuracy
from asap_ros.road.options import RoadOptions, corners
from asap_ros.road.pose import Pose, PoseError, pose_from_mounting
from asap_ros.road.projection import Camera

EXAMPLES = """
  %(prog)s /front/camera_info
      a camera that runs, its pose from TF
  %(prog)s /front/camera_info --height 1.4 --pitch 0.03 --unrectified
      its pose as stated, its images as they come from the sensor
  %(prog)s ost.yaml --height 1.22 --pitch 0.038 --hood-fraction 0.15
      a calibration file, without a camera
"""
PATIENCE = 10.0
"""Seconds that camera_info and its transform are waited for."""


class MountingError(RuntimeError):
    """The camera cannot be judged; the message says what is missing."""


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file that camera_calibration or a driver wrote (YAML).

    Raises FileNotFoundError where there is none, UsageError where it cannot be read as one.
    """
    try:
        document = yaml.safe_load(path.read_text())
        return Calibration(
            width=int(document['image_width']),
            height=int(document['image_height']),
            k=tuple(map(float, document['camera_matrix']['data'])),
            d=tuple(map(float, document['distortion_coefficients']['data'])),
            p=tuple(map(float, document['projection_matrix']['data'])),
            distortion_model=document.get('distortion_model', 'plumb_bob'),
        )
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise UsageError(
            f'{path} is no calibration as camera_calibration writes it: {error!r}'
        ) from error


def listen(topic: str, base_frame: str, pose: Pose | None) -> tuple[Calibration, Pose]:
    """Return what a topic says of a camera, and its pose from TF unless one is given."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Node('check_mounting', context=context)
    heard: list[CameraInfo] = []
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        poses = TfPose(node, base_frame, 0.0) if pose is None else FixedPose(pose)
        node.create_subscription(
            CameraInfo,
            topic,
            heard.append,
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
        )
        end, fault = time.monotonic() + PATIENCE, f'no camera_info came on {topic}'
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
            if not heard:
                continue
            try:
                header = heard[-1].header
                found = poses.at(header.frame_id, nanoseconds(header.stamp))
                return Calibration.from_message(heard[-1]), found
            except PoseError as error:
                fault = str(error)
        raise MountingError(f'{fault}; waited {PATIENCE:.0f} s')
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def table(camera: Camera, rows: list[MountingAccuracy], noise: float) -> str:
    """Return what to expect as text."""
    x, y, z = camera.translation
    field = math.degrees(2 * math.atan(camera.width / 2 / camera.fx))
    lines = [
        f'camera    f = {camera.fx:.0f} x {camera.fy:.0f} px at {camera.width}x{camera.height}, '
        f'{field:.0f} degrees wide',
        f'mounting  {z:.2f} m up, x = {x:.2f} m, y = {y:.2f} m, '
        f'pitch {round(math.degrees(camera.pitch), 2) + 0.0:.2f} degrees (nose down positive), '
        f'horizon at row {float(camera.horizon(camera.cx)):.0f}',
        f'road      rendered edges moved by {noise:g} px, alike in neighbouring rows; single '
        'frames',
        '',
        '  at x    range sigma   seen   curvature sigma   (error)     lateral sigma  (error)',
    ]
    for row in rows:
        told = (
            f'   {1e3 * row.curvature_sigma:8.2f}e-3 1/m '
            f' ({1e3 * row.curvature_error:.2f}e-3)  {row.lateral_sigma:8.3f} m     '
            f'({row.lateral_error:.3f})'
            if row.seen
            else '   nothing is told so far ahead'
        )
        lines.append(
            f'  {row.distance:3.0f} m   {row.range_sigma:8.2f} m  {100 * row.seen:4.0f} %{told}'
        )
    return '\n'.join(lines)


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('check_mounting', __doc__, EXAMPLES)
    made.add_argument(
        'camera_info',
        help='a topic, such as /camera/camera_info, or a YAML file that camera_calibration wrote',
    )
    made.add_argument(
        '--height',
        type=number(0.0),
        metavar='METRES',
        help='above the ground (default the pose from TF)',
    )
    for name, unit, says in (
        ('pitch', 'RADIANS', 'nose down'),
        ('roll', 'RADIANS', 'right side down'),
        ('yaw', 'RADIANS', 'to the left'),
        ('x', 'METRES', 'before base_link'),
        ('y', 'METRES', 'to its left'),
    ):
        made.add_argument(f'--{name}', type=float, default=0.0, metavar=unit, help=says)
    made.add_argument('--base-frame', default='base_link', metavar='FRAME', help='for TF')
    made.add_argument('--unrectified', action='store_true', help='the images are not rectified')
    add_size(made, 'of the mask')
    add_hood_fraction(made, 0.0)
    made.add_argument(
        '--hood-polygon',
        type=float,
        nargs='+',
        default=(),
        metavar='XY',
        help='hood_polygon: x and y of each corner in turn, fractions of the image',
    )
    made.add_argument(
        '--road-width', type=number(0.1), default=7.0, metavar='METRES', help='of the road'
    )
    made.add_argument(
        '--noise',
        type=number(0.0),
        default=1.0,
        metavar='PIXELS',
        help='of the mask by which its edges are wrong',
    )
    return made


def road_options(given: argparse.Namespace) -> RoadOptions:
    """Return the settings of the road that a command line states; UsageError where they clash."""
    try:
        return RoadOptions(
            hood_fraction=given.hood_fraction,
            hood_polygon=corners(given.hood_polygon),
            width_prior=given.road_width,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def work(given: argparse.Namespace) -> None:
    """Print what the camera can tell of a road; MountingError where it can tell nothing."""
    options = road_options(given)
    pose = None
    if given.height is not None:
        pose = pose_from_mounting(
            given.height, given.pitch, given.roll, given.yaw, given.x, given.y
        )
    path = Path(given.camera_info)
    if path.suffix in ('.yaml', '.yml'):
        calibration = read_calibration(path)
        if pose is None:
            raise UsageError('a file has no TF: give --height and --pitch')
    else:
        calibration, pose = listen(given.camera_info, given.base_frame, pose)
    height, width = given.size
    camera = build_camera(calibration, pose, width, height, rectified=not given.unrectified)
    rows = expected_accuracy(camera, labels.load('cityscapes'), options, noise=given.noise)
    print(table(camera, rows, given.noise))
    if not any(row.seen for row in rows):
        raise MountingError('no road can be told with this mounting: is the ground in view?')


def main(argv: list[str] | None = None) -> int:
    """Judge a camera's mounting before a drive: what it can tell of a road, and how surely."""
    return command.run(parser(), work, argv, failed=(MountingError,))


def selftest(argv: list[str] | None = None) -> int:
    """Run check_mounting under the name that it had before."""
    print('selftest is now called check_mounting; this name will go', file=sys.stderr)
    return main(argv)


if __name__ == '__main__':
    sys.exit(main())
