"""The scenarios by name: what kind of road, how it is driven, in what light, among what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from asap_simulation.light import Light

DAY = Light()
OVERCAST = Light(
    sun=(0.10, 0.10, 0.10),
    sky=(1.75, 1.80, 1.86),
    zenith=(0.62, 0.67, 0.74),
    horizon=(1.05, 1.08, 1.12),
    clouds=0.9,
    haze=0.002,
)
EVENING = Light(
    sun_elevation=0.20,
    sun=(4.2, 2.9, 1.7),
    sky=(0.62, 0.66, 0.82),
    zenith=(0.20, 0.32, 0.58),
    horizon=(0.90, 0.70, 0.52),
    haze=0.0022,
    exposure_time=0.007,
    grain=3.0,
)
RAIN = Light(
    sun=(0.0, 0.0, 0.0),
    sky=(1.15, 1.20, 1.28),
    zenith=(0.42, 0.45, 0.50),
    horizon=(0.66, 0.70, 0.75),
    clouds=1.0,
    haze=0.006,
    wet=1.0,
    exposure_time=0.009,
    grain=4.0,
    rain=260,
)
NIGHT = Light(
    sun=(0.0, 0.0, 0.0),
    sky=(0.030, 0.034, 0.048),
    zenith=(0.004, 0.005, 0.011),
    horizon=(0.016, 0.016, 0.024),
    clouds=0.3,
    haze=0.003,
    lamps=True,
    exposure_time=0.016,
    grain=7.0,
)


@dataclass(frozen=True)
class Scenario:
    """What a drive is made of; lengths in metres, rates per 100 m of road, speeds in m/s.

    The road: ``straight``, ``arc`` and ``spiral`` are ranges of lengths, ``radius`` of radii, and
    ``width`` of widths between the edges, which change within that range where it is one.
    ``lanes`` counts lanes of both directions; ``ego`` is where the vehicle drives, in widths to
    the left of the middle; ``one_way`` roads have only lanes of its direction. ``place`` is
    ``city``, ``country`` or ``motorway`` and rules what stands beside the road. ``rise`` is the
    height of crests, ``junctions`` how many streets cross.

    The traffic: ``parked`` is the share of the kerb that is taken; ``oncoming``, ``ahead`` and
    ``lorries``; ``walkers`` and ``cyclists``.

    The camera: ``bounce`` in radians of pitch (deviation), ``weave`` metres to either side.
    ``expected_classes`` of Cityscapes are all seen within a drive.
    """

    name: str
    summary: str
    place: str
    speed: float
    light: Light
    radius: tuple[float, float]
    straight: tuple[float, float]
    arc: tuple[float, float]
    spiral: tuple[float, float]
    width: tuple[float, float]
    lanes: int = 2
    ego: float = -0.25
    one_way: bool = False
    rise: float = 0.0
    wave: float = 300.0
    junctions: int = 0
    trees: float = 6.0
    parked: float = 0.0
    oncoming: float = 1.0
    ahead: bool = True
    lorries: float = 0.15
    walkers: float = 0.0
    cyclists: float = 0.0
    bounce: float = 0.003
    weave: float = 0.15
    expected_classes: frozenset[str] = field(default_factory=frozenset)


_ALWAYS = frozenset({'road', 'sky', 'vegetation', 'car'})
_CITY = _ALWAYS | {'sidewalk', 'building', 'pole', 'traffic_sign', 'person'}
_COUNTRY = _ALWAYS | {'terrain', 'pole', 'traffic_sign', 'fence'}

_TOWN = Scenario(
    'town',
    'a street with kerbs and parked cars',
    'city',
    10.0,
    DAY,
    radius=(90.0, 220.0),
    straight=(40.0, 110.0),
    arc=(25.0, 60.0),
    spiral=(30.0, 45.0),
    width=(10.2, 10.8),
    ego=-0.20,
    trees=7.0,
    parked=0.30,
    oncoming=1.6,
    walkers=6.0,
    cyclists=2.5,
    expected_classes=_CITY,
)

SCENARIOS = {
    s.name: s
    for s in (
        Scenario(
            'highway',
            'three lanes of a motorway with guard rails, wide bends, by day',
            'motorway',
            29.0,
            DAY,
            radius=(600.0, 1800.0),
            straight=(60.0, 200.0),
            arc=(120.0, 300.0),
            spiral=(80.0, 140.0),
            width=(14.2, 14.2),
            lanes=3,
            ego=-0.05,
            one_way=True,
            trees=5.0,
            oncoming=0.0,
            lorries=0.5,
            bounce=0.002,
            expected_classes=_COUNTRY | {'truck'},
        ),
        replace(
            _TOWN,
            name='urban',
            summary='a street with kerbs, parked cars, cyclists and people, by day',
            junctions=1,
            expected_classes=_CITY | {'traffic_light', 'rider', 'bicycle'},
        ),
        Scenario(
            'winding',
            'a country road of bends and S-curves, by day',
            'country',
            16.0,
            DAY,
            radius=(110.0, 240.0),
            straight=(10.0, 40.0),
            arc=(20.0, 60.0),
            spiral=(40.0, 60.0),
            width=(6.4, 7.2),
            trees=10.0,
            expected_classes=_COUNTRY,
        ),
        Scenario(
            'crest',
            'a country road over crests and through dips, overcast',
            'country',
            17.0,
            OVERCAST,
            radius=(500.0, 900.0),
            straight=(60.0, 150.0),
            arc=(30.0, 60.0),
            spiral=(50.0, 70.0),
            width=(6.8, 7.2),
            rise=5.0,
            wave=400.0,
            expected_classes=_COUNTRY,
        ),
        replace(
            _TOWN,
            name='junction',
            summary='a street with crossroads, zebra crossings and traffic lights, overcast',
            light=OVERCAST,
            junctions=4,
            straight=(90.0, 150.0),
            expected_classes=_CITY | {'traffic_light'},
        ),
        replace(
            _TOWN,
            name='night',
            summary='a street under lamps, in the light of headlights',
            light=NIGHT,
            walkers=3.0,
        ),
        Scenario(
            'rain',
            'a country road, wet and in the rain',
            'country',
            15.0,
            RAIN,
            radius=(180.0, 400.0),
            straight=(40.0, 90.0),
            arc=(30.0, 80.0),
            spiral=(45.0, 70.0),
            width=(6.6, 7.4),
            bounce=0.004,
            expected_classes=_COUNTRY,
        ),
        replace(
            _TOWN,
            name='evening',
            summary='a street against a low sun with long shadows',
            light=EVENING,
        ),
    )
}
"""The scenarios by name."""
