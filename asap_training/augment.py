"""Random views of a training pair, each a pure function of the pair and a random generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.labels import IGNORED


@dataclass(frozen=True)
class Augmentation:
    """What is drawn at random (paper, section III); sizes are (height, width) in pixels.

    ``scales``: factors of which one is drawn, ``crop``: the size that comes out, ``jitter``: the
    largest relative change of brightness, contrast and saturation, ``hue``: of hue in turns.
    """

    crop: tuple[int, int]
    scales: tuple[float, ...] = (0.75, 1.0, 1.5, 1.75, 2.0)
    flip: bool = True
    jitter: float = 0.4
    hue: float = 0.02

    def __call__(self, image: np.ndarray, mask: np.ndarray, random: np.random.Generator):
        """Return a view, uint8 RGB (*crop, 3), and its mask, uint8 (*crop)."""
        image, mask = scale(image, mask, random.choice(self.scales))
        image, mask = crop(image, mask, self.crop, random)
        if self.flip and random.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.jitter or self.hue:
            image = jitter(image, self.jitter, self.hue, random)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def scale(image: np.ndarray, mask: np.ndarray, factor: float):
    """Resize both by ``factor``: the picture by area or bilinearly, the mask by nearest pixel."""
    if factor == 1.0:
        return image, mask
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    smooth = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR
    return (cv2.resize(image, size, interpolation=smooth),
            cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT))


def crop(image: np.ndarray, mask: np.ndarray, size: tuple[int, int], random):
    """Cut a window of ``size`` (height, width); where the picture is smaller, pad it.

    The picture is padded by reflection, so that no edge appears, and the mask by 255.
    """
    missing = [max(0, want - have) for want, have in zip(size, mask.shape)]
    if any(missing):
        top, left = (int(random.integers(m + 1)) for m in missing)
        border = (top, missing[0] - top, left, missing[1] - left)
        image = cv2.copyMakeBorder(image, *border, cv2.BORDER_REFLECT_101)
        mask = cv2.copyMakeBorder(mask, *border, cv2.BORDER_CONSTANT, value=IGNORED)
    top, left = (
        int(random.integers(have - want + 1)) for have, want in zip(mask.shape, size))
    window = np.s_[top:top + size[0], left:left + size[1]]
    return image[window], mask[window]


def jitter(image: np.ndarray, amount: float, hue: float, random) -> np.ndarray:
    """Change brightness, contrast, saturation (factors 1 ± amount) and hue (± turns).

    All four are linear maps of RGB and become one 3x4 matrix, applied in one pass. The rotation
    of hue is about the grey axis (Rodrigues).
    """
    brightness, contrast, saturation = 1.0 + random.uniform(-amount, amount, 3)
    angle = 2.0 * np.pi * random.uniform(-hue, hue)
    luma = np.tile([0.299, 0.587, 0.114], (3, 1))
    axis = np.full(3, 3.0 ** -0.5)
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    matrix = brightness * contrast * turn @ (
        saturation * np.eye(3) + (1.0 - saturation) * luma)
    grey = float(image.mean())
    offset = np.full((3, 1), brightness * (1.0 - contrast) * grey)
    return cv2.transform(image, np.hstack([matrix, offset]).astype(np.float32))
