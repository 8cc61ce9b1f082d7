"""One frame of a drive, what was made of it, and what it truly was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from asap_ros.bags.message_readers import TrueSpace
from asap_ros.road.free_space import FreeSpace
from asap_ros.road.geometry import RoadGeometry


@dataclass(frozen=True, eq=False)
class Observation:
    """A frame for the session; None for what there is not.

    ``rgb`` uint8 (H, W, 3), of any size; ``mask`` uint8 (h, w) in the session's label set, None
    for a frame without a result; ``timings`` stages in ms; ``geometry`` the corridor and
    ``space`` the free space of ``mask``; ``reference`` uint8 mask in the reference's own label
    set; ``true_road`` and ``true_space`` metric truth, the latter's classes in that set too.
    """

    stamp_ns: int
    rgb: np.ndarray
    mask: np.ndarray | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    geometry: RoadGeometry | None = None
    space: FreeSpace | None = None
    reference: np.ndarray | None = None
    true_road: RoadGeometry | None = None
    true_space: TrueSpace | None = None
