"""Moments of a drive seen from above: free space and corridor, and what they truly were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.evaluation.observation import Observation
from asap_ros.road.free_space import BLOCKED, UNKNOWN, FreeSpace
from asap_ros.road.outline import Outline, outline

SAMPLES = 6
FAR = 60.0
"""Metres at which a column that is free is drawn to end."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame in base_link, metres.

    ``free`` (n, 2): x, y of the outline of the free space, column by column; ``blocked`` (n,)
    bool where something ends it there; ``corridor`` None where there is no valid one; ``truth``
    (m, 2) of what blocks in truth or reference and ``road`` (k, 2) the true middle of the road,
    None without.
    """

    row: int
    time: float
    free: np.ndarray
    blocked: np.ndarray
    corridor: Outline | None
    truth: np.ndarray | None
    road: np.ndarray | None


class Samples:
    """Evenly chosen moments of a run."""

    def __init__(self, total: int):
        """Choose the frames to keep of ``total`` that are expected."""
        self._chosen = set(
            np.linspace(0, max(total - 1, 0), min(total, SAMPLES)).round().astype(int).tolist()
        )
        self.moments: list[Moment] = []

    def add(self, row: int, time: float, seen: Observation, other: FreeSpace | None) -> None:
        """Take in a frame where it is a chosen one.

        ``time`` is in seconds since the first; ``other`` the free space of the reference mask,
        None without.
        """
        if row not in self._chosen or seen.space is None:
            return
        space = seen.space
        known = space.state != UNKNOWN
        columns = np.flatnonzero(known)
        blocked = space.state[columns] == BLOCKED
        origin = space.camera.translation[:2]
        ray = space.camera.rays(columns, space.camera.horizon(columns))[:, :2]
        far = origin + FAR * ray / np.linalg.norm(ray, axis=1, keepdims=True)
        at = np.stack([space.x[columns], space.y[columns]], axis=1)
        truth = road = None
        if other is not None:
            truth = np.stack([other.x, other.y], axis=1)[other.state == BLOCKED]
        if seen.true_space is not None:
            truth = np.stack([seen.true_space.x, seen.true_space.y], axis=1)
            truth = truth[np.isfinite(truth).all(axis=1)]
        if seen.true_road is not None and seen.true_road.valid:
            road = seen.true_road.path[:, :2]
        self.moments.append(
            Moment(
                row,
                time,
                np.where(blocked[:, None], at, far),
                blocked,
                None if seen.geometry is None else outline(seen.geometry),
                truth,
                road,
            )
        )
