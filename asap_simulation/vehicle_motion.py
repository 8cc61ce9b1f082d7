"""How the vehicle drives along the road and how its camera sways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asap_simulation.road_line import RoadLine
from asap_simulation.scenario import Scenario
from asap_simulation.terrain import Terrain

INSTANT = 1e-3
"""Seconds over which speeds are taken as differences; the paths are smooth over a second."""


def velocities(
    rotation: np.ndarray, turned: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return linear (m/s) and angular (rad/s) velocities (3,) in a body's own frame.

    ``rotation`` (3, 3) is the body's, ``turned`` (3, 3) and ``moved`` (3,) are the changes of
    rotation and position over two INSTANTs about that moment.
    """
    rate = rotation.T @ turned / (2 * INSTANT)
    return (
        rotation.T @ moved / (2 * INSTANT),
        0.5
        * np.array([rate[2, 1] - rate[1, 2], rate[0, 2] - rate[2, 0], rate[1, 0] - rate[0, 1]]),
    )


@dataclass(frozen=True, eq=False)
class Wave:
    """A sum of sines: amplitudes, frequencies in Hz, phases in radians."""

    amplitude: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray

    def __call__(self, time: float) -> float:
        """Return its value at a time in seconds."""
        return float(
            np.sum(self.amplitude * np.sin(2 * np.pi * self.frequency * time + self.phase))
        )

    @classmethod
    def random(
        cls, rng: np.random.Generator, deviation: float, frequencies: Sequence[float]
    ) -> Wave:
        """Return a wave of a standard deviation, near the frequencies given."""
        count = len(frequencies)
        share = rng.uniform(0.5, 1.0, count)
        amplitude = deviation * np.sqrt(2) * share / np.linalg.norm(share)
        return cls(
            amplitude,
            np.array(frequencies) * rng.uniform(0.9, 1.1, count),
            rng.uniform(0, 2 * np.pi, count),
        )


@dataclass(frozen=True, eq=False)
class VehicleMotion:
    """The vehicle's way: ``start`` metres along the road, ``speed`` m/s on average.

    ``surge`` metres ahead of that; ``lane`` metres to the left of the middle at ``width`` 1,
    ``weave`` metres about it. The body sways by ``pitch`` and ``roll`` radians and ``heave``
    metres over its springs, the camera with it; base_link stays on the ground.
    """

    line: RoadLine
    start: float
    speed: float
    lane: float
    surge: Wave
    weave: Wave
    pitch: Wave
    roll: Wave
    heave: Wave

    @classmethod
    def random(
        cls, rng: np.random.Generator, line: RoadLine, scenario: Scenario, start: float
    ) -> VehicleMotion:
        """Return a drive of a scenario that begins at ``start``."""
        return cls(
            line,
            start,
            scenario.speed,
            scenario.ego,
            surge=Wave.random(rng, 0.12 * scenario.speed, (0.11, 0.07)),
            weave=Wave.random(rng, scenario.weave, (0.13, 0.21)),
            pitch=Wave.random(rng, scenario.bounce, (1.25, 1.9, 6.5)),
            roll=Wave.random(rng, 0.4 * scenario.bounce, (0.9, 1.6)),
            heave=Wave.random(rng, 2.0 * scenario.bounce, (1.3, 2.2)),
        )

    def along(self, time: float) -> tuple[float, float]:
        """Return arc length and offset from the middle, to the left, at a time in seconds."""
        s = self.start + self.speed * time + self.surge(time)
        return s, self.lane * float(self.line.width(s)) + self.weave(time)

    def place(self, time: float) -> tuple[float, float]:
        """Return x and y of base_link in the world."""
        x, y, _ = self.line.offset(*self.along(time))
        return float(x), float(y)

    def heading(self, time: float) -> float:
        """Return the direction of travel in the plan view, radians; the vehicle does not slip."""
        x0, y0 = self.place(time - INSTANT)
        x1, y1 = self.place(time + INSTANT)
        return float(np.arctan2(y1 - y0, x1 - x0))

    def pose(self, time: float, terrain: Terrain) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation (3, 3) and position (3,) of base_link in the world."""
        return terrain.pose_on_ground(*self.place(time), self.heading(time))

    def twist(self, time: float, terrain: Terrain) -> tuple[np.ndarray, np.ndarray]:
        """Return linear (m/s) and angular (rad/s) velocities (3,) in base_link."""
        r0, p0 = self.pose(time - INSTANT, terrain)
        r1, p1 = self.pose(time + INSTANT, terrain)
        rotation, _ = self.pose(time, terrain)
        return velocities(rotation, r1 - r0, p1 - p0)

    def sway(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation (3, 3) and shift (3,) of the body against base_link."""
        pitch, roll = self.pitch(time), self.roll(time)
        c, n, cr, nr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
        nod = np.array([[c, 0, n], [0, 1, 0], [-n, 0, c]])
        lean = np.array([[1, 0, 0], [0, cr, -nr], [0, nr, cr]])
        return nod @ lean, np.array([0.0, 0.0, self.heave(time)])
