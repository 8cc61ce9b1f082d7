"""From a camera's pixels to the network's input: resize first, reorder the colours after."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np


class PixelFormat(Enum):
    """How the bytes of a picture are its colours: bytes a pixel, and OpenCV's code to RGB.

    OpenCV names a Bayer pattern by the second row from its second column on, ROS by the first
    row from its first, so ROS ``rggb`` is OpenCV's ``BG``. The YUV layouts are BT.601 with
    luma 16 to 235, the only reading that OpenCV and cv_bridge have.
    """

    RGB = ('rgb', 3, None)
    BGR = ('bgr', 3, cv2.COLOR_BGR2RGB)
    RGBA = ('rgba', 4, cv2.COLOR_RGBA2RGB)
    BGRA = ('bgra', 4, cv2.COLOR_BGRA2RGB)
    GREY = ('grey', 1, cv2.COLOR_GRAY2RGB)
    UYVY = ('uyvy', 2, cv2.COLOR_YUV2RGB_UYVY)
    YUYV = ('yuyv', 2, cv2.COLOR_YUV2RGB_YUY2)
    BAYER_RGGB = ('bayer_rggb', 1, cv2.COLOR_BayerBG2RGB)
    BAYER_BGGR = ('bayer_bggr', 1, cv2.COLOR_BayerRG2RGB)
    BAYER_GBRG = ('bayer_gbrg', 1, cv2.COLOR_BayerGR2RGB)
    BAYER_GRBG = ('bayer_grbg', 1, cv2.COLOR_BayerGB2RGB)

    def __init__(self, label: str, channels: int, to_rgb: int | None):
        self.label = label
        self.channels = channels
        self.to_rgb = to_rgb

    @property
    def is_bayer(self) -> bool:
        """Return whether each pixel is one colour of a mosaic of 2x2."""
        return self.label.startswith('bayer')

    @property
    def is_yuv422(self) -> bool:
        """Return whether two neighbours in a row share their colour."""
        return self in (PixelFormat.UYVY, PixelFormat.YUYV)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of a picture's array: (H, W), or (H, W, channels)."""
        return (height, width) if self.channels == 1 else (height, width, self.channels)


@dataclass(frozen=True)
class CameraPicture:
    """One camera frame as it was sent, not yet converted: a view of the message where possible.

    ``pixels`` is uint8 of ``layout.shape(h, w)``, perhaps strided, perhaps read-only.
    ``height`` and ``width`` are those of the camera's image, which camera_info speaks of; they
    are larger than h and w where a JPEG was decoded at a reduced scale.
    """

    pixels: np.ndarray
    layout: PixelFormat
    height: int
    width: int


def resize(pixels: np.ndarray, size: tuple[int, int], out: np.ndarray | None = None) -> np.ndarray:
    """Return uint8 ``pixels``, (H, W) or (H, W, C), at ``size`` = (height, width).

    The one interpolation rule, on the vehicle as in training: area where either side shrinks
    to a half or less (a linear kernel then skips pixels: thin poles flicker), else linear.
    Pixel centres keep their place: output (v + 0.5) / h is input (v + 0.5) / H.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f'cannot resize to {height}x{width}: both sides must be at least 1')
    shrinks = max(pixels.shape[0] / height, pixels.shape[1] / width)
    rule = cv2.INTER_AREA if shrinks >= 2 else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), dst=out, interpolation=rule)


def to_rgb_at(
    pixels: np.ndarray, layout: PixelFormat, size: tuple[int, int], out: np.ndarray | None = None
) -> np.ndarray:
    """Return ``pixels`` of ``layout`` as RGB, uint8 (h, w, 3), C-contiguous, at ``size`` = (h, w).

    Colours are reordered after resizing, on the smaller array; Bayer and YUV pictures must be
    converted before, because their neighbours are not the same quantity. With ``out`` the
    result is written there. Without it, RGB pixels that already fit are returned as they are,
    not copied. ValueError where ``pixels`` or ``out`` have another shape or type.
    """
    _require(pixels, layout.shape(*pixels.shape[:2]), f'{layout.label} pixels')
    if out is not None:
        _require(out, (*size, 3), 'out')
        if not out.flags.c_contiguous:
            raise ValueError('out must be C-contiguous')
    if layout.is_bayer or layout.is_yuv422:
        pixels, layout = _reorder(pixels, layout), PixelFormat.RGB
    if pixels.shape[:2] != tuple(size):
        pixels = resize(pixels, size, out if layout is PixelFormat.RGB else None)
    pixels = _reorder(pixels, layout, out)
    if out is None:
        return np.ascontiguousarray(pixels)
    if pixels is not out:
        np.copyto(out, pixels)
    return out


def _reorder(pixels: np.ndarray, layout: PixelFormat, out: np.ndarray | None = None) -> np.ndarray:
    """Return the pixels as RGB, into ``out`` where that is given; RGB itself is not copied."""
    return pixels if layout.to_rgb is None else cv2.cvtColor(pixels, layout.to_rgb, dst=out)


def _require(array: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    """Raise ValueError unless ``array`` is uint8 of ``shape`` and not empty."""
    if array.dtype != np.uint8 or array.shape != shape or array.size == 0:
        raise ValueError(f'{what} must be uint8 {shape}, not {array.dtype} {array.shape}')
