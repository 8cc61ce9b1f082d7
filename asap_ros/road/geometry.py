"""What the road model says about a frame: the corridor, its sigmas, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np


class Status(IntFlag):
    """Why a result is invalid or should be taken with care; docs/road.md says what to do."""

    OK = 0
    NO_CALIBRATION = 1
    NO_TF = 2
    STALE = 4
    LOW_CONFIDENCE = 8
    LEFT_OCCLUDED = 16
    RIGHT_OCCLUDED = 32
    ONE_SIDED = 64
    WIDTH_JUMP = 128
    INTERSECTION = 256
    NOT_FLAT = 512
    SHORT_VIEW = 1024
    PITCH_OUT_OF_PRIOR = 2048
    COASTING = 4096
    NOT_AHEAD = 8192


REASONS = (
    Status.NO_CALIBRATION
    | Status.NO_TF
    | Status.STALE
    | Status.LOW_CONFIDENCE
    | Status.INTERSECTION
    | Status.SHORT_VIEW
    | Status.PITCH_OUT_OF_PRIOR
    | Status.NOT_AHEAD
)
"""Bits that are a reason why a road is invalid; the others say how to take a valid one."""


class ReferenceCurve(IntEnum):
    """Which curve a RoadGeometry describes.

    ROAD_CENTRE is the middle between the edges; EGO_PARALLEL runs through the vehicle, parallel
    to the edge that is seen.
    """

    ROAD_CENTRE = 0
    EGO_PARALLEL = 1


NO_BLOCKER = 255
"""``blocker_class`` where nothing blocks the corridor within the view."""

NUMBERS = (
    'lateral_offset',
    'heading',
    'curvature',
    'curvature_rate',
    'width',
    'pitch',
    'blocker_distance',
)
"""Numbers of a RoadGeometry that come with a ``_sigma``."""

ARRAYS = ('s', 'curvature_at_s', 'curvature_at_s_sigma', 'lateral_at_s_sigma')
"""What a RoadGeometry states along its view."""


def _nan() -> float:
    return float('nan')


@dataclass(frozen=True, eq=False)
class RoadGeometry:
    """The corridor of one frame in base_link: metres, radians, 1/m; to the left is positive.

    While ``valid`` is false every number below ``reference`` is NaN, the arrays are empty and
    ``blocker_class`` is 255; otherwise all are finite, but ``blocker_distance`` and its sigma are
    NaN where ``blocker_class`` is 255.

    All of it describes the ``reference`` curve. ``lateral_offset``: its y at x = 0, positive
    where it passes to the left of base_link; 0 by definition when EGO_PARALLEL. ``heading``:
    its direction there against the vehicle's x axis, positive when it points to the left.
    ``curvature`` and ``curvature_rate``: at s = 0, and the change per metre. ``width``: between
    the road's edges. ``pitch``: of the camera against the ground, positive nose down; less
    ``Camera.pitch`` it is what was found on top of the calibrated pose. ``crest``: the ground
    falls away along the road by crest s^2 / 2, 0 where it passes for flat. ``covariance`` (6, 6)
    is in the order lateral_offset, heading, curvature, curvature_rate, width, pitch; the
    ``*_sigma`` are the roots of its diagonal.

    Along the reference by arc length s from x = 0: ``s``, ``curvature_at_s``,
    ``curvature_at_s_sigma``, ``lateral_at_s_sigma`` (n,) and ``path`` (n, 3) of x, y, heading.
    They cover ``view_start`` to ``view_end``, where the corridor is seen to be free.
    ``blocker_class`` is the class met at arc length ``blocker_distance`` at the end of it.
    """

    valid: bool
    status: Status
    reference: ReferenceCurve = ReferenceCurve.ROAD_CENTRE
    lateral_offset: float = field(default_factory=_nan)
    lateral_offset_sigma: float = field(default_factory=_nan)
    heading: float = field(default_factory=_nan)
    heading_sigma: float = field(default_factory=_nan)
    curvature: float = field(default_factory=_nan)
    curvature_sigma: float = field(default_factory=_nan)
    curvature_rate: float = field(default_factory=_nan)
    curvature_rate_sigma: float = field(default_factory=_nan)
    width: float = field(default_factory=_nan)
    width_sigma: float = field(default_factory=_nan)
    pitch: float = field(default_factory=_nan)
    pitch_sigma: float = field(default_factory=_nan)
    crest: float = field(default_factory=_nan)
    covariance: np.ndarray = field(default_factory=lambda: np.full((6, 6), np.nan))
    s: np.ndarray = field(default_factory=lambda: np.empty(0))
    curvature_at_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    curvature_at_s_sigma: np.ndarray = field(default_factory=lambda: np.empty(0))
    lateral_at_s_sigma: np.ndarray = field(default_factory=lambda: np.empty(0))
    path: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    view_start: float = field(default_factory=_nan)
    view_end: float = field(default_factory=_nan)
    blocker_class: int = NO_BLOCKER
    blocker_distance: float = field(default_factory=_nan)
    blocker_distance_sigma: float = field(default_factory=_nan)

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid road without a reason."""
        if not self.valid and not self.status & REASONS:
            raise ValueError(f'an invalid road needs a reason, {self.status!r} is none')


def invalid(status: Status) -> RoadGeometry:
    """Return the answer for a frame whose corridor cannot be told, for the reasons given."""
    return RoadGeometry(valid=False, status=status)
