"""Recorded images as arrays, for the executables that look at a drive."""

from __future__ import annotations

import numpy as np

from asap_ros.bags.frames import RecordedFrame
from asap_ros.bags.reader import BagError, Message
from asap_ros.bags.warnings import Warnings
from asap_ros.imaging import message_codec
from asap_ros.imaging.files import ImageError
from asap_ros.imaging.pixel_formats import CameraPicture, PixelFormat, to_rgb_at
from asap_ros.road.road_pipeline import SourceImage


def picture(message: Message, at_least: tuple[int, int] | None = None) -> CameraPicture:
    """Return the picture in a recorded image message, raw or compressed.

    ``at_least`` is (height, width) as for ``images.decode_compressed``. Raises ImageError or
    BagError where it is damaged.
    """
    if message.topic.compressed:
        return message_codec.decode_compressed(message.value, at_least)
    return message_codec.decode(message.value)


def source_image(frame: RecordedFrame, picture: CameraPicture) -> SourceImage:
    """Return what the road pipeline asks of a frame's image."""
    return SourceImage(
        frame.image.value.header.frame_id, frame.stamp_ns, (picture.height, picture.width)
    )


def rgb(picture: CameraPicture) -> np.ndarray:
    """Return the pixels of a picture as RGB, uint8 (H, W, 3)."""
    return to_rgb_at(picture.pixels, picture.layout, picture.pixels.shape[:2])


def mask(message: Message) -> np.ndarray:
    """Return a recorded label mask, uint8 (H, W) of class ids.

    Raises ImageError where the picture has colours or is damaged, BagError as ``picture``.
    """
    ids = picture(message)
    if ids.layout is not PixelFormat.GREY:
        raise ImageError(
            f'{message.topic.name} holds {ids.layout.label} pictures; a label mask '
            'has one channel of class ids'
        )
    return np.ascontiguousarray(ids.pixels)


def reference(frame: RecordedFrame, warnings: Warnings) -> np.ndarray | None:
    """Return the frame's reference mask as ``mask`` does, None without one.

    One that cannot be read is as if it had not been recorded; ``warnings`` names it.
    """
    if not frame.reference:
        return None
    try:
        return mask(frame.reference)
    except (BagError, ImageError) as error:
        warnings.add(str(error))
        return None
