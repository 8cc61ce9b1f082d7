"""One call from a label mask to free space and corridor; the state between frames is here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.labels import LabelSet
from asap_ros.road import grids
from asap_ros.road.clothoid import PITCH, WIDTH
from asap_ros.road.clothoid_fit import (
    MIN_POINTS,
    Fit,
    Prior,
    default_prior,
    doubted,
    fit_road,
    is_bent,
)
from asap_ros.road.corridor import describe, is_unsure_ahead
from asap_ros.road.edge_detection import Edges, find_edges
from asap_ros.road.edge_projection import EdgePixels, edge_points
from asap_ros.road.fit_quality import FitQuality, support
from asap_ros.road.free_space import FreeSpace, hood_rows, place, walk_columns
from asap_ros.road.geometry import RoadGeometry, Status, invalid
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera
from asap_ros.road.systematic_error import Departures, departures, of_a_network
from asap_ros.road.tracker import EgoMotion, Track, Tracker

TRACKED_WIDTH_SIGMA = 1.5
"""Metres about the tracked width within which a single frame's width is expected."""

CREST_SIGMA = 1e-3
"""1/m: crests and dips of roads have radii of a kilometre and more, of streets less."""

LONE_PITCH_SIGMA = 0.005
"""Radians that the pitch is expected to swing by where only one edge is seen, which says
nothing of it."""

EVEN = 0.005
"""Metres a metre by which the edges of an ordinary road may part, which looks like a pitch."""


@dataclass(frozen=True, eq=False)
class Road:
    """All that is known of the road in one frame; ``mask`` and ``space`` share a pixel grid.

    ``camera`` is the calibrated one; that of ``space`` is turned by the pitch that was found.
    ``camera``, ``space`` and ``edges`` are None where the camera is unknown; ``fit`` is the
    frame's own fit before tracking, None where there was none.
    """

    geometry: RoadGeometry
    mask: np.ndarray
    camera: Camera | None = None
    space: FreeSpace | None = None
    edges: Edges | None = None
    fit: Fit | None = None


class RoadModel:
    """Free space and corridor of a stream of frames; keeps the tracker and a camera's tables."""

    def __init__(self, labels: LabelSet, options: RoadOptions | None = None):
        """Start without a road; ``labels`` says what masks' classes are, None is the defaults."""
        self.labels = labels
        self.options = options if options is not None else RoadOptions()
        self.tracker = Tracker()
        self._doubts: Departures | None = None
        self._hood: tuple[tuple[int, int], np.ndarray] | None = None
        self._grid: grids.GridTable | None = None

    def analyse(
        self,
        mask: np.ndarray,
        confidence: np.ndarray | None,
        camera: Camera | None,
        time: float,
        motion: EgoMotion | None = None,
        unknown: Status = Status.NO_CALIBRATION,
    ) -> Road:
        """Return free space and corridor of a label mask, uint8 (H, W).

        ``confidence`` uint8 (H, W), or None for labels that no network predicted: they are taken
        for exact. ``camera`` is that of the mask's grid; where it is None, ``unknown`` says why
        (NO_CALIBRATION, NO_TF) and the answer is invalid. ``time`` is the frame's stamp in
        seconds, ``motion`` the vehicle's since the last call. Raises ValueError where the arrays'
        shapes or types do not fit.
        """
        check_frame(mask, confidence, camera)
        if camera is None:
            return Road(invalid(unknown), mask)
        options = self.options
        columns = walk_columns(
            mask, confidence, camera, self.labels, options, self._hood_of(mask.shape)
        )
        edges = find_edges(columns, camera, mask, self.labels, options)
        points = edge_points(edges)
        prior = self._prior(points)
        fit = fit_road(camera, points, prior)
        if fit is not None and is_bent(fit):
            fit = fit_road(camera, points, prior, CREST_SIGMA, start=fit)
        bearing = support(
            fit, edges, columns, camera, options, self.tracker.mount_pitch, self.tracker.bounce
        )
        told = fit if bearing.reliable else None
        if told is not None and confidence is not None:
            told = doubted(told, of_a_network(told, prior))
        track = self.tracker.step(time, motion, told, bool(bearing.status & Status.WIDTH_JUMP))
        if track is None:
            geometry = invalid(bearing.status)
        else:
            if track.coasting:
                bearing = FitQuality(np.empty(0), bearing.status | Status.COASTING, True)
                self._doubts = self._doubts.moved(motion.distance if motion else 0.0)
            else:
                self._doubts = departures(track.parameters, camera, options, fit, prior)
            geometry = describe(
                track.parameters,
                track.covariance,
                self._doubts,
                bearing,
                columns,
                camera,
                mask,
                confidence,
                self.labels,
                options,
            )
        pitch, sigma = self._pitch(track, camera)
        space = place(columns, camera.pitched(pitch), options, sigma, bearing.crest)
        if not geometry.valid and is_unsure_ahead(space):
            geometry = invalid(geometry.status | Status.LOW_CONFIDENCE)
        return Road(geometry, mask, camera, space, edges, fit)

    def _pitch(self, track: Track | None, camera: Camera) -> tuple[float, float]:
        """Return this frame's pitch on top of the calibrated one, and its sigma, radians.

        The mounting's as it was learnt, known to ``pitch_sigma``, together with what the road's
        edges say, as far as these are parallel.
        """
        mounted, trust = self.tracker.mount_pitch, self.options.pitch_sigma
        if track is None:
            return mounted, trust
        parting = EVEN * camera.translation[2] / track.parameters[WIDTH]
        doubt = track.covariance[PITCH, PITCH] + parting**2
        share = trust**2 / (trust**2 + doubt)
        return (
            mounted + share * float(track.parameters[PITCH] - mounted),
            float(np.sqrt(share * doubt)),
        )

    def _prior(self, points: EdgePixels) -> Prior:
        """Return what is believed of this frame's road before its edges are fitted."""
        options, tracker = self.options, self.tracker
        prior = default_prior(
            options.width_prior, options.width_prior_sigma, options.pitch_prior_sigma
        )
        prior.mean[PITCH] = tracker.mount_pitch
        if abs(points.side.sum()) > len(points.side) - MIN_POINTS:
            prior.sigma[PITCH] = min(options.pitch_prior_sigma, LONE_PITCH_SIGMA)
        if tracker.width is not None:
            prior.mean[WIDTH], prior.sigma[WIDTH] = tracker.width, TRACKED_WIDTH_SIGMA
        return prior

    def scan(self, road: Road, origin: tuple[float, float] | None = None) -> grids.Scan | None:
        """Return the polar scan of a frame, None where its camera is unknown."""
        return None if road.space is None else grids.polar_scan(road.space, self.options, origin)

    def grid(self, road: Road) -> grids.Grid | None:
        """Return the occupancy grid of a frame, None where its camera is unknown."""
        if road.space is None:
            return None
        if self._grid is None or self._grid.camera is not road.camera:
            self._grid = grids.grid_table(road.camera, self.options)
        return grids.occupancy_grid(road.space, self._grid)

    def ground_points(self, road: Road) -> np.ndarray | None:
        """Return the organised ground points (H, W, 3), None where the camera is unknown."""
        if road.space is None:
            return None
        return grids.ground_points(
            road.space, road.mask, self.labels, self.options, self._hood_of(road.mask.shape)
        )

    def _hood_of(self, shape: tuple[int, int]) -> np.ndarray:
        if self._hood is None or self._hood[0] != shape:
            self._hood = shape, hood_rows(shape[1], shape[0], self.options)
        return self._hood[1]


def check_frame(mask: np.ndarray, confidence: np.ndarray | None, camera: Camera | None) -> None:
    """Raise ValueError unless mask, confidence and camera are of one grid."""
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        raise ValueError(f'a label mask is uint8 (H, W), not {mask.dtype} {mask.shape}')
    if confidence is not None and (confidence.dtype != np.uint8 or confidence.shape != mask.shape):
        raise ValueError(
            f'confidence is {confidence.dtype} {confidence.shape}, the mask uint8 '
            f'{mask.shape}; resize the confidence to the mask first'
        )
    if camera is not None and mask.shape != (camera.height, camera.width):
        raise ValueError(
            f'the mask is {mask.shape[1]}x{mask.shape[0]}, its camera '
            f'{camera.width}x{camera.height}: build the camera for this size'
        )
