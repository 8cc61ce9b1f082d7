"""From a scene to what a camera makes of it: motion blur, rain on the way, vignette, grain."""

from __future__ import annotations

import cv2
import numpy as np

from asap_simulation import textures
from asap_simulation.camera_view import CameraView
from asap_simulation.light import Light

TAPS = (-1 / 3, 1 / 3)
"""Shares of the exposure, about its middle, of which pictures are averaged with the middle's."""


def record(
    rgb: np.ndarray,
    view: CameraView,
    light: Light,
    speed: np.ndarray,
    spin: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the frame uint8 (H, W, 3) that a camera takes of a scene.

    ``speed`` (m/s) and ``spin`` (rad/s) are the camera's velocities (3,) in its optical frame.
    """
    blurred = _blurred(rgb, view, light.exposure_time, speed, spin)
    if light.rain:
        _streaks(blurred, light.rain, rng)
    return _grain(blurred, light.grain, rng)


def _blurred(
    rgb: np.ndarray, view: CameraView, exposure: float, speed: np.ndarray, spin: np.ndarray
) -> np.ndarray:
    """Return the mean of the scene over the exposure, as if all of it were on level ground."""
    rows = (np.arange(view.height, dtype=np.float32) - np.float32(view.cy))[:, None]
    columns = (np.arange(view.width, dtype=np.float32) - np.float32(view.cx))[None]
    up = -view.rotation[2]
    # 1/depth of the ground; what stands above the horizon is taken to be far away.
    near = (
        (up[0] * columns / view.fx + up[1] * rows / view.fy + up[2]) / view.position[2]
    ).astype(np.float32)
    near = np.clip(near, 0.0, 0.25)
    x, y = columns / np.float32(view.fx), rows / np.float32(view.fy)
    # The optical flow of a point in the scene (pixels per second): translation, then rotation.
    flow_u = view.fx * (
        (x * speed[2] - speed[0]) * near + x * y * spin[0] - (1 + x * x) * spin[1] + y * spin[2]
    )
    flow_v = view.fy * (
        (y * speed[2] - speed[1]) * near + (1 + y * y) * spin[0] - x * y * spin[1] - x * spin[2]
    )
    flow_u, flow_v = (np.asarray(f, np.float32) for f in (flow_u, flow_v))
    if exposure * max(np.abs(flow_u).max(), np.abs(flow_v).max()) < 0.7:
        return rgb.copy()
    u, v = (np.arange(n, dtype=np.float32) for n in (view.width, view.height))
    mean = cv2.convertScaleAbs(rgb, alpha=1 / 3)
    for share in TAPS:
        shift = np.float32(share * exposure)
        moved = cv2.remap(
            rgb,
            u[None] - shift * flow_u,
            v[:, None] - shift * flow_v,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mean = cv2.scaleAdd(moved, 1 / 3, mean)
    return mean


def _streaks(rgb: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Draw rain as slanted streaks, in place; ``count`` of them in 1024 columns."""
    height, width = rgb.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    count = round(count * width / 1024)
    for x, y, long, bright in zip(
        rng.uniform(0, width, count),
        rng.uniform(0, height, count),
        rng.uniform(0.02, 0.09, count) * height,
        rng.integers(18, 60, count),
    ):
        slant = 0.12 * (x / width - 0.5)
        cv2.line(
            layer,
            (int(x), int(y)),
            (int(x + slant * long), int(y + long)),
            int(bright),
            1,
            cv2.LINE_AA,
        )
    cv2.add(rgb, cv2.merge([cv2.GaussianBlur(layer, (0, 0), 0.8)] * 3), dst=rgb)


def _grain(rgb: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Return the frame with the sensor's noise and a slightly dark rim."""
    height, width = rgb.shape[:2]
    # One large tile of noise, laid at a random place of it for every frame and channel.
    tile = textures.noise(60, 0.05, 1536 if max(height, width) <= 1280 else 2560)
    noisy = []
    for plane in cv2.split(rgb):
        top, left = rng.integers(0, tile.shape[0] - height), rng.integers(0, tile.shape[1] - width)
        noisy.append(
            cv2.scaleAdd(
                tile[top : top + height, left : left + width], deviation, plane.astype(np.float32)
            )
        )
    rim = _vignette(height, width)
    return cv2.merge([cv2.multiply(plane, rim, dtype=cv2.CV_8U) for plane in noisy])


def _vignette(height: int, width: int) -> np.ndarray:
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in (height, width))
    return 1 - 0.09 * (np.square(x)[None] + np.square(y)[:, None])
