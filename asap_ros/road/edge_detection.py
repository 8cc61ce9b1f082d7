"""The edges of the road ahead, row by row, and whether each can be believed to be an edge."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from asap_ros.labels import LabelSet, Role
from asap_ros.road.free_space import ColumnContacts
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera

LEFT, RIGHT = 1, -1

ABSENT, FIXED, OCCLUDED = 0, 1, 2
"""Kind of an edge: not seen (image border, hood), something fixed beyond it, or hidden by it."""

OUTWARD = 6
"""How many pixels beyond the edge are asked for their class: where a network has road, pavement
and a parked car meet, strips of a wrong class are up to 5 wide."""


THINNED_TO, NEAR_ROWS = 12.0, 50
"""Metres ahead up to which rows are skipped evenly down to this many: they are centimetres
apart on the ground and err alike, so that more of them say little more."""


@dataclass(frozen=True, eq=False)
class Edges:
    """The outermost free pixels of the corridor in image rows, nearest row first.

    All (n,): ``v`` row; ``left_u``, ``right_u`` columns of the edges between pixels (x.5);
    ``left_kind``, ``right_kind`` ABSENT, FIXED or OCCLUDED.
    """

    v: np.ndarray
    left_u: np.ndarray
    right_u: np.ndarray
    left_kind: np.ndarray
    right_kind: np.ndarray


@lru_cache(maxsize=8)
def edge_rows(camera: Camera, options: RoadOptions) -> np.ndarray:
    """Return the rows between edge_near and edge_far ahead that are looked at, nearest first."""
    rows = np.arange(camera.height - 1, -1, -1)
    x, y = camera.ground(np.full(len(rows), camera.cx), rows)
    distance = np.hypot(x - camera.translation[0], y - camera.translation[1])
    near = rows[(distance >= options.edge_near) & (distance < THINNED_TO)]
    far = rows[(distance >= max(options.edge_near, THINNED_TO)) & (distance <= options.edge_far)]
    return np.concatenate([near[:: max(1, len(near) // NEAR_ROWS)], far])


def find_edges(
    columns: ColumnContacts, frame: LabelledFrame, labels: LabelSet, options: RoadOptions
) -> Edges:
    """Return the edges of the free pixels that the vehicle stands on.

    Rows are followed upwards: a row's corridor is made of the runs of free pixels that overlap
    the one below it. Runs parted by something that moves or lives are one (a car ahead hides
    the road behind it); of runs parted by something fixed, the one that overlaps most goes on.
    """
    mask, rows = frame.mask, edge_rows(frame.camera, options)
    runs = _runs(columns.free, rows)
    hides = labels.is_role(Role.MOVABLE, Role.VULNERABLE, Role.IGNORED)
    span = columns.ahead
    found = []
    for row, (starts, ends) in zip(rows.tolist(), runs):
        chosen = _follow(span, starts, ends, mask[row], hides)
        if chosen is None:
            continue
        span = chosen
        found.append((row, *chosen))
    if not found:
        none = np.empty(0)
        return Edges(none, none, none, none.astype(np.uint8), none.astype(np.uint8))
    v, first, last = np.array(found).T
    return Edges(
        v=v.astype(float),
        left_u=first - 0.5,
        right_u=last + 0.5,
        left_kind=_kinds(mask, columns.start, v, first, -1, hides),
        right_kind=_kinds(mask, columns.start, v, last, 1, hides),
    )


def _runs(free: np.ndarray, rows: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Return for each row the first and the last column of its runs of free pixels."""
    width = free.shape[1]
    padded = np.zeros((len(rows), width + 2), np.uint8)
    padded[:, 1:-1] = free[rows]
    # Every row begins and ends outside, so changes are a first and a last column by turns.
    change = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    row_of, first = np.divmod(change[0::2], width + 1)
    last = change[1::2] % (width + 1) - 1
    cuts = np.searchsorted(row_of, np.arange(len(rows) + 1)).tolist()
    first, last = first.tolist(), last.tolist()
    return [(first[a:b], last[a:b]) for a, b in itertools.pairwise(cuts)]


def _follow(
    span: tuple[int, int],
    starts: list[int],
    ends: list[int],
    classes: np.ndarray,
    hides: np.ndarray,
) -> tuple[int, int] | None:
    """Return the first and last column of the corridor in one row, None where it has none."""
    if len(starts) == 1:  # as in most rows
        reaches = starts[0] <= span[1] and ends[0] >= span[0]
        return (starts[0], ends[0]) if reaches else None
    groups: list[list[int]] = []
    for first, last in zip(starts, ends):
        if groups and hides[classes[groups[-1][1] + 1 : first]].any():
            groups[-1][1] = last
        else:
            groups.append([first, last])
    best, best_overlap = None, 0
    for first, last in groups:
        overlap = min(last, span[1]) - max(first, span[0]) + 1
        if overlap > best_overlap:
            best, best_overlap = (first, last), overlap
    return best


def _kinds(
    mask: np.ndarray,
    start: np.ndarray,
    v: np.ndarray,
    u: np.ndarray,
    outward: int,
    hides: np.ndarray,
) -> np.ndarray:
    """Return the kind of each edge whose outermost free pixel is (u, v), uint8 (n,)."""
    width = mask.shape[1]
    beyond = u[:, None] + outward * np.arange(1, OUTWARD + 1)
    inside = np.clip(beyond, 0, width - 1)
    hidden = hides[mask[v[:, None], inside]].any(axis=1)
    kind = np.where(hidden, OCCLUDED, FIXED)
    unseen = (v[:, None] > start[inside]).any(axis=1)
    at_border = (beyond[:, 0] < 0) | (beyond[:, 0] >= width)
    return np.where(at_border | unseen, ABSENT, kind).astype(np.uint8)
