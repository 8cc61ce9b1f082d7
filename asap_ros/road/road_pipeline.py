"""From the label mask of a frame to its road: calibration, pose, motion and the road model.

The one chain of the live node and of the offline evaluation. What differs between them, where
poses and motion come from, is behind two protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asap_ros.labels import LabelSet
from asap_ros.road.calibration import Calibration, build_camera
from asap_ros.road.geometry import Status, invalid
from asap_ros.road.labelled_frame import LabelledFrame, check_labels
from asap_ros.road.options import RoadOptions
from asap_ros.road.pose import CameraError, Pose, PoseError
from asap_ros.road.projection import Camera
from asap_ros.road.road_model import Road, RoadModel
from asap_ros.road.tracker import EgoMotion

SAME_POSE = 1e-6
"""Metres and radians below which a pose is the last one: TF's interpolation rounds."""

STEP_BACK = 1.0
"""Seconds by which stamps must go back before poses of the future are forgotten."""


class PoseSource(Protocol):
    """Where the camera is on the vehicle."""

    def at(self, frame_id: str, stamp_ns: int) -> Pose:
        """Return the pose of an optical frame at a stamp; PoseError that says why it is unknown."""

    def forget(self) -> None:
        """Forget the past: stamps have gone back."""


class MotionSource(Protocol):
    """How the vehicle moves."""

    def between(self, start: float, end: float) -> EgoMotion | None:
        """Return the motion between two times in seconds, None where it is not known."""


@dataclass(frozen=True)
class SourceImage:
    """The camera's image that a mask was made of.

    ``size`` (height, width) in pixels as it was sent; ``stamp_ns`` its header's stamp.
    """

    frame_id: str
    stamp_ns: int
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _BuiltCamera:
    """A camera and what it was built from."""

    calibration: Calibration
    pose: Pose
    camera: Camera


class CameraBuilder:
    """Builds the camera of masks; the same object while nothing about it changes."""

    def __init__(self, poses: PoseSource, rectified: bool, no_calibration: str):
        """Take poses from ``poses``.

        ``rectified`` as for ``build_camera``; ``no_calibration`` is what is said where there is
        no camera_info.
        """
        self._poses, self._rectified = poses, rectified
        self._no_calibration = no_calibration
        self._built: _BuiltCamera | None = None

    def build(
        self, image: SourceImage, calibration: Calibration | None, grid: tuple[int, int]
    ) -> Camera:
        """Return the camera of a mask of ``grid`` (height, width) that was made of ``image``.

        Raises PoseError where its pose is unknown, CameraError where there is no calibration, or
        one of other images.
        """
        if calibration is None:
            raise CameraError(self._no_calibration)
        calibration.check_images(image.size)
        pose = self._poses.at(image.frame_id, image.stamp_ns)
        built = self._built
        if (
            built is None
            or built.calibration != calibration
            or not _is_same(built.pose, pose)
            or (built.camera.height, built.camera.width) != grid
        ):
            camera = build_camera(calibration, pose, grid[1], grid[0], self._rectified)
            self._built = built = _BuiltCamera(calibration, pose, camera)
        return built.camera

    def forget(self) -> None:
        """Forget poses of the past: stamps have gone back."""
        self._poses.forget()


class RoadPipeline:
    """Finds the road of one camera's frames, in the order of their stamps."""

    def __init__(
        self,
        labels: LabelSet,
        options: RoadOptions,
        cameras: CameraBuilder,
        motion: MotionSource,
    ):
        """Begin a drive; ``labels`` says what the masks' classes are."""
        self.model = RoadModel(labels, options)
        self._cameras, self._motion = cameras, motion
        self._last: float | None = None

    def process(
        self,
        image: SourceImage,
        mask: np.ndarray,
        confidence: np.ndarray | None,
        calibration: Calibration | None,
    ) -> Road:
        """Return the road of a frame: invalid, with the reason, where its camera is unknown.

        ``mask`` and ``confidence`` uint8 (H, W) as in ``LabelledFrame``; ``calibration`` None
        where no camera_info is known. Raises ValueError where the arrays do not fit.
        """
        check_labels(mask, confidence)
        now = image.stamp_ns / 1e9
        if self._last is not None and now < self._last - STEP_BACK:
            self._cameras.forget()
        motion = None if self._last is None else self._motion.between(self._last, now)
        self._last = now
        try:
            camera = self._cameras.build(image, calibration, mask.shape)
        except CameraError as error:
            unknown = Status.NO_TF if isinstance(error, PoseError) else Status.NO_CALIBRATION
            return Road(invalid(unknown), mask, fault=str(error))
        return self.model.analyse(LabelledFrame(mask, confidence, camera), now, motion)


def _is_same(a: Pose, b: Pose) -> bool:
    return bool(
        np.abs(a.rotation - b.rotation).max() < SAME_POSE
        and np.abs(a.translation - b.translation).max() < SAME_POSE
    )
