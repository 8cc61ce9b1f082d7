"""A label mask made visible: the frame tinted by class, where two masks differ, and a legend."""

from __future__ import annotations

import cv2
import numpy as np

from asap_ros.labels import IGNORED, LabelSet

FONT = cv2.FONT_HERSHEY_SIMPLEX
TEXT_COLOUR = (240, 240, 240)
BACKGROUND = (24, 24, 24)
ERROR_COLOUR = (255, 40, 40)
"""Colour of a pixel whose class differs from the reference's, RGB."""


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ``mask`` (h, w) at ``size`` (H, W) by nearest neighbour, ids untouched."""
    if mask.shape == tuple(size):
        return mask
    return cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def colourise(mask: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Return the colours of ``mask`` uint8 (H, W) as uint8 (H, W, 3) RGB; no class is black."""
    # applyColorMap is 20 times as fast as indexing; it takes the table in the output's order.
    return cv2.applyColorMap(np.ascontiguousarray(mask), labels.colours.reshape(256, 1, 3))


def blend(rgb: np.ndarray, mask: np.ndarray, labels: LabelSet, opacity: float) -> np.ndarray:
    """Return the frame tinted by the classes of its mask, uint8 (H, W, 3) RGB.

    ``rgb`` is uint8 (H, W, 3); ``mask`` is uint8 (h, w) and is brought to the frame's size by
    nearest neighbour. ``opacity`` 0 shows the frame alone, 1 the classes alone. Ignored pixels
    keep the frame's own colour. Raises ValueError for other shapes or opacities.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or mask.ndim != 2:
        raise ValueError(
            f'an overlay needs a frame (H, W, 3) and a mask (h, w), '
            f'not {rgb.shape} and {mask.shape}'
        )
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f'overlay opacity must be 0 to 1, not {opacity}')
    mask = resize_mask(mask, rgb.shape[:2])
    tinted = cv2.addWeighted(colourise(mask, labels), opacity, rgb, 1.0 - opacity, 0.0)
    ignored = (mask == IGNORED).view(np.uint8)
    return cv2.copyTo(rgb, ignored, tinted)


def draw_errors(rgb: np.ndarray, mask: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return where a mask is wrong, uint8 (H, W, 3) RGB of the frame's size.

    Wrong pixels are red on the greyed frame; what the reference ignores is darkened. ``mask``
    and ``reference`` are uint8 masks of the same label set and of any size.
    """
    mask, reference = (resize_mask(m, rgb.shape[:2]) for m in (mask, reference))
    picture = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    ignored = reference == IGNORED
    picture[ignored] //= 4
    wrong = (mask != reference) & ~ignored
    picture[wrong] = picture[wrong] // 4 + np.array(ERROR_COLOUR, np.uint8) // 4 * 3
    return picture


def caption(
    text: str, width: int, height: int = 24, colour: tuple[int, int, int] = TEXT_COLOUR
) -> np.ndarray:
    """Return ``text`` on a dark strip, uint8 (height, width, 3); it shrinks until it fits."""
    strip = np.full((height, width, 3), BACKGROUND, np.uint8)
    scale = height / 44.0
    (text_width, text_height), _ = cv2.getTextSize(text, FONT, scale, 1)
    if text_width > width - 24:
        scale *= (width - 24) / text_width
        (_, text_height), _ = cv2.getTextSize(text, FONT, scale, 1)
    cv2.putText(strip, text, (6, (height + text_height) // 2), FONT, scale, colour, 1, cv2.LINE_AA)
    return strip


def legend(
    labels: LabelSet,
    width: int,
    extra: tuple[tuple[str, tuple[int, int, int]], ...] = (),
    row_height: int = 24,
) -> np.ndarray:
    """Return a legend of every class, uint8 (rows * row_height, width, 3) RGB.

    ``extra`` adds entries of (name, RGB colour) after the classes. Rows are filled from left to
    right and every name is printed whole.
    """
    entries = [(c.name.replace('_', ' '), c.colour) for c in labels.classes] + list(extra)
    scale = row_height / 48.0
    swatch = row_height - 8
    widths = [cv2.getTextSize(name, FONT, scale, 1)[0][0] + swatch + 22 for name, _ in entries]
    column = min(max(widths), width)
    columns = max(1, width // column)
    rows = -(-len(entries) // columns)
    picture = np.full((rows * row_height, width, 3), BACKGROUND, np.uint8)
    for index, (name, colour) in enumerate(entries):
        x = 6 + index % columns * column
        y = index // columns * row_height
        cv2.rectangle(
            picture,
            (x, y + 4),
            (x + swatch, y + 4 + swatch),
            tuple(int(v) for v in colour),
            cv2.FILLED,
        )
        cv2.putText(
            picture,
            name,
            (x + swatch + 6, y + row_height - 8),
            FONT,
            scale,
            TEXT_COLOUR,
            1,
            cv2.LINE_AA,
        )
    return picture
