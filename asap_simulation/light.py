"""Light and air: the sun, the sky, haze, lamps, and how bright a camera records them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""Linear RGB."""


@dataclass(frozen=True)
class Light:
    """Radiance as the camera records it, linear RGB where 1 is white at its exposure.

    ``sun_azimuth`` (radians in the world, to the left) and ``sun_elevation`` say where the sun
    is; ``sun`` is what a white surface facing it adds, ``sky`` what the sky adds to a level one.
    ``zenith`` and ``horizon`` colour the sky, ``clouds`` 0 to 1 covers it, ``haze`` is 1/m with
    the colour of the horizon. ``wet`` 0 to 1: how far the road mirrors. ``lamps``: headlights,
    street lamps and windows are lit. ``exposure_time`` in seconds blurs motion, ``grain`` is the
    sensor's noise at mid grey, of 255; ``rain`` streaks cross a frame of 1024 columns.
    """

    sun_azimuth: float = 1.0
    sun_elevation: float = 0.7
    sun: Colour = (2.7, 2.5, 2.15)
    sky: Colour = (0.62, 0.72, 0.90)
    zenith: Colour = (0.13, 0.33, 0.85)
    horizon: Colour = (0.82, 0.93, 1.05)
    clouds: float = 0.35
    haze: float = 0.0009
    wet: float = 0.0
    lamps: bool = False
    exposure_time: float = 0.004
    grain: float = 2.0
    rain: int = 0

    @property
    def sun_direction(self) -> np.ndarray:
        """Return the unit vector to the sun in the world."""
        c = np.cos(self.sun_elevation)
        return np.array(
            [
                c * np.cos(self.sun_azimuth),
                c * np.sin(self.sun_azimuth),
                np.sin(self.sun_elevation),
            ]
        )

    @property
    def casts_shadows(self) -> bool:
        """Return whether the sun is bright enough for shadows."""
        return max(self.sun) > 0.15

    def on(self, normal: np.ndarray) -> np.ndarray:
        """Return the light (..., 3) on surfaces of unit normals (..., 3) in the world."""
        facing = np.maximum(normal @ self.sun_direction, 0.0)
        # Walls see half of the sky, and the ground's reflection of both.
        open_sky = 0.72 + 0.28 * normal[..., 2]
        return facing[..., None] * np.array(self.sun) + open_sky[..., None] * np.array(self.sky)

    def through_air(self, colour: np.ndarray, distance: float | np.ndarray) -> np.ndarray:
        """Return colours (..., 3) as seen through ``distance`` (...) metres of air."""
        clear = np.exp(-self.haze * np.asarray(distance, float))[..., None]
        return colour * clear + np.array(self.horizon) * (1 - clear)


def encode(linear: np.ndarray) -> np.ndarray:
    """Return linear colours as a camera stores them, uint8: gamma 2 with a soft shoulder."""
    bright = np.maximum(linear, 0.0)
    bright = np.minimum(bright / (0.82 + 0.18 * bright), 1.0)
    return (255 * np.sqrt(bright) + 0.5).astype(np.uint8)


HEADLIGHT = np.array([3.4, 3.2, 2.8])
"""What both headlights together add to a white surface facing them 10 m ahead."""

LAMP = np.array([5.0, 3.6, 1.9])
"""What a street lamp adds to a white surface one metre below."""


def headlights(ahead: float | np.ndarray, left: float | np.ndarray, upright: bool) -> np.ndarray:
    """Return the light (..., 3) of the vehicle's own headlights at places in base_link, metres.

    A level surface takes it at the beams' small angle, an ``upright`` one in full.
    """
    ahead = np.maximum(np.asarray(ahead, float) - 2.0, 0.5)
    angle = np.asarray(left, float) / ahead
    beam = np.exp(-np.square(angle / 0.34)) + 0.25 * np.exp(-np.square(angle / 0.8))
    # Dipped beams: the road is lit evenly to about 25 m and little beyond 60 m.
    falloff = 1.0 / (1 + np.square(ahead / 22)) / (1 + np.exp((ahead - 55) / 9))
    strength = beam * falloff * (0.42 if upright else 0.34) * (1 - np.exp(-ahead / 2.5))
    return strength[..., None] * HEADLIGHT
