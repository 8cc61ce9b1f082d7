"""The vehicle's latest velocities, and how far they have moved it between two frames."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from asap_ros.road.tracker import EgoMotion

MAX_SILENCE = 0.2
"""Seconds that a velocity is taken to last before or after it was measured."""

KEPT = 2000
"""Measurements that are kept: ten seconds of a fast odometry."""


class MotionLog:
    """Measured velocities in the order of their stamps; written and read by any thread."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._entries: deque[tuple[float, float, float]] = deque(maxlen=KEPT)

    def add(self, time: float, speed: float, yaw_rate: float) -> None:
        """Note a measurement: seconds, m/s forward, rad/s to the left.

        What is not finite is left out; a stamp that goes back begins the log anew.
        """
        if not np.isfinite([time, speed, yaw_rate]).all():
            return
        with self._lock:
            if self._entries and time < self._entries[-1][0]:
                self._entries.clear()
            self._entries.append((time, speed, yaw_rate))

    def between(self, start: float, end: float) -> EgoMotion | None:
        """Return the motion between two times in seconds, None where too little is known of it.

        Velocities are joined by straight lines, and last MAX_SILENCE beyond what was measured.
        """
        with self._lock:
            entries = np.array(self._entries)
        if not len(entries) or end < start:
            return None
        times = entries[:, 0]
        inside = times[(times > start) & (times < end)]
        # What was measured about the two times, and all between: nowhere may it be too far apart.
        known = np.concatenate([times[times <= start][-1:], inside, times[times >= end][:1]])
        if (
            known[0] > start + MAX_SILENCE
            or known[-1] < end - MAX_SILENCE
            or (np.diff(known) > 2 * MAX_SILENCE).any()
        ):
            return None
        at = np.concatenate([[start], inside, [end]])
        speed, yaw_rate = (np.interp(at, times, entries[:, k]) for k in (1, 2))
        steps = np.diff(at)
        return EgoMotion(
            float((0.5 * (speed[1:] + speed[:-1]) * steps).sum()),
            float((0.5 * (yaw_rate[1:] + yaw_rate[:-1]) * steps).sum()),
        )
