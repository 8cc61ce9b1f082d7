"""A scenario made concrete by a seed: the road, what stands beside it, traffic, the drive."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_simulation import roadside, traffic
from asap_simulation.light import Light
from asap_simulation.objects import SceneObject
from asap_simulation.road_layout import Junction, RoadLayout, Stripe, Verge
from asap_simulation.road_line import STEP, RoadLine
from asap_simulation.scenario import Scenario
from asap_simulation.structures import Post
from asap_simulation.terrain import Terrain
from asap_simulation.traffic import MovingObject
from asap_simulation.vehicle_motion import VehicleMotion

RUN_UP, RUN_OUT = 80.0, 450.0
"""Metres of road before the first place of a drive and after the last."""


@dataclass(frozen=True, eq=False)
class World:
    """Everything that does not change from frame to frame, and how the rest moves.

    ``lamps`` (n, 4): x, y, height and strength of the street lamps that are lit.
    """

    scenario: Scenario
    layout: RoadLayout
    terrain: Terrain
    light: Light
    things: tuple[SceneObject, ...]
    moving: tuple[MovingObject, ...]
    motion: VehicleMotion
    lamps: np.ndarray


def build(scenario: Scenario, seed: int, seconds: float) -> World:
    """Return the world of a drive of ``seconds`` with this seed."""
    # Streams of their own, so that what is drawn for one does not move the others.
    rng = {
        name: np.random.default_rng([seed, number])
        for number, name in enumerate(('road', 'looks', 'drive', 'side', 'traffic'))
    }
    length = RUN_UP + scenario.speed * seconds + RUN_OUT
    line, straights = _line(scenario, rng['road'], length)
    layout = _layout(scenario, line, straights, rng['looks'])
    terrain = Terrain(scenario.rise, scenario.wave)
    looks = rng['looks']
    light = replace(scenario.light, sun_azimuth=float(looks.uniform(-np.pi, np.pi)))
    if scenario.name == 'evening':
        light = replace(light, sun_azimuth=float(looks.choice((-1, 1)) * looks.uniform(0.3, 0.9)))
    motion = VehicleMotion.random(rng['drive'], line, scenario, RUN_UP)
    things = roadside.place(scenario, layout, terrain, light, rng['side'])
    moving = traffic.place(scenario, layout, motion, seconds, rng['traffic'])
    lamps = np.array(
        [
            [*thing.foot[:2], thing.foot[2] + thing.height, 1.0]
            for thing in things
            if isinstance(thing, Post) and thing.lit
        ]
    ).reshape(-1, 4)
    return World(scenario, layout, terrain, light, tuple(things), tuple(moving), motion, lamps)


def _line(
    scenario: Scenario, rng: np.random.Generator, length: float
) -> tuple[RoadLine, list[tuple[float, float]]]:
    """Return a middle line at least that long, and its straights as (first, last)."""

    def snap(value: float) -> float:
        return STEP * float(np.rint(value / STEP))

    s, heading = snap(60.0 + rng.uniform(0, 30)), 0.0
    knots, bends, straights = [0.0, s], [0.0, 0.0], [(0.0, s)]
    side = rng.choice((-1, 1))
    # Crests lie across the world's x axis, so that a road over them keeps to it.
    limit = 0.25 if scenario.rise else 1.0
    while s < length:
        bend = 1 / rng.uniform(*scenario.radius)
        spiral, arc = snap(rng.uniform(*scenario.spiral)), snap(rng.uniform(*scenario.arc))
        # Bends take turns, so that the road does not meet itself.
        side = -side if rng.random() < 0.8 else side
        if heading and abs(heading + side * bend * (spiral + arc)) > limit:
            side = -np.sign(heading)
        if abs(heading + side * bend * (spiral + arc)) > limit:
            arc = snap(max(10.0, (limit - side * heading) / bend - spiral))
        for part, value in ((spiral, side * bend), (arc, side * bend), (spiral, 0.0)):
            s += part
            knots.append(s)
            bends.append(value)
        heading += side * bend * (spiral + arc)
        straight = snap(rng.uniform(*scenario.straight))
        straights.append((s, s + straight))
        s += straight
        knots.append(s)
        bends.append(0.0)
    widths = rng.uniform(*scenario.width, len(knots))
    # A width is kept along each arc and each straight, and changes along the spirals.
    widths[1::2][: len(widths[0::2])] = widths[0::2][: len(widths[1::2])]
    return RoadLine(np.array(knots), np.array(bends), widths), straights


def _layout(
    scenario: Scenario,
    line: RoadLine,
    straights: list[tuple[float, float]],
    rng: np.random.Generator,
) -> RoadLayout:
    """Return the road's markings, verges and junctions."""
    junctions = []
    if scenario.junctions:
        long = [span for span in straights[1:] if span[1] - span[0] > 36]
        junctions = [
            Junction(0.5 * (a + b), rng.uniform(6.5, 8.5), rng.uniform(4, 6))
            for a, b in long[: scenario.junctions]
        ]
    width = float(np.mean(scenario.width))
    verge = (
        Verge(pavement=float(rng.uniform(2.4, 3.6)))
        if scenario.place == 'city'
        else Verge(gravel=0.6 if scenario.place == 'country' else 0.25)
    )
    if scenario.place == 'motorway':
        # A hard shoulder on the right, three lanes, a narrow strip on the left.
        lane, left = 3.6, 0.5 * width - 0.7
        stripes = [
            Stripe(left, 0.7),
            Stripe(-1.0, width - 0.7 - 3 * lane),
            Stripe(left - lane, None, 6.0, 12.0),
            Stripe(left - 2 * lane, None, 6.0, 12.0),
        ]
        return RoadLayout(
            line,
            verge,
            tuple(stripes),
            (),
            left - 1.5 * lane,
            lane,
            float(rng.uniform(0.9, 1.25)),
            float(rng.uniform(0, 90)),
        )
    dashes = (3.0, 5.0) if scenario.place == 'city' else (4.0, 8.0)
    stripes = [Stripe(0.0, None, *dashes)]
    if scenario.place == 'country':
        stripes += [Stripe(1.0, 0.22), Stripe(-1.0, 0.22)]
    return RoadLayout(
        line,
        verge,
        tuple(stripes),
        tuple(junctions),
        -0.22 * width,
        1.75,
        float(rng.uniform(0.85, 1.35)),
        float(rng.uniform(0, 90)),
    )
