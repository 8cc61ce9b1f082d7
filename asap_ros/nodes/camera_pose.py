"""Where the camera is on the vehicle at a frame's stamp: from TF, or as parameters state it."""

from __future__ import annotations

import time

from geometry_msgs.msg import TransformStamped
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, ExtrapolationException, TransformException, TransformListener

from asap_ros.road.pose import Pose, PoseError, pose_from_quaternion

POLL = 0.002
"""Seconds between two looks for a transform that is still on its way."""


def pose_of(transform: TransformStamped) -> Pose:
    """Return the pose of a transform base frame <- optical frame; PoseError if it is none."""
    q, t = transform.transform.rotation, transform.transform.translation
    return pose_from_quaternion(q.x, q.y, q.z, q.w, t.x, t.y, t.z)


class FixedPose:
    """A camera that is where the parameters ``camera.*`` say, at any time."""

    def __init__(self, pose: Pose):
        """Take the pose of the camera."""
        self._pose = pose

    def at(self, frame_id: str, stamp_ns: int) -> Pose:
        """Return the pose, whatever the frame."""
        return self._pose

    def forget(self) -> None:
        """Do nothing: there is no past."""

    def close(self) -> None:
        """Do nothing: nothing is held."""


class TfPose:
    """Poses from TF, which the node's executor receives and any thread may ask for."""

    def __init__(self, node: Node, base_frame: str, patience: float):
        """Listen to TF; ``patience`` seconds at most are waited for a transform on its way."""
        self._base_frame, self._patience = base_frame, patience
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def at(self, frame_id: str, stamp_ns: int) -> Pose:
        """Return the pose of ``frame_id`` at a stamp; PoseError that says why there is none."""
        way = f'from {frame_id!r} (frame_id of the image) to {self._base_frame!r} (base_frame)'
        # Not by the node's clock: with /clock standing still it would wait for ever.
        end = time.monotonic() + self._patience
        while True:
            try:
                return pose_of(
                    self._buffer.lookup_transform(
                        self._base_frame,
                        frame_id,
                        Time(nanoseconds=stamp_ns, clock_type=ClockType.ROS_TIME),
                    )
                )
            except ExtrapolationException as error:
                if time.monotonic() >= end:
                    raise PoseError(
                        f'no transform {way} at the stamp of the image: {error}'
                    ) from error
            except TransformException as error:
                raise PoseError(
                    f'no transform {way}: {error}; publish it, or set '
                    'camera.pose_from to parameters'
                ) from error
            except PoseError:
                raise
            except ValueError as error:  # rclpy has no times before 1970
                raise PoseError(f'no transform {way}: {error}') from error
            time.sleep(POLL)

    def forget(self) -> None:
        """Drop moving transforms: after time has gone back, TF refuses all that is older."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()
