"""The sky and the far horizon as one panorama that only turns with the camera."""

from __future__ import annotations

import cv2
import numpy as np

from asap_simulation import textures
from asap_simulation.camera_view import KNOT, CameraView
from asap_simulation.light import Light, encode

SKY, VEGETATION = 10, 8
"""Cityscapes train ids."""

COLUMNS, ROWS = 4096, 512
LOWEST, HIGHEST = -0.15, 0.60
"""Radians of elevation that the panorama covers."""


class Panorama:
    """What lies beyond the ground in every direction: sky, clouds, sun and distant woods."""

    def __init__(self, light: Light, seed: int):
        """Paint it for a light; ``seed`` shapes clouds and woods."""
        elevation = np.linspace(HIGHEST, LOWEST, ROWS, dtype=np.float32)[:, None]
        azimuth = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False, dtype=np.float32)[None]
        up = np.clip(elevation / 0.55, 0, 1) ** 0.6
        picture = (
            np.array(light.horizon, np.float32) * (1 - up[..., None])
            + np.array(light.zenith, np.float32) * up[..., None]
        ) * np.ones((1, COLUMNS, 1), np.float32)
        self._clouds(picture, elevation, azimuth, light, seed)
        toward = np.arccos(
            np.clip(
                np.sin(light.sun_elevation) * np.sin(elevation)
                + np.cos(light.sun_elevation)
                * np.cos(elevation)
                * np.cos(azimuth - light.sun_azimuth),
                -1,
                1,
            )
        )
        glare = 0.35 * np.exp(-toward / 0.35) + 4 * np.exp(-np.square(toward / 0.03))
        picture += glare[..., None] * np.array(light.sun, np.float32) * np.float32(0.5)
        self._labels = np.full((ROWS, COLUMNS), SKY, np.uint8)
        self._woods(picture, elevation, light, seed)
        self._picture = encode(picture)

    def _clouds(
        self,
        picture: np.ndarray,
        elevation: np.ndarray,
        azimuth: np.ndarray,
        light: Light,
        seed: int,
    ) -> None:
        """Cover the sky with clouds as they look on a layer one kilometre up."""
        away = 1.0 / np.maximum(np.sin(np.maximum(elevation, 0.03)), 0.03)
        x, y = (np.float32(14) * away * f(azimuth) for f in (np.cos, np.sin))
        shape = sum(
            weight * textures.sample(textures.noise(40 + seed % 7, 1.5), scale * x, scale * y, 1.0)
            for weight, scale in ((0.7, 1.0), (0.35, 2.7))
        )
        cover = np.clip(0.9 * shape + 3.0 * light.clouds - 1.2, 0, 1)
        cover *= np.clip(elevation / 0.06, 0, 1)
        bright = np.array(light.horizon, np.float32) * 1.12
        shadow = np.clip(0.92 - 0.16 * np.clip(shape, -1, 2), 0.55, 1.0)
        picture += cover[..., None] * (bright * shadow[..., None] - picture)

    def _woods(self, picture: np.ndarray, elevation: np.ndarray, light: Light, seed: int) -> None:
        """Let distant woods and hills stand in the haze along the horizon."""
        lines = textures.noise(50 + seed % 5, 1.1)
        ridge = np.concatenate([lines[k] for k in range(8)])[:COLUMNS]
        ridge = np.interp(np.linspace(0, 1, COLUMNS), np.linspace(0, 1, len(ridge)), ridge)
        near = 0.007 + 0.0030 * (ridge - ridge.min()) / np.ptp(ridge) * 2
        leaves = np.tile(lines[100], COLUMNS // len(lines[100]))
        near = near + 0.0006 * leaves
        ground = np.array([0.05, 0.07, 0.035], np.float32) * (
            np.array(light.sky, np.float32) + np.array(light.sun, np.float32) * np.float32(0.5)
        )
        for height, clear in ((2.2 * near[::-1], 0.22), (near, 0.5)):
            wood = elevation < height[None]
            tint = ground * clear + np.array(light.horizon, np.float32) * np.float32(1 - clear)
            picture[wood] = tint
            self._labels[wood] = VEGETATION

    def paint(self, view: CameraView, rgb: np.ndarray, label: np.ndarray, rows: int) -> None:
        """Draw the first ``rows`` rows of what a view sees of it."""
        if rows < 1:
            return
        cells = -(-(view.width - 1) // KNOT)
        columns = KNOT * np.arange(cells + 1)
        lines = np.linspace(0, rows - 1, max(2, -(-rows // 16)))
        rays = view.rays(columns, lines[:, None])
        azimuth = np.unwrap(np.arctan2(rays[..., 1], rays[..., 0]), axis=1)
        elevation = np.arctan2(rays[..., 2], np.hypot(rays[..., 0], rays[..., 1]))
        u = ((azimuth + np.pi) * (COLUMNS / (2 * np.pi))).astype(np.float32)
        v = ((HIGHEST - elevation) * ((ROWS - 1) / (HIGHEST - LOWEST))).astype(np.float32)
        at_u = np.interp(np.arange(view.width), columns, np.arange(cells + 1)).astype(np.float32)
        at_v = np.interp(np.arange(rows), lines, np.arange(len(lines))).astype(np.float32)
        across = np.ascontiguousarray(np.broadcast_to(at_u[None], (rows, view.width)))
        down = np.ascontiguousarray(np.broadcast_to(at_v[:, None], (rows, view.width)))
        u, v = (cv2.remap(a, across, down, cv2.INTER_LINEAR) for a in (u, v))
        rgb[:rows] = cv2.remap(self._picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        label[:rows] = cv2.remap(self._labels, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
