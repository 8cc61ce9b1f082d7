"""The ground's height: level, or in waves that make crests and dips across the road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Terrain:
    """Height over the world's plane: rise (1 - cos(2 pi x / length)) / 2 along the world's x.

    ``rise`` and ``length`` in metres; a rise of 0 is level ground.
    """

    rise: float = 0.0
    length: float = 300.0

    @property
    def level(self) -> bool:
        """Return whether the ground is the plane z = 0."""
        return self.rise == 0

    def height(self, x: float | np.ndarray) -> np.ndarray:
        """Return the ground's height at x of the world, metres."""
        return 0.5 * self.rise * (1 - np.cos(2 * np.pi / self.length * np.asarray(x)))

    def slope(self, x: float | np.ndarray) -> np.ndarray:
        """Return the change of height along x of the world."""
        wave = 2 * np.pi / self.length
        return 0.5 * self.rise * wave * np.sin(wave * np.asarray(x))

    def crest(self, x: float | np.ndarray, heading: float | np.ndarray) -> np.ndarray:
        """Return by how much the ground bends away along a heading, 1/m; negative in a dip."""
        wave = 2 * np.pi / self.length
        along = np.square(np.cos(heading))
        return -0.5 * self.rise * wave**2 * np.cos(wave * np.asarray(x)) * along

    def pose_on_ground(self, x: float, y: float, heading: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation (3, 3) and position (3,) in the world of a body that stands on it.

        Its x axis points along ``heading`` in the plan view, its z axis along the ground's normal.
        """
        up = np.array([-float(self.slope(x)), 0.0, 1.0])
        up /= np.linalg.norm(up)
        ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
        # The direction in the tangent plane whose plan view is the heading.
        ahead[2] = -(ahead[:2] @ up[:2]) / up[2]
        ahead /= np.linalg.norm(ahead)
        return (
            np.stack([ahead, np.cross(up, ahead), up], axis=1),
            np.array([x, y, float(self.height(x))]),
        )
