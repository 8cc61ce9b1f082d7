"""Recorded images as arrays, for the executables that look at a drive."""

from __future__ import annotations

import numpy as np

from asap_ros import images
from asap_ros.evaluation.bags import BagError, Message
from asap_ros.evaluation.frames import Frame
from asap_ros.image_files import ImageError
from asap_ros.preprocess import Layout, Picture, to_rgb_at


def rgb(message: Message) -> np.ndarray:
    """Return a recorded camera frame, uint8 (H, W, 3) RGB; ImageError or BagError if damaged."""
    picture = _picture(message)
    return to_rgb_at(picture.pixels, picture.layout, (picture.height, picture.width))


def mask(message: Message) -> np.ndarray:
    """Return a recorded label mask, uint8 (H, W) of class ids.

    Raises ImageError where the picture has colours or is damaged, BagError as ``rgb``.
    """
    picture = _picture(message)
    if picture.layout is not Layout.GREY:
        raise ImageError(f'{message.topic.name} holds {picture.layout.label} pictures; a label '
                         'mask has one channel of class ids')
    return np.ascontiguousarray(picture.pixels)


def reference(frame: Frame, damaged: list[str]) -> np.ndarray | None:
    """Return the frame's reference mask as ``mask`` does, None without one.

    One that cannot be read is as if it had not been recorded; what is wrong with it is put
    into ``damaged``.
    """
    if not frame.reference:
        return None
    try:
        return mask(frame.reference)
    except (BagError, ImageError) as error:
        damaged.append(str(error))
        return None


def _picture(message: Message) -> Picture:
    """Return the picture in a raw or compressed image message."""
    decode = images.decode_compressed if message.topic.compressed else images.decode
    return decode(message.value)
