"""A road's middle line as a chain of clothoids, and coordinates along and across it.

Coordinates of the world are metres, x and y in the ground's plan view, z up. Along the road: s is
arc length, d the distance to the left of the middle line. Curvature > 0 turns left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

STEP = 0.25
"""Metres between the entries of the table of positions."""

COARSE = 8.0
"""Metres between the places from which the search for the nearest point begins."""

_NODES, _WEIGHTS = (0.5 * a for a in np.polynomial.legendre.leggauss(5))
_NODES = _NODES + 0.5


@dataclass(frozen=True, eq=False)
class RoadLine:
    """A middle line that starts at the world's origin along x.

    ``knots`` (n,) arc lengths in metres, increasing, multiples of STEP; ``curvatures`` (n,) in
    1/m and ``widths`` (n,) in metres are linear in between: straights, arcs and the spirals that
    join them. The first and the last curvature are 0; beyond them the road goes straight on.
    Raises ValueError where this does not hold.
    """

    knots: np.ndarray
    curvatures: np.ndarray
    widths: np.ndarray

    def __post_init__(self) -> None:
        """Raise ValueError for what is no road."""
        if (np.diff(self.knots) <= 0).any() or (self.widths <= 0).any():
            raise ValueError('knots must increase and widths be positive')
        if not np.allclose(self.knots / STEP, np.rint(self.knots / STEP)):
            raise ValueError(f'knots must be multiples of {STEP} m')
        if self.curvatures[0] != 0 or self.curvatures[-1] != 0:
            raise ValueError('a road must begin and end straight')

    def curvature(self, s: float | np.ndarray) -> np.ndarray:
        """Return the curvature at arc lengths s, 1/m."""
        return np.interp(s, self.knots, self.curvatures)

    def curvature_rate(self, s: float | np.ndarray) -> np.ndarray:
        """Return the change of the curvature with arc length at s (after a knot), 1/m^2."""
        rates = np.append(np.diff(self.curvatures) / np.diff(self.knots), 0.0)
        at = np.searchsorted(self.knots, s, side='right') - 1
        return np.where(np.asarray(s) < self.knots[0], 0.0, rates[np.maximum(at, 0)])

    def width(self, s: float | np.ndarray) -> np.ndarray:
        """Return the distance between the road's edges at arc lengths s, metres."""
        return np.interp(s, self.knots, self.widths)

    @cached_property
    def _table(self) -> np.ndarray:
        """x, y, heading, curvature and its rate at every STEP, (5, m)."""
        s = np.arange(self.knots[0], self.knots[-1] + STEP / 2, STEP)
        turned = np.concatenate(
            [
                [0.0],
                np.cumsum(
                    0.5 * (self.curvatures[1:] + self.curvatures[:-1]) * np.diff(self.knots)
                ),
            ]
        )

        def heading(at: np.ndarray) -> np.ndarray:
            index = np.clip(
                np.searchsorted(self.knots, at, side='right') - 1, 0, len(self.knots) - 2
            )
            u = at - self.knots[index]
            rate = np.diff(self.curvatures)[index] / np.diff(self.knots)[index]
            return turned[index] + u * (self.curvatures[index] + 0.5 * rate * u)

        within = heading(s[:-1, None] + STEP * _NODES)
        x = np.concatenate([[0.0], np.cumsum(STEP * np.cos(within) @ _WEIGHTS)])
        y = np.concatenate([[0.0], np.cumsum(STEP * np.sin(within) @ _WEIGHTS)])
        return np.stack([x, y, heading(s), self.curvature(s), self.curvature_rate(s)])

    def at(self, s: float | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, y and heading of the middle line at arc lengths s; exact to 1e-8 m."""
        s = np.asarray(s, float)
        table = self._table
        index = np.clip(np.floor((s - self.knots[0]) / STEP), 0, table.shape[1] - 1).astype(int)
        u = s - (self.knots[0] + STEP * index)
        x, y, heading, bend, rate = table[:, index]
        c, n = np.cos(heading), np.sin(heading)
        # The series of the clothoid about the entry before; u is below STEP but on the straights
        # beyond the ends, where all that follows the first term is 0.
        across = u * u * (0.5 * bend + rate * u / 6)
        along = u - bend * bend * u**3 / 6
        return (
            x + along * c - across * n,
            y + along * n + across * c,
            heading + u * (bend + 0.5 * rate * u),
        )

    def offset(
        self, s: float | np.ndarray, d: float | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, y and the road's heading at s, d metres to the left of the middle line."""
        x, y, heading = self.at(s)
        return x - d * np.sin(heading), y + d * np.cos(heading), heading

    def nearest(
        self, x: np.ndarray, y: np.ndarray, first: float, last: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return s and d, shaped as x and y, of the nearest points between two arc lengths."""
        shape = x.shape
        x, y = np.ravel(x).astype(float), np.ravel(y).astype(float)
        coarse = np.arange(first, last + COARSE, COARSE)
        cx, cy, _ = self.at(coarse)
        here = (x[:1].sum(), y[:1].sum())
        points = np.stack([x - here[0], y - here[1]], axis=1).astype(np.float32)
        line = np.stack([cx - here[0], cy - here[1]]).astype(np.float32)
        s = coarse[np.argmin(np.square(line).sum(axis=0) - 2 * points @ line, axis=1)]
        for _ in range(4):
            cx, cy, heading = self.at(s)
            c, n = np.cos(heading), np.sin(heading)
            along, across = (x - cx) * c + (y - cy) * n, (y - cy) * c - (x - cx) * n
            bend = np.maximum(1 - self.curvature(s) * across, 0.25)
            s = s + np.clip(along / bend, -COARSE, COARSE)
        cx, cy, heading = self.at(s)
        across = (y - cy) * np.cos(heading) - (x - cx) * np.sin(heading)
        return s.reshape(shape), across.reshape(shape)
