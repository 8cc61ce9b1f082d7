"""How well the boundary of free space is found: against metric truth, or another mask's.

All rows are rows of the judged mask's own grid. A column that is free to the horizon has its
boundary at the horizon, so that free and far differ as little as they do in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.bags.message_readers import TrueSpace
from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road.free_space import BLOCKED, UNKNOWN, FreeSpace
from asap_ros.road.projection import Camera

WITHIN = 4.0
"""Rows by which a boundary may be off and still counts as found."""

OBSTACLE = 4
"""Columns in a row of one class that make an obstacle; narrower ones are noise of the labels."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """A boundary to compare with, by column of the judged mask's grid, arrays (W,).

    ``row`` of the edge between the last free pixel and what blocks; ``blocker`` the class there
    in the judged label set, 255 where nothing blocks or the class has no counterpart; ``known``
    whether the column can be judged; ``x``, ``y`` metres in base_link, NaN where not metric.
    """

    row: np.ndarray
    blocker: np.ndarray
    known: np.ndarray
    x: np.ndarray
    y: np.ndarray


def of_mask(space: FreeSpace) -> Boundary:
    """Return the boundary that a reference mask shows, its ``space`` found by the same camera."""
    unknown = np.full(len(space.contact), np.nan)
    return Boundary(_rows(space), space.blocker, space.state != UNKNOWN, unknown, unknown)


def of_truth(
    truth: TrueSpace,
    camera: Camera,
    mapping: np.ndarray,
    range_max: float,
    pitch: float | None = None,
) -> Boundary:
    """Return metric truth as seen by ``camera``; beyond ``range_max`` metres nothing blocks.

    ``pitch`` is the camera's true total pitch in rad, None where it is the calibrated one;
    ``mapping`` uint8 (256,) turns the truth's classes into the judged label set.
    """
    if pitch is not None and np.isfinite(pitch):
        camera = camera.pitched(pitch - camera.pitch)
    # Column centres of the mask's grid among those of the image.
    at = (np.arange(camera.width) + 0.5) * len(truth.x) / camera.width - 0.5
    at = np.clip(np.rint(at), 0, len(truth.x) - 1).astype(int)
    x, y, z = truth.x[at], truth.y[at], truth.z[at]
    _, row = camera.project(x, y, z)
    horizon = camera.horizon(np.arange(camera.width))
    row = np.where(np.isfinite(row), np.maximum(row, horizon), horizon)
    far = np.hypot(x - camera.translation[0], y - camera.translation[1]) > range_max
    blocker = np.where(far, IGNORED, mapping[truth.blocker[at]])
    return Boundary(row, blocker, np.ones(len(at), bool), x, y)


def compare(
    space: FreeSpace, start: np.ndarray, truth: Boundary, labels: LabelSet
) -> dict[str, float]:
    """Return one frame's counts of columns, the keys of ``frames.csv`` (docs/evaluation.md).

    ``start`` int (W,): the lowest row of each column that both sides look at.
    """
    row = np.minimum(_rows(space), start + 0.5)
    true_row = np.minimum(truth.row, start + 0.5)
    # Columns in which the truth lies below what is looked at tell nothing.
    known = truth.known & (start > space.camera.horizon(np.arange(len(start))))
    seen = space.state != UNKNOWN
    within = known & seen & (np.abs(row - true_row) <= WITHIN)
    too_free = known & seen & (row < true_row - WITHIN)
    counts: dict[str, float] = {
        'columns': int(known.sum()),
        'within_4px': int(within.sum()),
        'false_free': int(too_free.sum()),
    }
    for class_id in np.unique(truth.blocker[known]):
        name = 'nothing' if class_id == IGNORED else labels.names[class_id]
        mine = known & (truth.blocker == class_id)
        counts |= {
            f'columns.{name}': int(mine.sum()),
            f'within_4px.{name}': int((mine & within).sum()),
            f'false_free.{name}': int((mine & too_free).sum()),
        }
    obstacles = _obstacles(np.where(known, truth.blocker, IGNORED), labels)
    blocked = space.state == BLOCKED
    counts['obstacles'] = len(obstacles)
    counts['obstacles_found'] = sum(
        2 * int((blocked & ~too_free)[first:end].sum()) >= end - first for first, end in obstacles
    )
    both = known & blocked & np.isfinite(truth.x)
    if both.any():
        foot = space.camera.translation[:2]
        ranges = [
            np.hypot(x[both] - foot[0], y[both] - foot[1])
            for x, y in ((space.x, space.y), (truth.x, truth.y))
        ]
        counts['range_columns'] = int(both.sum())
        counts['range_error_m'] = float(np.abs(ranges[0] - ranges[1]).sum())
    return counts


def _rows(space: FreeSpace) -> np.ndarray:
    """Return the row of each column's boundary, the horizon's where nothing blocks."""
    horizon = space.camera.horizon(np.arange(len(space.contact)))
    return np.where(space.contact >= 0, np.maximum(space.contact + 0.5, horizon), horizon)


def _obstacles(blocker: np.ndarray, labels: LabelSet) -> list[tuple[int, int]]:
    """Return (first, end) of runs of columns that one movable or vulnerable class blocks."""
    counts = labels.is_role(Role.MOVABLE, Role.VULNERABLE)
    edges = np.flatnonzero(np.diff(blocker.astype(int))) + 1
    bounds = [0, *edges.tolist(), len(blocker)]
    return [(a, b) for a, b in zip(bounds, bounds[1:]) if counts[blocker[a]] and b - a >= OBSTACLE]
