"""Tileable noise and painted surfaces that pictures are made of; all from seeds, none from files.

Colours are linear RGB, 0 to 1, of what a surface reflects.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

SIZE = 512
"""Side of a noise tile in texels."""


@cache
def noise(seed: int, exponent: float, size: int = SIZE) -> np.ndarray:
    """Return a tile of periodic noise, float32 (size, size), mean 0, deviation 1.

    Its amplitude falls with the spatial frequency to the power of ``exponent``.
    """
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(size, size)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(spectrum * frequency**-exponent, (size, size))
    return ((tile - tile.mean()) / tile.std()).astype(np.float32)


def sample(tile: np.ndarray, x: np.ndarray, y: np.ndarray, texel: float) -> np.ndarray:
    """Return a tile at places (metres, float32) where a texel is ``texel`` metres wide."""
    scale = np.float32(1 / texel)
    return cv2.remap(tile, x * scale, y * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def pyramid(picture: np.ndarray) -> list[np.ndarray]:
    """Return a picture and its halvings down to 4 texels, the largest first."""
    levels = [picture]
    while min(levels[-1].shape[:2]) >= 8:
        height, width = levels[-1].shape[:2]
        levels.append(
            cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        )
    return levels


def level(levels: list[np.ndarray], scale: float) -> np.ndarray:
    """Return the level of a pyramid to be drawn at ``scale`` pixels a texel of the largest."""
    wanted = int(np.clip(np.floor(-np.log2(max(scale, 1e-6)) + 0.3), 0, len(levels) - 1))
    return levels[wanted]
