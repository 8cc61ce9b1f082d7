"""From a fitted road to what may be driven: its view, what ends it, and how it is flagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road import clothoid
from asap_ros.road.clothoid import C0, K0, K1, PITCH, PSI, WIDTH
from asap_ros.road.edges import LEFT, OCCLUDED, RIGHT, Edges
from asap_ros.road.fit import Fit
from asap_ros.road.free_space import FreeSpace
from asap_ros.road.geometry import NO_BLOCKER, Reference, RoadGeometry, Status, invalid
from asap_ros.road.options import RoadOptions

STEP = 0.25
"""Metres of arc length between the places where the corridor is checked."""

SPACING = 1.0
"""Metres of arc length between the published points."""

GAP = 6.0
"""Metres that the corridor may go on without either edge being seen."""

MIN_VIEW, SHORT = 3.0, 10.0
"""Metres of view below which a corridor is invalid, and below which it is flagged."""

MAX_LATERAL_SIGMA = 0.5
"""Metres: the view ends where the corridor is known less well across."""

MAX_HEADING = 1.3
"""Radians against the vehicle at which the view ends: the road turns out of the picture."""

WIDTHS = (2.0, 40.0)
"""Metres: what is narrower or wider is no road but a mistake."""

MAX_SCATTER = 0.02
"""Share of the image's width by which edges may scatter about the road that is fitted."""

TREND = 0.015
"""Metres of width a metre of road, at the expected pitch, above which the width is flagged."""

BENT = 0.05
"""Share of the width by which the edges may bow against each other on flat ground."""

HIDDEN_SHARE = 0.3
"""Share of an edge's length that may be hidden before the edge counts as occluded."""

LOW_CONFIDENCE = 0.5
"""Mean confidence of the labels along the corridor below which it is flagged."""


@dataclass(frozen=True, eq=False)
class Support:
    """What of a fit bears the result: ``s`` (n,) arc lengths of edge pixels that count."""

    s: np.ndarray
    status: Status
    reliable: bool


def support(fit: Fit | None, edges: Edges, space: FreeSpace, options: RoadOptions,
            pitch: float = 0.0, bounce: float = 0.0) -> Support:
    """Return what the edges of a frame bear and the status bits that they raise.

    ``pitch`` is what is expected of the fit's pitch and ``bounce`` how much it usually departs
    from that, radians.
    """
    status = _occlusion(edges, space)
    if fit is None:
        return Support(np.empty(0), status | Status.SHORT_VIEW, False)
    inlier = fit.weight > 0
    reliable = (fit.converged and bool(np.isfinite(fit.parameters).all())
                and WIDTHS[0] <= fit.parameters[WIDTH] <= WIDTHS[1]
                and bool(inlier.sum() >= 8))
    for side in (LEFT, RIGHT):
        mine = fit.points.side == side
        good = fit.s[mine & inlier]
        if len(good) < 8 or np.ptp(good) < 4.0:
            status |= Status.ONE_SIDED
        if _leaves(fit.s[mine], fit.weight[mine]):
            status |= Status.INTERSECTION
    if not reliable or inlier.sum() < 0.5 * len(inlier):
        return Support(fit.s[inlier], status | Status.INTERSECTION, False)
    if (status & Status.ONE_SIDED and status & Status.INTERSECTION
            or fit.sigma > MAX_SCATTER * space.camera.width):
        return Support(fit.s[inlier], status | Status.INTERSECTION, False)
    away = abs(fit.parameters[PITCH] - pitch)
    if away > 2 * options.pitch_prior_sigma:
        status |= Status.PITCH_OUT_OF_PRIOR
        reliable = False
    # Edges that part are the same picture as a wrong pitch: w (1 - x pitch / h).
    slope = fit.parameters[WIDTH] / space.camera.translation[2]
    known = 3 * np.sqrt(fit.covariance[PITCH, PITCH])
    if not status & Status.ONE_SIDED and away > max(TREND / slope, known, 2.5 * bounce):
        status |= Status.WIDTH_JUMP
    if not status & Status.ONE_SIDED and _bows(fit):
        status |= Status.NOT_FLAT
    return Support(fit.s[inlier], status, reliable)


def _occlusion(edges: Edges, space: FreeSpace) -> Status:
    """Return the bits of the edges of which too many metres are hidden."""
    status = Status.OK
    if not len(edges.v):
        return status
    # A row covers ground in proportion to its distance squared.
    drop = np.maximum(edges.v - float(space.camera.horizon(space.camera.cx)), 1.0)
    metres = drop ** -2.0
    for kind, bit in ((edges.left_kind, Status.LEFT_OCCLUDED),
                      (edges.right_kind, Status.RIGHT_OCCLUDED)):
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


def _bows(fit: Fit) -> bool:
    """Return whether the edges bow against each other, as on a crest or in a dip."""
    inlier = fit.weight > 0
    root = np.sqrt(fit.weight[inlier])
    s = fit.s[inlier]
    j = fit.jacobian[inlier] * root[:, None]
    extra = j[:, WIDTH] * s * s
    solution, *_ = np.linalg.lstsq(j, extra, rcond=1e-8)
    extra = extra - j @ solution
    power = float(extra @ extra)
    if power <= 1e-9 * float((j[:, WIDTH] * s * s) @ (j[:, WIDTH] * s * s)):
        return False
    bow = float(extra @ (fit.residual[inlier] * root)) / power
    sigma = fit.sigma * np.sqrt((1 + fit.rho) / (1 - fit.rho) / power)
    swing = abs(bow) * np.ptp(s) ** 2 / 8
    return swing > BENT * fit.parameters[WIDTH] and abs(bow) > 4 * sigma


def describe(parameters: np.ndarray, covariance: np.ndarray, bearing: Support,
             space: FreeSpace, mask: np.ndarray, confidence: np.ndarray | None,
             labels: LabelSet, options: RoadOptions) -> RoadGeometry:
    """Return the corridor of a road model over the free space of this frame's mask.

    ``bearing.s`` says how far edges were seen; where it is empty (coasting) only the free
    space and the sigmas limit the view.
    """
    status, reference = bearing.status, options.reference
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if status & Status.ONE_SIDED and sigma[WIDTH] > MAX_LATERAL_SIGMA:
        reference = Reference.EGO_PARALLEL
    offset = 0.0
    if reference == Reference.EGO_PARALLEL:
        offset = -parameters[C0] * np.cos(parameters[PSI])
    s = np.arange(0.0, options.range_max + STEP / 2, STEP)
    curve = clothoid.evaluate(np.r_[parameters[:4], 2.0], s, offset)
    across = _lateral_sigma(curve, covariance, reference)
    start, end, blocker, confident = _view(
        s, curve, parameters[PITCH], space, mask, confidence, labels, options)
    limits = [end]
    if len(bearing.s):
        limits.append(_seen_to(bearing.s))
    unsure = (across > MAX_LATERAL_SIGMA) | (np.abs(curve.heading) > MAX_HEADING)
    far = np.flatnonzero(unsure & (s >= start))
    if len(far):
        limits.append(s[max(far[0] - 1, 0)])
    stop = min(limits)
    if stop < end:
        blocker = NO_BLOCKER
    if not np.isfinite(start) or stop - start < MIN_VIEW:
        return invalid(status | Status.SHORT_VIEW)
    if stop - start < SHORT:
        status |= Status.SHORT_VIEW
    if confident < LOW_CONFIDENCE:
        status |= Status.LOW_CONFIDENCE
    at = np.unique(np.r_[np.arange(start, stop, SPACING), stop])
    curve = clothoid.evaluate(np.r_[parameters[:4], 2.0], at, offset)
    bend = clothoid.curvature(parameters, at)
    # Arc length along the reference curve, which is shorter on the inside of a bend.
    along = at - offset * (curve.heading - parameters[PSI])
    shift = float(np.interp(stop, at, along)) - stop
    return RoadGeometry(
        valid=True, status=status, reference=reference,
        lateral_offset=float(parameters[C0]), lateral_offset_sigma=float(sigma[C0]),
        heading=float(parameters[PSI]), heading_sigma=float(sigma[PSI]),
        curvature=float(parameters[K0]), curvature_sigma=float(sigma[K0]),
        curvature_rate=float(parameters[K1]), curvature_rate_sigma=float(sigma[K1]),
        width=float(parameters[WIDTH]), width_sigma=float(sigma[WIDTH]),
        pitch=float(parameters[PITCH]), pitch_sigma=float(sigma[PITCH]),
        covariance=covariance, s=along, curvature_at_s=clothoid.parallel(bend, offset),
        curvature_sigma_at_s=clothoid.curvature_sigma(covariance, at),
        lateral_sigma_at_s=_lateral_sigma(curve, covariance, reference),
        path=np.stack([curve.x, curve.y, curve.heading], axis=1),
        view_start=float(along[0]), view_end=float(along[-1]), blocker_class=int(blocker),
        blocker_distance=stop + shift if blocker != NO_BLOCKER else float('nan'))


def _lateral_sigma(curve: clothoid.Curve, covariance: np.ndarray,
                   reference: Reference) -> np.ndarray:
    """Return the sigma across the reference curve; through the vehicle its offset is known."""
    across = (np.cos(curve.heading)[:, None] * curve.d_y
              - np.sin(curve.heading)[:, None] * curve.d_x)[:, :WIDTH]
    if reference == Reference.EGO_PARALLEL:
        across[:, C0] = 0.0
    variance = np.einsum('ni,ij,nj->n', across, covariance[:WIDTH, :WIDTH], across)
    return np.sqrt(np.maximum(variance, 0.0))


def _seen_to(s: np.ndarray) -> float:
    """Return the arc length up to which edges are seen without too long a gap."""
    ordered = np.sort(s)
    gap = np.flatnonzero(np.diff(ordered) > GAP)
    return float(ordered[gap[0]] if len(gap) else ordered[-1])


def _view(s: np.ndarray, curve: clothoid.Curve, pitch: float, space: FreeSpace,
          mask: np.ndarray, confidence: np.ndarray | None, labels: LabelSet,
          options: RoadOptions) -> tuple[float, float, int, float]:
    """Return where the swath begins and ends to be seen and free, and what ends it.

    The class is 255 where it is the image or what is unlabelled that ends it; the last value
    is the mean confidence along the middle of the swath, 1 where none is given.
    """
    camera = space.camera.pitched(pitch)
    sideways = 0.5 * options.vehicle_width * np.array([0.0, -0.5, 0.5, -1.0, 1.0])
    u, v = camera.project(curve.x[:, None] - sideways * np.sin(curve.heading)[:, None],
                          curve.y[:, None] + sideways * np.cos(curve.heading)[:, None])
    inside = (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & np.isfinite(v)
    column = np.where(inside, np.rint(np.where(inside, u, 0)), 0).astype(int)
    below = v > space.start[column] + 0.5
    row = np.clip(np.rint(np.where(inside & ~below, v, 0)), 0, camera.height - 1).astype(int)
    free = space.free[row, column] == 1
    seen = inside & ~below
    blocked = seen & ~free
    if not seen[:, 0].any():
        return float('nan'), 0.0, NO_BLOCKER, 1.0
    first = int(np.argmax(seen[:, 0]))
    usable = seen[:, 0] & ~blocked.any(axis=1)
    if not usable[first]:
        return float('nan'), 0.0, NO_BLOCKER, 1.0
    over = ~usable[first:]
    count = int(np.argmax(over)) if over.any() else len(over)
    last = first + count - 1
    blocker = NO_BLOCKER
    if last + 1 < len(s) and blocked[last + 1].any():
        hit = int(np.argmax(blocked[last + 1]))
        blocker = _class_at(mask, space, row[last + 1, hit], column[last + 1, hit], labels)
    confident = 1.0
    if confidence is not None:
        confident = float(confidence[row[first:last + 1, 0],
                                     column[first:last + 1, 0]].mean()) / 255
    return float(s[first]), float(s[last]), blocker, confident


def _class_at(mask: np.ndarray, space: FreeSpace, row: int, column: int,
              labels: LabelSet) -> int:
    """Return what blocks at a pixel that is not free, 255 where it is unlabelled."""
    found = int(mask[row, column])
    if labels.role_of(found) in (Role.DRIVABLE, Role.IGNORED):
        # A speck of road beyond a contact: what the column says is in the way.
        found = int(space.blocker[column])
    return found if found != IGNORED else NO_BLOCKER
