"""What moves: vehicles along the road, people along the pavement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_simulation import billboards, bodies
from asap_simulation.bodies import Body
from asap_simulation.light import Colour
from asap_simulation.objects import Billboard, SceneObject, SimulatedVehicle
from asap_simulation.road_layout import RoadLayout
from asap_simulation.scenario import Scenario
from asap_simulation.terrain import Terrain
from asap_simulation.vehicle_motion import VehicleMotion

PAINTS = (
    (0.60, 0.60, 0.60),
    (0.30, 0.31, 0.33),
    (0.03, 0.03, 0.035),
    (0.10, 0.10, 0.11),
    (0.30, 0.02, 0.02),
    (0.02, 0.05, 0.22),
    (0.70, 0.70, 0.68),
    (0.05, 0.12, 0.09),
    (0.35, 0.30, 0.20),
    (0.45, 0.16, 0.03),
    (0.08, 0.14, 0.30),
)
"""What the paint of vehicles reflects."""


@dataclass(frozen=True, eq=False)
class MovingObject:
    """Something on its way along the road: at ``s`` + ``speed`` t, ``d`` to the left.

    ``speed`` < 0 comes towards. ``follows`` keeps it ``s`` metres ahead of the vehicle instead.
    ``body`` with ``paint`` is a vehicle, otherwise ``rider`` or a walker of looks ``variant``.
    """

    s: float
    d: float
    speed: float
    body: Body | None = None
    paint: Colour = PAINTS[0]
    variant: int = 0
    rider: bool = False
    follows: bool = False
    lamps: bool = False

    def at(
        self, time: float, layout: RoadLayout, motion: VehicleMotion, terrain: Terrain
    ) -> SceneObject:
        """Return it as it stands at a time in seconds."""
        s = self.s + self.speed * time
        if self.follows:
            s = motion.along(time)[0] + self.s + 3.0 * np.sin(0.5 * time + self.variant)
        x, y, heading = layout.line.offset(s, self.d)
        foot = np.array([x, y, terrain.height(x)], float)
        turned = float(heading) + (np.pi if self.speed < 0 else 0.0)
        if self.body is not None:
            return SimulatedVehicle(foot, turned, self.body, self.paint, self.lamps)
        if self.rider:
            return Billboard(
                foot, turned, billboards.cyclist(self.variant, False), 1.78, crown=(0.0, 1.0)
            )
        step = int(2.0 * abs(s) + self.variant) % 4
        return Billboard(
            foot,
            turned,
            billboards.person(self.variant, step),
            1.62 + 0.04 * (self.variant % 6),
            self.variant % 2 == 1,
            (0.0, 1.0),
        )


def place(
    scenario: Scenario,
    layout: RoadLayout,
    motion: VehicleMotion,
    seconds: float,
    rng: np.random.Generator,
) -> list[MovingObject]:
    """Return all that moves during a drive."""
    first, last = motion.start, motion.start + scenario.speed * seconds + 200.0
    night = scenario.light.lamps
    moving: list[MovingObject] = []
    if scenario.ahead:
        d = scenario.ego * float(layout.line.width(first))
        moving.append(
            MovingObject(
                rng.uniform(28, 45) + 0.5 * scenario.speed,
                d,
                1.0,
                bodies.car(rng.random() < 0.5),
                _paint(rng),
                follows=True,
                variant=1,
                lamps=night,
            )
        )
    if scenario.one_way:
        moving += _motorway(scenario, layout, first, last, night, rng)
    else:
        s = first + rng.uniform(30, 60)
        # Oncoming cars must be met within the drive: they start twice as far away.
        while scenario.oncoming and s < first + 2 * (last - first):
            moving.append(
                MovingObject(
                    s,
                    -scenario.ego * float(layout.line.width(s)),
                    -scenario.speed * rng.uniform(0.85, 1.1),
                    *_vehicle(scenario, rng),
                    lamps=night,
                )
            )
            s += rng.uniform(0.6, 1.8) * 100 / scenario.oncoming
    half = 0.5 * float(np.mean(scenario.width))
    for _ in range(_count(scenario.walkers, last - first, rng)):
        side = rng.choice((-1.0, 1.0))
        d = side * (half + rng.uniform(0.7, max(layout.verge.pavement - 0.4, 0.8)))
        moving.append(
            MovingObject(
                rng.uniform(first + 5, last),
                d,
                rng.choice((-1.0, 1.0)) * rng.uniform(0.9, 1.6),
                variant=int(rng.integers(12)),
            )
        )
    for _ in range(_count(scenario.cyclists, last - first, rng)):
        # Those who come towards us ride left of parked cars, the others on a path by the kerb.
        side = rng.choice((-1.0, 1.0))
        d = half - 2.5 if side > 0 else -half - 0.9
        moving.append(
            MovingObject(
                rng.uniform(first + 25, last),
                d,
                -side * rng.uniform(3.5, 5.5),
                variant=int(rng.integers(8)),
                rider=True,
            )
        )
    return moving


def _count(rate: float, length: float, rng: np.random.Generator) -> int:
    return int(rate * length / 100 + rng.random()) if rate else 0


def _paint(rng: np.random.Generator) -> Colour:
    return PAINTS[int(rng.integers(len(PAINTS)))]


def _vehicle(scenario: Scenario, rng: np.random.Generator) -> tuple[Body, Colour]:
    if rng.random() < scenario.lorries:
        return (
            bodies.bus() if scenario.place == 'city' and rng.random() < 0.6 else bodies.truck()
        ), _paint(rng)
    return bodies.car(bool(rng.random() < 0.4)), _paint(rng)


def _motorway(
    scenario: Scenario,
    layout: RoadLayout,
    first: float,
    last: float,
    night: bool,
    rng: np.random.Generator,
) -> list[MovingObject]:
    """Return slower traffic to the right and faster traffic to the left."""
    moving = []
    left, right = (layout.lane_middle + side * layout.track for side in (1, -1))
    s = first + rng.uniform(10, 30)
    while s < last:
        body, paint = _vehicle(scenario, rng)
        moving.append(MovingObject(s, right, scenario.speed * 0.78, body, paint, lamps=night))
        s += rng.uniform(35, 80)
    s = first - 60
    while s < last:
        moving.append(
            MovingObject(
                s,
                left,
                scenario.speed * rng.uniform(1.08, 1.12),
                bodies.car(bool(rng.random() < 0.4)),
                _paint(rng),
                lamps=night,
            )
        )
        s += rng.uniform(60, 140)
    return moving
