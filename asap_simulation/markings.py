"""Lines, stop lines and zebra crossings: which share of each pixel of the ground they cover."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asap_simulation.road_field import RoadField
from asap_simulation.road_layout import STRIPE, Junction, RoadLayout, Stripe

CLEAR = 7.0
"""Metres before and after a crossing street's edges within which lanes have no lines."""

ZEBRA = (2.2, 5.2)
"""Metres from a crossing street's edge between which a zebra crossing lies."""

STOP = (6.2, 6.6)
"""Metres from a crossing street's edge between which a stop line lies."""


def shares(field: RoadField, layout: RoadLayout) -> Iterator[np.ndarray]:
    """Yield for each marking the share of each pixel that it covers, float32 (rows, W)."""
    clear = None
    near = [j for j in layout.junctions if field.s.min() - 20 < j.s < field.s.max() + 20]
    for junction in near:
        away = np.abs(field.s - np.float32(junction.s)) - np.float32(0.5 * junction.width)
        yield from _crossing(field, junction, away)
        keep = np.clip((away - CLEAR) / np.maximum(field.pixel, 0.05) + 0.5, 0, 1)
        clear = keep if clear is None else clear * keep
    for stripe in layout.stripes:
        share = _stripe(field, stripe)
        yield share if clear is None else share * clear


def _stripe(field: RoadField, stripe: Stripe) -> np.ndarray:
    if stripe.inset is None:
        distance = np.abs(field.d - np.float32(stripe.d))
    else:
        distance = np.abs(field.edge + np.float32(stripe.inset))
    # The part of a line between two pixels that it covers, also where it is thinner than one.
    width = np.float32(STRIPE)
    share = np.clip(0.5 + (0.5 * width - distance) / field.pixel, 0, 1)
    share = np.minimum(share, width / field.pixel)
    if stripe.inset is not None:
        share = np.where((field.d > 0) == (stripe.d > 0), share, 0)
    if stripe.gap:
        period = np.float32(stripe.dash + stripe.gap)
        phase = field.s - period * np.floor(field.s / period)
        along = np.maximum(_along(field.s), 0.02)
        on = np.clip(0.5 + (0.5 * stripe.dash - np.abs(phase - 0.5 * period)) / along, 0, 1)
        blurred = stripe.dash / period
        share = share * np.where(along > period, blurred, on)
    return share


def _crossing(field: RoadField, junction: Junction, away: np.ndarray) -> Iterator[np.ndarray]:
    """Yield zebra crossings on both sides of a street and stop lines for both directions."""
    along = np.maximum(_along(field.s), 0.02)
    inside = np.clip(0.5 - (field.edge + 0.4) / field.pixel, 0, 1)
    bars = np.abs(field.d - np.rint(field.d)) - 0.25
    bars = np.clip(0.5 - bars / np.maximum(field.pixel, 0.02), 0, 1)
    yield _between(away, ZEBRA, along) * bars * inside
    # Traffic keeps to the right, and stops before the street.
    arriving = (field.d < 0) == (field.s < junction.s)
    yield _between(away, STOP, along) * inside * arriving


def _between(value: np.ndarray, limits: tuple[float, float], soft: np.ndarray) -> np.ndarray:
    low, high = limits
    middle, half = np.float32(0.5 * (low + high)), np.float32(0.5 * (high - low))
    return np.clip(0.5 + (half - np.abs(value - middle)) / soft, 0, 1)


def _along(s: np.ndarray) -> np.ndarray:
    """Return how much arc length changes from one row to the next."""
    change = np.empty_like(s)
    change[1:] = np.abs(s[1:] - s[:-1])
    change[0] = change[1] if len(s) > 1 else 1.0
    return np.minimum(change, 50.0)
