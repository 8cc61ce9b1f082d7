"""The golden frame: a drawn street that every engine must label as the exporting machine did."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = (192, 384)
"""Height and width; multiples of 32, small enough for a network file's metadata."""


def frame() -> np.ndarray:
    """Return the frame, uint8 RGB (192, 384, 3), the same on every machine.

    A street as simple shapes under mild noise: enough for several classes to be seen. Only
    integer drawing and a seeded generator are used, so no platform rounds differently.
    """
    height, width = SIZE
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(230, 200, height, dtype=np.uint8)[:, None, None]
    horizon = 80
    cv2.rectangle(image, (0, 20), (110, horizon + 20), (150, 120, 105), -1)
    cv2.rectangle(image, (290, 5), (width, horizon + 20), (125, 110, 100), -1)
    for x in range(8, 110, 20):
        for y in range(28, horizon, 18):
            cv2.rectangle(image, (x, y), (x + 9, y + 10), (70, 80, 95), -1)
    for x, radius in ((140, 26), (250, 22), (275, 30)):
        cv2.rectangle(image, (x - 3, horizon - 10), (x + 3, horizon + 12), (70, 55, 45), -1)
        cv2.circle(image, (x, horizon - 22), radius, (60, 95, 50), -1)
    ground = np.array(
        [[0, height], [0, 110], [165, horizon], [215, horizon], [width, 105], [width, height]]
    )
    cv2.fillPoly(image, [ground], (165, 160, 155))
    road = np.array([[30, height], [180, horizon], [200, horizon], [350, height]])
    cv2.fillPoly(image, [road], (95, 95, 100))
    for y in range(horizon + 4, height, 22):
        cv2.line(image, (190, y), (190, y + 9), (225, 225, 225), 1 + (y - horizon) // 40)
    cv2.rectangle(image, (232, 92), (290, 128), (160, 30, 30), -1)
    cv2.rectangle(image, (240, 78), (282, 96), (50, 60, 75), -1)
    for x in (243, 279):
        cv2.circle(image, (x, 128), 8, (20, 20, 20), -1)
    cv2.rectangle(image, (60, 30), (64, 150), (110, 110, 110), -1)
    cv2.circle(image, (62, 34), 11, (200, 30, 40), -1)
    cv2.rectangle(image, (92, 98), (102, 138), (40, 50, 120), -1)
    cv2.circle(image, (97, 92), 6, (215, 175, 150), -1)
    noise = np.random.default_rng(0).integers(-6, 7, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
