"""The road from frame to frame: a Kalman filter over the clothoid, moved by the vehicle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.clothoid import C0, K0, K1, PITCH, PSI, WIDTH
from asap_ros.road.clothoid_fit import Fit, inflate_pitch

GATE = 16.81
"""Chi-square of 6 degrees of freedom at 99 %: fits further off than that are not believed."""

MAX_GAP = 1.0
"""Seconds without a frame after which the past says nothing about the present."""

MAX_COAST = {True: 0.5, False: 0.25}
"""Seconds that a road may be carried on unseen, by whether the vehicle's motion is known."""

MAX_REFUSED = 3
"""Reliable fits in a row that the gate refuses before they are right and the past is wrong."""

SHARED, SHARED_TIME = 3.0, 0.3
"""Frames that follow one another share errors (the same kerb, the same mistaken pixels): each adds
only a share of the information that it would have on its own. That is 1/SHARED for frames up to
0.1 s apart, and all of it for frames that are SHARED_TIME (s) and more apart."""

DRIFT = np.array([0.1, 0.01, 1e-3, 1e-4, 0.3, 0.0])
"""How the road departs from a clothoid, per root second, in the order of the parameters."""

UNKNOWN_SPEED, UNKNOWN_YAW_RATE = 15.0, 0.2
"""What an unknown motion may be, m/s and rad/s."""

MIN_BOUNCE = 0.004
"""Radians: the least that the pitch is taken to change from frame to frame."""

MOUNT_TIME = 10.0
"""Seconds over which the mean pitch of the mounting is learnt."""


@dataclass(frozen=True)
class EgoMotion:
    """The vehicle's motion since the last frame: metres forward, radians to the left."""

    distance: float
    yaw: float


@dataclass(frozen=True, eq=False)
class Track:
    """The filter's answer for a frame: ``parameters`` (6,), ``covariance`` (6, 6).

    ``coasting`` where this frame's own fit had no part in it.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    coasting: bool


def move(parameters: np.ndarray, motion: EgoMotion) -> np.ndarray:
    """Return the same road as seen after a motion along a circular arc."""
    half = 0.5 * motion.yaw
    chord = motion.distance * np.sinc(half / np.pi)
    x, y = chord * np.cos(half), chord * np.sin(half)
    c, n = np.cos(motion.yaw), np.sin(motion.yaw)
    s = np.array([motion.distance])
    for _ in range(3):
        curve = clothoid.evaluate(parameters, s)
        ahead = c * (curve.x - x) + n * (curve.y - y)
        s = s - ahead / np.maximum(np.cos(curve.heading - motion.yaw), 0.1)
    curve = clothoid.evaluate(parameters, s)
    moved = parameters.copy()
    moved[C0] = (c * (curve.y - y) - n * (curve.x - x))[0]
    moved[PSI] = curve.heading[0] - motion.yaw
    moved[K0] = parameters[K0] + parameters[K1] * s[0]
    return moved


def move_jacobian(distance: float) -> np.ndarray:
    """Return the derivatives (6, 6) of ``move`` for small headings and bends."""
    jacobian = np.eye(6)
    jacobian[C0, [PSI, K0, K1]] = distance, distance**2 / 2, distance**3 / 6
    jacobian[PSI, [K0, K1]] = distance, distance**2 / 2
    jacobian[K0, K1] = distance
    return jacobian


@dataclass(frozen=True, eq=False)
class _Estimate:
    """The filter's road: ``parameters`` (6,), ``covariance`` (6, 6)."""

    parameters: np.ndarray
    covariance: np.ndarray


class Tracker:
    """Keeps the road between frames. Time is in seconds, of any origin, from frames' stamps."""

    def __init__(self) -> None:
        """Start without a road."""
        self.reset()
        self.mount_pitch = 0.0
        self.bounce = 0.0
        self._learnt = 0.0

    def reset(self) -> None:
        """Forget the road, for a jump in time or place; what the mounting is, is kept."""
        self._estimate: _Estimate | None = None
        self._time: float | None = None
        self._seen = -np.inf
        self._refused = 0

    @property
    def width(self) -> float | None:
        """The tracked width in metres, None without a road."""
        return None if self._estimate is None else float(self._estimate.parameters[WIDTH])

    def step(
        self, time: float, motion: EgoMotion | None, fit: Fit | None, doubtful: bool = False
    ) -> Track | None:
        """Return the road at ``time``, None where none is known.

        ``fit`` is this frame's own, None where it has no reliable one; ``motion`` since the
        last call, None where unknown; ``doubtful`` where the fit's pitch may be a widening road.
        Time that goes backwards or leaps resets the filter.
        """
        elapsed = 0.0 if self._time is None else time - self._time
        if elapsed < 0 or elapsed > MAX_GAP:
            self.reset()
            elapsed = 0.0
        self._time = time
        predicted = self._estimate and self._predict(self._estimate, elapsed, motion)
        # A road that is too old to be carried on is too old to refuse a fit by.
        outdated = time - self._seen > MAX_COAST[motion is not None]
        if fit is not None:
            updated = self._update(
                predicted,
                inflate_pitch(fit, self.mount_pitch) if doubtful else fit,
                elapsed,
                outdated,
            )
            if updated is not None:
                self._learn_pitch(fit, elapsed)
                self._seen = time
                self._refused = 0
                self._estimate = updated
                return Track(updated.parameters, updated.covariance, coasting=False)
        self._estimate = predicted
        if predicted is None:
            return None
        if outdated:
            self.reset()
            self._time = time
            return None
        return Track(predicted.parameters, predicted.covariance, coasting=True)

    def _predict(self, estimate: _Estimate, elapsed: float, motion: EgoMotion | None) -> _Estimate:
        noise = np.diag(DRIFT**2) * elapsed
        if motion is not None:
            jacobian = move_jacobian(motion.distance)
            parameters = move(estimate.parameters, motion)
        else:
            jacobian, parameters = np.eye(6), estimate.parameters.copy()
            reach = UNKNOWN_SPEED * elapsed
            noise += (
                np.diag(
                    [
                        abs(parameters[PSI]) * reach,
                        abs(parameters[K0]) * reach + UNKNOWN_YAW_RATE * elapsed,
                        abs(parameters[K1]) * reach,
                        0,
                        0,
                        0,
                    ]
                )
                ** 2
            )
        covariance = jacobian @ estimate.covariance @ jacobian.T + noise
        # The pitch swings about the mounting's; the last frame's says little of this one's.
        parameters[PITCH] = self.mount_pitch
        covariance[PITCH, :] = covariance[:, PITCH] = 0.0
        covariance[PITCH, PITCH] = max(MIN_BOUNCE, self.bounce) ** 2
        return _Estimate(parameters, covariance)

    def _update(
        self, predicted: _Estimate | None, fit: Fit, elapsed: float, outdated: bool
    ) -> _Estimate | None:
        """Return the estimate with a fit taken in, None where the gate refuses the fit.

        Where the past is ``outdated`` the gate makes the fit a new beginning instead.
        """
        anew = _Estimate(fit.parameters.copy(), fit.covariance.copy())
        if predicted is None:
            return anew
        information = fit.information / float(np.clip(SHARED_TIME / max(elapsed, 1e-9), 1, SHARED))
        updated = np.linalg.inv(np.linalg.inv(predicted.covariance) + information)
        innovation = fit.parameters - predicted.parameters
        pull = information @ innovation
        if innovation @ pull - pull @ updated @ pull > GATE:
            self._refused += 1
            return anew if outdated or self._refused >= MAX_REFUSED else None
        return _Estimate(predicted.parameters + updated @ pull, 0.5 * (updated + updated.T))

    def _learn_pitch(self, fit: Fit, elapsed: float) -> None:
        """Let the mounting's pitch and the usual bounce follow what is measured."""
        if fit.covariance[PITCH, PITCH] > MIN_BOUNCE**2:
            return
        self._learnt = min(self._learnt + max(elapsed, 1e-3), MOUNT_TIME)
        share = max(elapsed, 1e-3) / (self._learnt + 0.5)
        off = float(fit.parameters[PITCH]) - self.mount_pitch
        self.mount_pitch += share * off
        self.bounce = float(np.sqrt((1 - share) * self.bounce**2 + share * off**2))
