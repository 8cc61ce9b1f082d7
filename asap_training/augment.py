"""Random views of a training pair: what is drawn, and doing it to one pair with OpenCV.

Drawing and doing are apart, so that augment_batch.py does the same to a batch on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.labels import IGNORED


@dataclass(frozen=True)
class RandomView:
    """What was drawn for one pair; sizes and places are (height, width) in pixels.

    ``size``: of the scaled pair; ``corner``: top left of the window in it, negative where the
    pair is smaller than the window and must be padded; ``flip``: mirror left and right;
    ``colours``: (3, 4), RGB -> RGB, the last column times the mean of the window, or None.
    """

    size: tuple[int, int]
    corner: tuple[int, int]
    flip: bool
    colours: np.ndarray | None


@dataclass(frozen=True)
class Augmentation:
    """What is drawn at random (paper, section III); sizes are (height, width) in pixels.

    ``scales``: factors of which one is drawn; ``crop_size``: the size that comes out;
    ``colour_jitter``: the largest relative change of brightness, contrast and saturation;
    ``hue``: of hue in turns.
    """

    crop_size: tuple[int, int]
    scales: tuple[float, ...] = (0.75, 1.0, 1.5, 1.75, 2.0)
    flip: bool = True
    colour_jitter: float = 0.4
    hue: float = 0.02

    def draw(self, size: tuple[int, int], random: np.random.Generator) -> RandomView:
        """Draw a view of a pair of ``size`` (height, width)."""
        factor = random.choice(self.scales)
        scaled = size if factor == 1.0 else (round(size[0] * factor), round(size[1] * factor))
        missing = [max(0, want - have) for want, have in zip(self.crop_size, scaled)]
        border = [int(random.integers(m + 1)) for m in missing] if any(missing) else (0, 0)
        start = [
            int(random.integers(have + m - want + 1))
            for have, m, want in zip(scaled, missing, self.crop_size)
        ]
        corner = (start[0] - border[0], start[1] - border[1])
        flip = bool(self.flip and random.random() < 0.5)
        colours = (
            jitter(self.colour_jitter, self.hue, random)
            if self.colour_jitter or self.hue
            else None
        )
        return RandomView(scaled, corner, flip, colours)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a view, uint8 RGB (*crop_size, 3), and its mask, uint8 (*crop_size)."""
        height, width = mask.shape
        view = self.draw((height, width), random)
        image, mask = scale(image, mask, view.size)
        image, mask = cut(image, mask, view.corner, self.crop_size)
        if view.flip:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if view.colours is not None:
            image = recolour(image, view.colours)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def scale(
    image: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Resize both to ``size``: the picture by area or bilinearly, the mask by nearest pixel."""
    if mask.shape == tuple(size):
        return image, mask
    smooth = cv2.INTER_AREA if size[0] < mask.shape[0] else cv2.INTER_LINEAR
    return (
        cv2.resize(image, size[::-1], interpolation=smooth),
        cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT),
    )


def cut(
    image: np.ndarray, mask: np.ndarray, corner: tuple[int, int], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the window of ``size`` at ``corner``; where it leaves the picture, pad.

    The picture is padded by reflection, so that no edge appears, and the mask by 255.
    """
    top, left = (max(0, -place) for place in corner)
    bottom, right = (
        max(0, place + want - have) for place, want, have in zip(corner, size, mask.shape)
    )
    if top or left or bottom or right:
        border = (top, bottom, left, right)
        image = cv2.copyMakeBorder(image, *border, cv2.BORDER_REFLECT_101)
        mask = cv2.copyMakeBorder(mask, *border, cv2.BORDER_CONSTANT, value=IGNORED)
    top, left = corner[0] + top, corner[1] + left
    window = np.s_[top : top + size[0], left : left + size[1]]
    return image[window], mask[window]


def jitter(amount: float, hue: float, random: np.random.Generator) -> np.ndarray:
    """Draw brightness, contrast, saturation (factors 1 ± amount) and hue (± turns).

    All four are linear maps of RGB and become one (3, 4) matrix; its last column is to be
    multiplied with the picture's mean. The rotation of hue is about the grey axis (Rodrigues).
    """
    brightness, contrast, saturation = 1.0 + random.uniform(-amount, amount, 3)
    angle = 2.0 * np.pi * random.uniform(-hue, hue)
    luma = np.tile([0.299, 0.587, 0.114], (3, 1))
    axis = np.full(3, 3.0**-0.5)
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    matrix = brightness * contrast * turn @ (saturation * np.eye(3) + (1.0 - saturation) * luma)
    offset = np.full((3, 1), brightness * (1.0 - contrast))
    return np.hstack([matrix, offset])


def recolour(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Apply what ``jitter`` drew to a picture, uint8 RGB (H, W, 3)."""
    matrix = colours.copy()
    matrix[:, 3] *= float(image.mean())
    return cv2.transform(image, matrix.astype(np.float32))
