"""Quality checks and status bits of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road.clothoid import PITCH, WIDTH
from asap_ros.road.clothoid_fit import Fit
from asap_ros.road.edge_detection import ABSENT, FIXED, LEFT, OCCLUDED, RIGHT, Edges
from asap_ros.road.edge_projection import project_edge
from asap_ros.road.free_space import ColumnContacts
from asap_ros.road.geometry import Status
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera

WIDTHS = (2.0, 40.0)
"""Metres: what is narrower or wider is no road but a mistake."""

MAX_SCATTER = 0.02
"""Share of the image's width by which edges may scatter about the road that is fitted."""

TREND = 0.015
"""Metres of width a metre of road, at the expected pitch, above which the width is flagged."""

BORDER = 0.02
"""Share of the image's width from its sides within which an edge may go out of view."""

HIDDEN_SHARE = 0.3
"""Share of an edge's length that may be hidden before the edge counts as occluded."""


@dataclass(frozen=True, eq=False)
class FitQuality:
    """Whether a fit may be used, and its status bits.

    ``s`` (n,) arc lengths of edge pixels that count; ``crest`` 1/m, by which the ground falls
    away as crest s^2 / 2, 0 unless reliable; ``reliable`` whether the fit may be used at all.
    """

    s: np.ndarray
    status: Status
    reliable: bool
    crest: float = 0.0


def assess_fit(
    fit: Fit | None,
    edges: Edges,
    columns: ColumnContacts,
    camera: Camera,
    options: RoadOptions,
    pitch: float = 0.0,
    bounce: float = 0.0,
) -> FitQuality:
    """Return whether a fit may be used and the status bits that it raises.

    ``pitch`` is what is expected of the fit's pitch and ``bounce`` how much it usually departs
    from that, radians.
    """
    status = _occlusion(edges, camera)
    if not camera.looks_ahead:
        status |= Status.NOT_AHEAD
    if fit is None:
        return FitQuality(np.empty(0), status | Status.SHORT_VIEW, False)
    inlier = fit.weight > 0
    reliable = (
        fit.converged
        and bool(np.isfinite(fit.parameters).all())
        and WIDTHS[0] <= fit.parameters[WIDTH] <= WIDTHS[1]
        and bool(inlier.sum() >= 8)
    )
    for side in (LEFT, RIGHT):
        mine = fit.points.side == side
        good = fit.s[mine & inlier]
        if len(good) < 8 or np.ptp(good) < 4.0:
            status |= Status.ONE_SIDED
        elif _opens(fit, edges, columns, camera, side):
            status |= Status.INTERSECTION
        if _leaves(fit.s[mine], fit.weight[mine]):
            status |= Status.INTERSECTION
    if not reliable or inlier.sum() < 0.5 * len(inlier):
        return FitQuality(fit.s[inlier], status | Status.INTERSECTION, False)
    if (
        status & Status.ONE_SIDED
        and status & Status.INTERSECTION
        or fit.sigma > MAX_SCATTER * camera.width
    ):
        return FitQuality(fit.s[inlier], status | Status.INTERSECTION, False)
    away = abs(fit.parameters[PITCH] - pitch)
    if away > 2 * options.pitch_prior_sigma:
        status |= Status.PITCH_OUT_OF_PRIOR
        reliable = False
    # Edges that part are the same picture as a wrong pitch: w (1 - x pitch / h).
    slope = fit.parameters[WIDTH] / camera.translation[2]
    known = 3 * np.sqrt(fit.covariance[PITCH, PITCH])
    if not status & Status.ONE_SIDED and away > max(TREND / slope, known, 2.5 * bounce):
        status |= Status.WIDTH_JUMP
    if fit.crest != 0:
        status |= Status.NOT_FLAT
    return FitQuality(fit.s[inlier], status, reliable, fit.crest if reliable else 0.0)


def _occlusion(edges: Edges, camera: Camera) -> Status:
    """Return the bits of the edges of which too many metres are hidden."""
    status = Status.OK
    if not len(edges.v):
        return status
    # A row covers ground in proportion to its distance squared.
    drop = np.maximum(edges.v - float(camera.horizon(camera.cx)), 1.0)
    metres = drop**-2.0
    for kind, bit in (
        (edges.left_kind, Status.LEFT_OCCLUDED),
        (edges.right_kind, Status.RIGHT_OCCLUDED),
    ):
        if metres[kind == OCCLUDED].sum() > HIDDEN_SHARE * metres.sum():
            status |= bit
    return status


def _leaves(s: np.ndarray, weight: np.ndarray) -> bool:
    """Return whether an edge leaves the fitted road for 3 m or more on end."""
    if not len(s):
        return False
    out = np.diff(np.concatenate([[0], (weight == 0).astype(np.int8), [0]]))
    first, last = np.flatnonzero(out == 1), np.flatnonzero(out == -1) - 1
    return bool((np.abs(s[last] - s[first]) >= 3.0).any())


def _opens(fit: Fit, edges: Edges, columns: ColumnContacts, camera: Camera, side: int) -> bool:
    """Return whether an edge is not there for 3 m or more where the fit says it is in view."""
    kind = edges.left_kind if side == LEFT else edges.right_kind
    # Before the edge first comes into the picture it is not there for good reason.
    rows = edges.v[(kind == ABSENT) & (edges.v < edges.v[kind == FIXED].max(initial=0.0))]
    if not len(rows):
        return False
    s = np.arange(0.0, fit.s.max() + 5.0, 1.0)
    u, v, _, _, _, _, usable = project_edge(
        camera, np.append(fit.parameters, fit.crest), s, float(side)
    )
    if usable.sum() < 2:
        return False
    u, v, s = u[usable][::-1], v[usable][::-1], s[usable][::-1]
    at = np.interp(rows, v, s, left=np.nan, right=np.nan)
    column = np.interp(rows, v, u, left=np.nan, right=np.nan)
    margin = BORDER * camera.width
    with np.errstate(invalid='ignore'):
        inside = (column > margin) & (column < camera.width - margin)
    inside[inside] &= rows[inside] <= columns.start[np.rint(column[inside]).astype(int)]
    return bool(inside.any() and np.ptp(at[inside]) >= 3.0)
