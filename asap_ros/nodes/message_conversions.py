"""Plain values to ROS messages and back, images apart (imaging/message_codec.py)."""

from __future__ import annotations

import math

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from asap_ros.labels import IGNORED, LabelSet
from asap_ros.msg import StageTimings
from asap_ros.road.calibration import Calibration
from asap_ros.road.pose import CameraError
from asap_ros.segmentation.frame_statistics import STAGES, Counts


def nanoseconds(stamp: Time) -> int:
    """Return a stamp in nanoseconds; negative ones, which rclpy's Time refuses, count as well."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def label_info(labels: LabelSet, threshold: float, header: Header) -> LabelInfo:
    """Return what the ids of a mask mean; ``threshold`` is the least confidence, 0 to 1."""
    classes = [VisionClass(class_id=c.id, class_name=c.name) for c in labels.classes]
    classes.append(VisionClass(class_id=IGNORED, class_name='unlabelled'))
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def stage_timings(timings: dict[str, float], counts: Counts, header: Header) -> StageTimings:
    """Return the times of one frame's stages in milliseconds; NaN for stages not run."""
    stages = {stage: float(timings.get(stage, math.nan)) for stage in STAGES}
    return StageTimings(header=header, **stages, **vars(counts))


def scaled_camera_info(
    info: CameraInfo,
    image: tuple[int, int] | None,
    grid: tuple[int, int],
    header: Header,
) -> CameraInfo:
    """Return the camera_info of a grid of (height, width) that covers the whole image.

    ``image``: (height, width) of the image itself, None where it is not known. ROI and binning
    are worked into K and P, so that the result describes a full image of the grid's size. A
    pixel's centre is at a whole number: f' = s f, c' = s (c + 0.5) - 0.5. A matrix of zeros is
    one that the camera does not state; it stays so. Raises CameraError where neither is stated,
    where one is not finite or not positive, or where camera_info is of another image size.
    """
    k, p = np.reshape(info.k, (3, 3)).copy(), np.reshape(info.p, (3, 4)).copy()
    stated = [(name, matrix) for name, matrix in (('K', k), ('P', p)) if matrix.any()]
    if not stated:
        raise CameraError('camera_info: K and P are zero: calibrate the camera or fix its driver')
    for name, matrix in stated:
        if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise CameraError(
                f'camera_info: {name} must be finite with positive focal lengths, it is '
                f'{matrix.ravel().tolist()}: calibrate the camera or fix its driver'
            )
    calibration = Calibration.from_message(info)
    width, height = calibration.image_size
    if height < 1 or width < 1:
        raise CameraError(
            f'camera_info is of {width}x{height} images: calibrate the camera or fix its driver'
        )
    if image is not None:
        calibration.check_images(image)
    binning = max(1, info.binning_x), max(1, info.binning_y)
    for _, matrix in stated:
        for axis, offset in enumerate((info.roi.x_offset, info.roi.y_offset)):
            scale = grid[1 - axis] / (width, height)[axis] / binning[axis]
            matrix[axis, axis] *= scale
            matrix[axis, 2] = (matrix[axis, 2] - offset + 0.5) * scale - 0.5
    p[0, 3] *= grid[1] / width / binning[0]
    p[1, 3] *= grid[0] / height / binning[1]
    return CameraInfo(
        header=header,
        height=grid[0],
        width=grid[1],
        distortion_model=info.distortion_model,
        d=info.d,
        k=k.ravel().tolist(),
        r=info.r,
        p=p.ravel().tolist(),
    )
