"""What a camera's mounting can tell of a road: errors on rendered roads, and the sigmas stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.labels import LabelSet
from asap_ros.road import clothoid
from asap_ros.road.geometry import RoadGeometry
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera
from asap_ros.road.rendering import render_road
from asap_ros.road.road_model import RoadModel

DISTANCES = (10.0, 20.0, 40.0)
"""Metres ahead of base_link at which the expectation is stated."""

BENDS = (0.0, 1 / 200, -1 / 200)
"""Curvatures of the roads that are rendered, 1/m."""

MAX_OFFSET = 0.5
"""Metres to either side that the vehicle is off the centre of a rendered road."""

REACHED = 0.95
"""Share of a distance that the view must cover: the last edge pixels lie before edge_far."""


@dataclass(frozen=True)
class MountingAccuracy:
    """What to expect at ``distance`` metres; NaN where ``seen`` is 0.

    ``range_sigma`` metres, of where something stands on the ground. ``seen`` is the share of
    roads of which the corridor reaches that far. Of those, ``*_sigma`` is the mean of what the
    model states and ``*_error`` the root mean square of how wrong it is: curvature 1/m, and
    lateral, metres across the road.
    """

    distance: float
    range_sigma: float
    seen: float
    curvature_sigma: float
    curvature_error: float
    lateral_sigma: float
    lateral_error: float


def expected_accuracy(
    camera: Camera,
    labels: LabelSet,
    options: RoadOptions,
    roads: int = 90,
    noise: float = 1.0,
    seed: int = 0,
) -> list[MountingAccuracy]:
    """Return what single frames of ``roads`` rendered roads tell at each of DISTANCES.

    Every edge is moved by ``noise`` pixels of the mask, alike in neighbouring rows. Nothing is
    tracked from frame to frame.
    """
    rng = np.random.default_rng(seed)
    found: dict[float, list[tuple[float, ...]]] = {distance: [] for distance in DISTANCES}
    for number in range(roads):
        truth = np.array(
            [
                rng.uniform(-MAX_OFFSET, MAX_OFFSET),
                0.0,
                BENDS[number % len(BENDS)],
                0.0,
                options.width_prior,
            ]
        )
        mask = render_road(camera, truth, labels, noise, rng)
        road = RoadModel(labels, options).analyse(LabelledFrame(mask, None, camera), 0.0).geometry
        if not road.valid:
            continue
        for distance in DISTANCES:
            if road.view_end >= REACHED * distance:
                found[distance].append(_compare(road, truth, distance))
    return [_summary(camera, options, distance, found[distance], roads) for distance in DISTANCES]


def _compare(road: RoadGeometry, truth: np.ndarray, distance: float) -> tuple[float, ...]:
    """Return curvature sigma and error, lateral sigma and error at an arc length."""
    found = np.array(
        [road.lateral_offset, road.heading, road.curvature, road.curvature_rate, road.width]
    )
    s = np.array([distance])
    there, true = clothoid.evaluate(found, s), clothoid.evaluate(truth, s)
    across = (
        np.cos(true.heading) * (there.y - true.y) - np.sin(true.heading) * (there.x - true.x)
    )[0]
    return (
        float(np.interp(distance, road.s, road.curvature_at_s_sigma)),
        float(clothoid.curvature(found, distance) - clothoid.curvature(truth, distance)),
        float(np.interp(distance, road.s, road.lateral_at_s_sigma)),
        float(across),
    )


def _summary(
    camera: Camera,
    options: RoadOptions,
    distance: float,
    rows: list[tuple[float, ...]],
    roads: int,
) -> MountingAccuracy:
    values = np.array(rows) if rows else np.full((1, 4), np.nan)
    mean, rms = values.mean(axis=0), np.sqrt((values**2).mean(axis=0))
    return MountingAccuracy(
        distance=distance,
        seen=len(rows) / roads,
        range_sigma=float(
            camera.range_sigma(
                distance,
                camera.translation[1],
                options.row_sigma,
                options.pitch_sigma,
                options.height_sigma,
            )
        ),
        curvature_sigma=float(mean[0]),
        curvature_error=float(rms[1]),
        lateral_sigma=float(mean[2]),
        lateral_error=float(rms[3]),
    )
