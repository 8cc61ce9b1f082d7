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
from asap_ros.cli.arguments import resolution
from asap_ros.nodes.camera_pose import TfPose
from asap_ros.nodes.message_conversions import nanoseconds
from asap_ros.road.calibration import Calibration, build_camera
from asap_ros.road.mounting_accuracy import MountingAccuracy, expected_accuracy
from asap_ros.road.options import RoadOptions, corners
from asap_ros.road.pose import CameraError, Pose, PoseError, pose_from_mounting
from asap_ros.road.projection import Camera

PATIENCE = 10.0
"""Seconds that camera_info and its transform are waited for."""


class MountingError(RuntimeError):
    """The camera cannot be judged; the message says what is missing."""


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file that camera_calibration or a driver wrote (YAML).

    Raises SelftestError where it cannot be read as one.
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
    except OSError as error:
        raise MountingError(f'{path} cannot be read: {error.strerror}') from error
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise MountingError(
            f'{path} is no calibration as camera_calibration writes it: {error!r}'
        ) from error


def listen(topic: str, base_frame: str, pose: Pose | None) -> tuple[Calibration, Pose]:
    """Return what a topic says of a camera, and its pose from TF unless one is given."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node, heard = Node('selftest', context=context), []
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        poses = TfPose(node, base_frame, 0.0) if pose is None else None
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
                found = pose or poses.at(
                    heard[-1].header.frame_id, nanoseconds(heard[-1].header.stamp)
                )
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


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog='ros2 run asap_ros selftest',
        description=__doc__,
        epilog='example: ros2 run asap_ros selftest /camera/camera_info --height 1.4 --pitch 0.03',
    )
    made.add_argument(
        'camera_info',
        help='a topic, such as /camera/camera_info, or a YAML file that camera_calibration wrote',
    )
    made.add_argument(
        '--height', type=float, help='metres above the ground; without it the pose comes from TF'
    )
    for name, says in (
        ('pitch', 'radians, nose down'),
        ('roll', 'radians, right side down'),
        ('yaw', 'radians to the left'),
        ('x', 'metres before base_link'),
        ('y', 'metres to its left'),
    ):
        made.add_argument(f'--{name}', type=float, default=0.0, help=f'{says} (default 0)')
    made.add_argument('--base-frame', default='base_link', help='for TF (default base_link)')
    made.add_argument('--raw', action='store_true', help='the images are not rectified')
    made.add_argument(
        '--size',
        type=resolution,
        default=(512, 1024),
        metavar='HEIGHTxWIDTH',
        help='of the mask (default 512x1024)',
    )
    made.add_argument('--hood', type=float, default=0.0, help='hood_fraction (default 0)')
    made.add_argument(
        '--hood-polygon',
        type=float,
        nargs='+',
        default=(),
        metavar='XY',
        help='hood_polygon: x and y of each corner in turn, fractions of the image',
    )
    made.add_argument('--width', type=float, default=7.0, help='metres of road (default 7)')
    made.add_argument(
        '--noise',
        type=float,
        default=1.0,
        help='pixels of the mask by which its edges are wrong (default 1)',
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Print what the camera can tell of a road; 1 where it can tell nothing."""
    options = parser().parse_args(arguments)
    try:
        road_options = RoadOptions(
            hood_fraction=options.hood,
            hood_polygon=corners(options.hood_polygon),
            width_prior=options.width,
        )
        pose = None
        if options.height is not None:
            pose = pose_from_mounting(
                options.height, options.pitch, options.roll, options.yaw, options.x, options.y
            )
        path = Path(options.camera_info)
        if path.suffix in ('.yaml', '.yml'):
            calibration = read_calibration(path)
            if pose is None:
                raise MountingError('a file has no TF: give --height and --pitch')
        else:
            calibration, pose = listen(options.camera_info, options.base_frame, pose)
        height, width = options.size
        camera = build_camera(calibration, pose, width, height, rectified=not options.raw)
        rows = expected_accuracy(
            camera, labels.load('cityscapes'), road_options, noise=options.noise
        )
    except (MountingError, CameraError, ValueError) as error:
        print(f'selftest: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(table(camera, rows, options.noise))
    if not any(row.seen for row in rows):
        print(
            'selftest: no road can be told with this mounting: is the ground in view?',
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
