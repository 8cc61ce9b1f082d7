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
    fit_road,
    inflate_covariance,
    shows_crest,
)
from asap_ros.road.corridor import corridor_geometry, is_unsure_ahead
from asap_ros.road.edge_detection import Edges, find_edges
from asap_ros.road.edge_projection import EdgePixels, edge_points
from asap_ros.road.fit_quality import FitQuality, assess_fit
from asap_ros.road.free_space import FreeSpace, find_contacts, hood_rows, project_to_ground
from asap_ros.road.geometry import RoadGeometry, Status, invalid
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera
from asap_ros.road.systematic_error import (
    SystematicErrors,
    network_error,
    systematic_errors,
)
from asap_ros.road.tracker import EgoMotion, Track, Tracker

TRACKED_WIDTH_SIGMA = 1.5
"""Metres about the tracked width within which a single frame's width is expected."""

CREST_SIGMA = 1e-3
"""1/m: crests and dips of roads have radii of a kilometre and more, of streets less."""

LONE_PITCH_SIGMA = 0.005
"""Radians that the pitch is expected to swing by where only one edge is seen, which says
nothing of it."""

EVEN = 0.005
"""Width change per metre (m/m) on ordinary roads; it cannot be told from a pitch."""


@dataclass(frozen=True, eq=False)
class Road:
    """All that is known of the road in one frame; ``mask`` and ``space`` share a pixel grid.

    ``camera`` is the calibrated one; that of ``space`` is turned by the pitch that was found.
    ``camera``, ``space`` and ``edges`` are None where the camera is unknown, and ``fault`` then
    says why; ``fit`` is the frame's own fit before tracking, None where there was none.
    """

    geometry: RoadGeometry
    mask: np.ndarray
    camera: Camera | None = None
    space: FreeSpace | None = None
    edges: Edges | None = None
    fit: Fit | None = None
    fault: str = ''


class RoadModel:
    """Free space and corridor of a stream of frames; keeps the tracker and a camera's tables."""

    def __init__(self, labels: LabelSet, options: RoadOptions | None = None):
        """Start without a road; ``labels`` says what masks' classes are, None is the defaults."""
        self.labels = labels
        self.options = options if options is not None else RoadOptions()
        self.tracker = Tracker()
        self._errors = SystematicErrors(np.empty((0, 6)), np.empty((0, 1)), np.empty((0, 1)))
        self._hood: tuple[tuple[int, int], np.ndarray] | None = None
        self._grid: grids.GridTable | None = None

    def analyse(self, frame: LabelledFrame, time: float, motion: EgoMotion | None = None) -> Road:
        """Return free space and corridor of a frame.

        ``time`` is the frame's stamp in seconds, ``motion`` the vehicle's since the last call,
        None where it is not known.
        """
        options, camera = self.options, frame.camera
        columns = find_contacts(frame, self.labels, options, self._hood_of(frame.mask.shape))
        edges = find_edges(columns, frame, self.labels, options)
        points = edge_points(edges)
        prior = self._prior(points)
        fit = fit_road(camera, points, prior)
        if fit is not None and shows_crest(fit):
            fit = fit_road(camera, points, prior, CREST_SIGMA, start=fit)
        quality = assess_fit(
            fit, edges, columns, camera, options, self.tracker.mount_pitch, self.tracker.bounce
        )
        usable = fit if quality.reliable else None
        if usable is not None and frame.confidence is not None:
            usable = inflate_covariance(usable, network_error(usable, prior))
        track = self.tracker.step(time, motion, usable, bool(quality.status & Status.WIDTH_JUMP))
        if track is None:
            geometry = invalid(quality.status)
        else:
            if track.coasting or fit is None:
                quality = FitQuality(np.empty(0), quality.status | Status.COASTING, True)
                self._errors = self._errors.moved(motion.distance if motion else 0.0)
            else:
                self._errors = systematic_errors(track.parameters, camera, options, fit, prior)
            geometry = corridor_geometry(
                track, self._errors, quality, columns, frame, self.labels, options
            )
        pitch, sigma = self._pitch(track, camera)
        space = project_to_ground(columns, camera.pitched(pitch), options, sigma, quality.crest)
        if not geometry.valid and is_unsure_ahead(space):
            geometry = invalid(geometry.status | Status.LOW_CONFIDENCE)
        return Road(geometry, frame.mask, camera, space, edges, fit)

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
        if road.space is None or road.camera is None:
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
