"""From a fitted road to what may be driven: its view, what ends it, and how it is flagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road import clothoid
from asap_ros.road.clothoid import C0, K0, K1, PITCH, PSI, WIDTH
from asap_ros.road.fit_quality import FitQuality
from asap_ros.road.free_space import BLOCKED, ColumnContacts, FreeSpace
from asap_ros.road.geometry import NO_BLOCKER, ReferenceCurve, RoadGeometry, Status, invalid
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera
from asap_ros.road.systematic_error import SystematicErrors
from asap_ros.road.tracker import Track

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

LOW_CONFIDENCE = 0.5
"""Mean confidence of the labels along the corridor, or of what is in its way from the start,
below which it is flagged."""


def corridor_geometry(
    track: Track,
    errors: SystematicErrors,
    quality: FitQuality,
    columns: ColumnContacts,
    frame: LabelledFrame,
    labels: LabelSet,
    options: RoadOptions,
) -> RoadGeometry:
    """Return the corridor of a tracked road over the free pixels of this frame's mask.

    The covariance of ``track`` holds if the road is the model; ``errors`` are the sigmas of how
    it may not be. ``quality.s`` says how far edges were seen; where it is empty (coasting) only
    the free pixels and the sigmas limit the view.
    """
    parameters, covariance, camera = track.parameters, track.covariance, frame.camera
    status, reference = quality.status, options.reference
    if status & Status.ONE_SIDED and covariance[WIDTH, WIDTH] > MAX_LATERAL_SIGMA**2:
        reference = ReferenceCurve.EGO_PARALLEL
    seen_to = _seen_to(quality.s) if len(quality.s) else np.inf
    if reference == ReferenceCurve.EGO_PARALLEL:
        errors = errors.scaled(parallel_scale(parameters))
        parameters, covariance, seen_to = through_vehicle(parameters, covariance, seen_to)
    # Never empty: of a parallel, edges may have been seen only before its start.
    s = np.arange(0.0, max(STEP, min(options.range_max + STEP / 2, seen_to + STEP)), STEP)
    curve = clothoid.evaluate(parameters, s)
    fall = -0.5 * quality.crest * s * s
    view = _view(
        s,
        curve,
        fall,
        camera.pitched(parameters[PITCH]),
        columns,
        frame,
        labels,
        options,
    )
    unsure = (
        (_lateral_sigma(curve, s, covariance, errors) > MAX_LATERAL_SIGMA)
        | (np.abs(curve.heading) > MAX_HEADING)
    ) & (s >= view.start)
    known_to = s[max(int(np.argmax(unsure)) - 1, 0)] if unsure.any() else np.inf
    end = float(min(view.end, seen_to, known_to))
    if not end - view.start >= MIN_VIEW:
        return invalid(status | Status.SHORT_VIEW)
    if end - view.start < SHORT:
        status |= Status.SHORT_VIEW
    if view.confidence < LOW_CONFIDENCE:
        status |= Status.LOW_CONFIDENCE
    at = np.append(np.arange(view.start, end - 1e-9, SPACING), end)
    curve = clothoid.evaluate(parameters, at)
    whole = covariance + errors.covariance
    sigma = np.sqrt(np.maximum(np.diag(whole), 0.0))
    blocker, distance, distance_sigma = NO_BLOCKER, float('nan'), float('nan')
    if end == view.end and view.blocker != NO_BLOCKER:
        blocker, distance = view.blocker, end
        distance_sigma = float(
            camera.range_sigma(
                curve.x[-1], curve.y[-1], options.row_sigma, sigma[PITCH], options.height_sigma
            )
        )
    return RoadGeometry(
        valid=True,
        status=status,
        reference=reference,
        lateral_offset=float(parameters[C0]),
        lateral_offset_sigma=float(sigma[C0]),
        heading=float(parameters[PSI]),
        heading_sigma=float(sigma[PSI]),
        curvature=float(parameters[K0]),
        curvature_sigma=float(sigma[K0]),
        curvature_rate=float(parameters[K1]),
        curvature_rate_sigma=float(sigma[K1]),
        width=float(parameters[WIDTH]),
        width_sigma=float(sigma[WIDTH]),
        pitch=camera.pitch + float(parameters[PITCH]),
        pitch_sigma=float(sigma[PITCH]),
        crest=float(quality.crest),
        covariance=whole,
        s=at,
        curvature_at_s=clothoid.curvature(parameters, at),
        curvature_at_s_sigma=np.sqrt(
            clothoid.curvature_sigma(covariance, at) ** 2 + errors.curvature_variance(at)
        ),
        lateral_at_s_sigma=_lateral_sigma(curve, at, covariance, errors),
        path=np.stack([curve.x, curve.y, curve.heading], axis=1),
        view_start=view.start,
        view_end=end,
        blocker_class=blocker,
        blocker_distance=distance,
        blocker_distance_sigma=distance_sigma,
    )


def through_vehicle(
    parameters: np.ndarray, covariance: np.ndarray, seen_to: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the parallel of a centre through the vehicle, its covariance and ``seen_to`` on it.

    A parallel bends by k / (1 - k d); where it starts is known, so that its offset has no
    sigma.
    """
    start, offset = clothoid.closest_point(parameters)
    bend = float(clothoid.curvature(parameters, start))
    shrink = 1 - bend * offset
    scale = np.diag(parallel_scale(parameters))
    heading = parameters[PSI] + start * (parameters[K0] + 0.5 * parameters[K1] * start)
    moved = parameters.copy()
    moved[[C0, PSI]] = 0.0, heading
    moved[[K0, K1]] = clothoid.parallel_curvature(bend, offset), parameters[K1] / shrink**3
    if np.isfinite(seen_to):
        turned = (
            parameters[PSI] + seen_to * (parameters[K0] + 0.5 * parameters[K1] * seen_to) - heading
        )
        seen_to = seen_to - start - offset * turned
    return moved, scale @ covariance @ scale, seen_to


def parallel_scale(parameters: np.ndarray) -> np.ndarray:
    """Return what becomes of small changes of a centre's parameters (6,) on the parallel."""
    start, offset = clothoid.closest_point(parameters)
    shrink = 1 - float(clothoid.curvature(parameters, start)) * offset
    return np.array([0.0, 1.0, shrink**-2, shrink**-3, 1.0, 1.0])


def is_unsure_ahead(space: FreeSpace) -> bool:
    """Return whether what blocks just before the vehicle is labelled with little confidence."""
    first, last = space.columns.ahead
    here = slice(first, last + 1)
    foot = space.camera.translation[:2, None]
    near = (space.state[here] == BLOCKED) & (
        np.hypot(*(np.stack([space.x[here], space.y[here]]) - foot)) < SHORT
    )
    return bool(near.any() and space.columns.confidence[here][near].mean() < LOW_CONFIDENCE)


def _lateral_sigma(
    curve: clothoid.Curve, s: np.ndarray, covariance: np.ndarray, errors: SystematicErrors
) -> np.ndarray:
    """Return the sigma across the curve at each of its points, metres."""
    across = np.cos(curve.heading) * curve.d_y - np.sin(curve.heading) * curve.d_x
    variance = (across * (covariance[:PITCH, :PITCH] @ across)).sum(axis=0)
    return np.sqrt(np.maximum(variance, 0.0) + errors.lateral_variance(across, s))


def _seen_to(s: np.ndarray) -> float:
    """Return the arc length up to which edges are seen without too long a gap."""
    ordered = np.sort(s)
    gap = np.flatnonzero(np.diff(ordered) > GAP)
    return float(ordered[gap[0]] if len(gap) else ordered[-1])


@dataclass(frozen=True)
class VisibleStretch:
    """The stretch of a swath, in metres of arc length, that is seen and free.

    ``blocker`` is the class that ends it, 255 where it is the image's border or what is
    unlabelled; ``confidence`` (0 to 1) the mean along its middle, 1 where none is given.
    ``start`` is NaN where there is no such stretch.
    """

    start: float
    end: float
    blocker: int
    confidence: float


NO_VIEW = VisibleStretch(float('nan'), float('nan'), NO_BLOCKER, 1.0)


def _view(
    s: np.ndarray,
    curve: clothoid.Curve,
    z: np.ndarray,
    camera: Camera,
    columns: ColumnContacts,
    frame: LabelledFrame,
    labels: LabelSet,
    options: RoadOptions,
) -> VisibleStretch:
    """Return how far a swath as wide as the vehicle is seen to be free along a curve.

    ``z`` (n,) is the ground's height along it, metres; ``camera`` the frame's at the pitch that
    was found.
    """
    mask, confidence = frame.mask, frame.confidence
    sideways = 0.5 * options.vehicle_width * np.array([0.0, -0.5, 0.5, -1.0, 1.0])
    u, v = camera.project(
        curve.x[:, None] - sideways * np.sin(curve.heading)[:, None],
        curve.y[:, None] + sideways * np.cos(curve.heading)[:, None],
        z[:, None],
    )
    with np.errstate(invalid='ignore'):
        inside = (u > -0.5) & (u < camera.width - 0.5) & (v > -0.5) & (v < camera.height - 0.5)
    column = np.rint(np.where(inside, u, 0)).astype(int)
    row = np.rint(np.where(inside, v, 0)).astype(int)
    seen = inside & (row <= columns.start[column])
    blocked = seen & (columns.free[row, column] == 0)
    usable = seen[:, 0] & ~blocked.any(axis=1)
    first = int(np.argmax(seen[:, 0]))
    if not usable[first]:
        return NO_VIEW
    ends = ~usable[first:]
    last = first + (int(np.argmax(ends)) if ends.any() else len(ends)) - 1
    blocker = NO_BLOCKER
    if last + 1 < len(s) and blocked[last + 1].any():
        hit = int(np.argmax(blocked[last + 1]))
        blocker = _class_at(mask, columns, row[last + 1, hit], column[last + 1, hit], labels)
    belief = 1.0
    if confidence is not None:
        middle = confidence[row[first : last + 1, 0], column[first : last + 1, 0]]
        belief = float(middle.mean()) / 255
    return VisibleStretch(float(s[first]), float(s[last]), blocker, belief)


def _class_at(
    mask: np.ndarray, columns: ColumnContacts, row: int, column: int, labels: LabelSet
) -> int:
    """Return what blocks at a pixel that is not free, 255 where it is unlabelled."""
    found = int(mask[row, column])
    if labels.role_of(found) in (Role.DRIVABLE, Role.IGNORED):
        # A speck of road beyond a contact: what the column says is in the way.
        found = int(columns.met[column])
    return found if found != IGNORED else NO_BLOCKER
