"""What stands beside the road, by the kind of place that it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asap_simulation import billboards, bodies, facades
from asap_simulation.facades import BAY, STOREY
from asap_simulation.light import Light
from asap_simulation.objects import Billboard, SceneObject, SimulatedVehicle
from asap_simulation.road_layout import RoadLayout
from asap_simulation.scenario import Scenario
from asap_simulation.structures import Barrier, Building, Post
from asap_simulation.terrain import Terrain
from asap_simulation.traffic import PAINTS


class _Site:
    """Places along a road, and whether something may stand there."""

    def __init__(self, layout: RoadLayout, terrain: Terrain, rng: np.random.Generator):
        self.line, self.layout, self.terrain, self.rng = layout.line, layout, terrain, rng
        self.last = float(layout.line.knots[-1])

    def foot(self, s: float, d: float) -> tuple[np.ndarray, float]:
        """Return the place (3,) in the world and the road's heading there."""
        x, y, heading = self.line.offset(s, d)
        return np.array([x, y, self.terrain.height(x)], float), float(heading)

    def beside(self, s: float, side: float, off: float) -> float:
        """Return d of a place ``off`` metres beyond the edge on a side."""
        return side * (0.5 * float(self.line.width(s)) + off)

    def open(self, s: float, room: float) -> bool:
        """Return whether no street crosses within ``room`` metres."""
        return all(abs(s - j.s) > 0.5 * j.width + room for j in self.layout.junctions)

    def along(self, step: tuple[float, float], start: float = 4.0) -> Iterator[float]:
        """Yield arc lengths ``step`` (from, to) metres apart."""
        s = start
        while s < self.last:
            yield s
            s += self.rng.uniform(*step)


def place(
    scenario: Scenario,
    layout: RoadLayout,
    terrain: Terrain,
    light: Light,
    rng: np.random.Generator,
) -> list[SceneObject]:
    """Return everything that stands still beside the road."""
    site = _Site(layout, terrain, rng)
    kinds = {
        'city': (_buildings, _street, _signals, _parked, _street_trees),
        'country': (_countryside, _delineators, _fences),
        'motorway': (_countryside, _rails, _guides),
    }
    found = [thing for make in kinds[scenario.place] for thing in make(site, scenario, light)]
    # What would stand on another stretch of the road, or on a street, is left out.
    feet = np.array([thing.foot for thing in found])
    s, d = layout.line.nearest(feet[:, 0], feet[:, 1], 0.0, site.last)
    edge = np.abs(d) - 0.5 * layout.line.width(s)
    return [
        thing
        for thing, e in zip(found, edge)
        if isinstance(thing, SimulatedVehicle)
        or e > (0.9 * thing.reach if isinstance(thing, Building) else 0.25)
    ]


def _buildings(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    rng = site.rng
    for side in (1.0, -1.0):
        s = 2.0
        while s < site.last - 20:
            bays = int(rng.integers(3, 9))
            storeys = int(rng.integers(2, 6))
            length, depth = bays * BAY, rng.uniform(9, 13)
            middle = s + 0.5 * length
            gap = site.layout.verge.pavement + rng.choice((0.3, 0.3, 2.5))
            s += length + (0.0 if rng.random() < 0.6 else rng.uniform(3, 9))
            if not site.open(middle, 0.5 * length + 4.5):
                continue
            foot, heading = site.foot(middle, site.beside(middle, side, gap + 0.5 * depth))
            variant = int(rng.integers(24))
            shop = bool(rng.random() < 0.4)
            yield Building(
                foot,
                heading,
                length,
                depth,
                storeys * STOREY,
                facades.facade(variant, storeys, bays, shop, light.lamps),
                facades.facade(variant, storeys, max(2, round(depth / BAY)), False, light.lamps),
                gable=float(rng.choice((0.0, 2.6))) if storeys < 4 else 0.0,
            )


def _street(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield street lamps, signs, bollards and the odd wall."""
    rng = site.rng
    side = 1.0
    for s in site.along((22, 28), 10.0):
        side = -side
        if site.open(s, 4):
            foot, heading = site.foot(s, site.beside(s, side, 0.5))
            # The arm reaches over the road.
            yield Post(
                foot, heading + (np.pi if side > 0 else 0.0), 6.5, 0.15, arm=1.3, lit=light.lamps
            )
    for s in site.along((35, 60), 22.0):
        if site.open(s, 5):
            foot, heading = site.foot(s, site.beside(s, -1.0, 0.6))
            yield Post(
                foot,
                heading,
                2.7,
                0.08,
                plate=0.65,
                sign=str(rng.choice(('limit', 'warning', 'give_way'))),
            )
    for s in site.along((50, 100), 30.0):
        if site.open(s, 12):
            for k in range(4):
                foot, _ = site.foot(s + 1.6 * k, site.beside(s + 1.6 * k, -1.0, 0.35))
                yield Post(foot, 0.0, 0.95, 0.12, albedo=(0.06, 0.06, 0.06))


def _signals(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    for junction in site.layout.junctions:
        lamp = int(site.rng.integers(2)) * 2
        for way, side in ((-1, -1.0), (1, -1.0), (-1, 1.0), (1, 1.0)):
            s = junction.s + way * (0.5 * junction.width + junction.radius + 0.5)
            foot, heading = site.foot(s, site.beside(s, side, 0.7))
            yield Post(foot, heading, 3.3, 0.12, signal=lamp)


def _parked(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield rows of parked cars with gaps between the rows."""
    rng = site.rng
    for side in (-1.0, 1.0):
        s = 5.0
        while s < site.last:
            row = int(rng.integers(1, 5))
            for _ in range(row):
                s += 5.6
                if site.open(s, 11):
                    foot, heading = site.foot(s, site.beside(s, side, -1.02))
                    yield SimulatedVehicle(
                        foot,
                        heading + (np.pi if side > 0 else 0.0),
                        bodies.car(bool(rng.random() < 0.4)),
                        PAINTS[int(rng.integers(len(PAINTS)))],
                    )
            s += 5.6 * row * (1 - scenario.parked) / scenario.parked * rng.uniform(0.6, 1.4)


def _street_trees(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    rng = site.rng
    for s in site.along((60 / scenario.trees, 220 / scenario.trees), 7.0):
        if site.open(s, 5):
            foot, heading = site.foot(
                s,
                site.beside(
                    s, rng.choice((-1.0, 1.0)), min(1.0, site.layout.verge.pavement - 0.8)
                ),
            )
            yield Billboard(
                foot,
                heading,
                billboards.tree(int(rng.integers(8))),
                rng.uniform(5.5, 9.0),
                bool(rng.random() < 0.5),
            )
    for side in (-1.0, 1.0):
        for s in site.along((10, 26), 9.0):
            foot, heading = site.foot(
                s, site.beside(s, side, site.layout.verge.pavement + rng.uniform(14, 26))
            )
            if site.open(s, 8):
                yield Billboard(
                    foot,
                    heading,
                    billboards.tree(int(rng.integers(8))),
                    rng.uniform(9, 14),
                    bool(rng.random() < 0.5),
                )


def _countryside(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield single trees, woods, bushes and farms."""
    rng = site.rng
    away = 8.0 if scenario.place == 'motorway' else 3.0
    for side in (-1.0, 1.0):
        for s in site.along((40 / scenario.trees, 160 / scenario.trees)):
            off = away + rng.exponential(9.0)
            foot, heading = site.foot(s, site.beside(s, side, off))
            make = billboards.conifer if rng.random() < 0.25 else billboards.tree
            yield Billboard(
                foot,
                heading,
                make(int(rng.integers(8))),
                rng.uniform(5, 12),
                bool(rng.random() < 0.5),
                (0.05, 1.0) if make is billboards.conifer else (0.25, 1.0),
            )
        for s in site.along((4, 22)):
            foot, heading = site.foot(s, site.beside(s, side, away - 1.0 + rng.exponential(6.0)))
            yield Billboard(
                foot,
                heading,
                billboards.bush(int(rng.integers(6))),
                rng.uniform(0.7, 2.2),
                bool(rng.random() < 0.5),
                (0.0, 1.0),
            )
        # The edge of a wood, far enough away to stand behind all else.
        for s in site.along((5, 9)):
            if np.sin(0.013 * s + 2 * side) > -0.2:
                foot, heading = site.foot(s, site.beside(s, side, rng.uniform(38, 60)))
                yield Billboard(
                    foot,
                    heading,
                    billboards.tree(int(rng.integers(8))),
                    rng.uniform(11, 17),
                    bool(rng.random() < 0.5),
                )
        for s in site.along((130, 260), 60.0):
            foot, heading = site.foot(s, site.beside(s, side, rng.uniform(16, 30)))
            variant = int(rng.integers(24))
            yield Building(
                foot,
                heading + rng.uniform(-0.4, 0.4),
                5 * BAY,
                9.0,
                2 * STOREY,
                facades.facade(variant, 2, 5, False, light.lamps),
                facades.facade(variant, 2, 3, False, light.lamps),
                gable=3.0,
            )


def _delineators(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield posts along a country road, signs and telegraph poles."""
    rng = site.rng
    for s in site.along((24.9, 25.1), 12.0):
        for side in (-1.0, 1.0):
            foot, heading = site.foot(s, site.beside(s, side, 0.75))
            yield Post(foot, heading, 0.95, 0.11, albedo=(0.6, 0.6, 0.58))
    for s in site.along((60, 110), 40.0):
        foot, heading = site.foot(s, site.beside(s, -1.0, 1.4))
        yield Post(foot, heading, 2.5, 0.08, plate=0.8, sign=str(rng.choice(('limit', 'warning'))))
    side = float(rng.choice((-1.0, 1.0)))
    for s in site.along((38, 44), 20.0):
        foot, heading = site.foot(s, site.beside(s, side, 5.0))
        yield Post(foot, heading, 7.5, 0.22, albedo=(0.10, 0.08, 0.06))


def _fences(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield wooden fences along fields, and guard rails outside sharp bends."""
    rng = site.rng
    for side in (-1.0, 1.0):
        for start in site.along((70, 130), rng.uniform(10, 40)):
            off, kind = rng.uniform(2.2, 3.5), str(rng.choice(('planks', 'planks', 'wall')))
            variant = int(rng.integers(4))
            for k in range(int(rng.integers(7, 14))):
                yield from _barrier(site, start + 4.0 * k, side, off, kind, variant)
    for s in np.arange(4.0, site.last - 4.0, 4.0):
        bend = float(site.line.curvature(s))
        if abs(bend) > 1 / 260:
            yield from _barrier(site, s, -np.sign(bend), 1.1, 'rail', 0)


def _rails(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    for side, off in ((1.0, 0.6), (-1.0, 1.2)):
        for s in np.arange(4.0, site.last - 4.0, 4.0):
            yield from _barrier(site, s, side, off, 'rail', 0)


def _barrier(
    site: _Site, s: float, side: float, off: float, kind: str, variant: int
) -> Iterator[SceneObject]:
    foot, heading = site.foot(s, site.beside(s, side, off))
    end, _ = site.foot(s + 4.0, site.beside(s + 4.0, side, off))
    yield Barrier(foot, heading, end, kind, variant)


def _guides(site: _Site, scenario: Scenario, light: Light) -> Iterator[SceneObject]:
    """Yield the signs and marker posts of a motorway."""
    rng = site.rng
    for s in site.along((150, 260), 70.0):
        foot, heading = site.foot(s, site.beside(s, -1.0, 2.6))
        yield Post(foot, heading, 4.6, 0.16, sign='guide', plate=2.2)
    for s in site.along((80, 140), 100.0):
        foot, heading = site.foot(s, site.beside(s, -1.0, 2.0))
        yield Post(foot, heading, 3.0, 0.1, sign=str(rng.choice(('limit', 'warning'))), plate=0.9)
    for s in site.along((49.9, 50.1), 20.0):
        for side in (-1.0, 1.0):
            foot, heading = site.foot(s, site.beside(s, side, 0.9))
            yield Post(foot, heading, 0.95, 0.11, albedo=(0.6, 0.6, 0.58))
