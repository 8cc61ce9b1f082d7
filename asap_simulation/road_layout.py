"""What a road is made of: its line, lanes, markings, verges and junctions."""

from __future__ import annotations

from dataclasses import dataclass

from asap_simulation.road_line import RoadLine

KERB = 0.18
"""Metres that a kerbstone is wide."""

STRIPE = 0.14
"""Metres that a line on the road is wide."""


@dataclass(frozen=True)
class Junction:
    """A street that crosses at right angles at arc length ``s``; metres.

    ``width`` between its edges, ``radius`` of the corners.
    """

    s: float
    width: float = 7.0
    radius: float = 5.0


@dataclass(frozen=True)
class Verge:
    """What lies beside the road, metres from its edge: pavement with a kerb, or gravel; 0: none.

    Beyond is grass.
    """

    pavement: float = 0.0
    gravel: float = 0.0


@dataclass(frozen=True)
class Stripe:
    """A line along the road, ``d`` metres to the left of the middle.

    Where ``inset`` is given it runs that far inside the edge on the side of the sign of ``d``.
    ``dash`` and ``gap`` in metres; a gap of 0 is a solid line.
    """

    d: float
    inset: float | None = None
    dash: float = 3.0
    gap: float = 0.0


@dataclass(frozen=True, eq=False)
class RoadLayout:
    """A road as it lies in the world; ``lane_middle`` and ``track`` place its wheel tracks.

    ``asphalt`` scales how bright the asphalt is; ``patch_phase`` metres shifts its patches.
    """

    line: RoadLine
    verge: Verge
    stripes: tuple[Stripe, ...]
    junctions: tuple[Junction, ...] = ()
    lane_middle: float = -1.75
    track: float = 1.75
    asphalt: float = 1.0
    patch_phase: float = 0.0
