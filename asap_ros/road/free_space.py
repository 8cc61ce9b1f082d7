"""Where the road is free: in each image column, from the hood up to what blocks it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera

_LINE = np.ones((3, 1), np.uint8)
_SQUARE = np.ones((3, 3), np.uint8)

PITCH_MARGIN = 0.01
"""Radians above the calibrated horizon from which the ground may be seen. A nose that is further
down sees it from higher up still, but that is beyond any range that is told."""

UNKNOWN, FREE, BLOCKED = 0, 1, 2
"""What is known of a column: nothing, that it is free to range_max, that a class blocks it."""

DOUBT = 0.5
"""Share of the bend of the ground, as it was fitted, that ranges may be wrong by: it is no
parabola."""

BOUNDARY_FIELDS = ('x', 'y', 'z', 'class', 'range_sigma', 'confidence')
"""What ``boundary_points`` says of each point, in its order."""


@dataclass(frozen=True, eq=False)
class ColumnContacts:
    """What each column of a mask shows from the hood up; nothing of it is in metres.

    ``free`` uint8 (H, W): 1 where the road is drivable and joined to the ground before the
    vehicle. By column, all (W,): ``start`` the lowest row that is looked at; ``contact`` the
    first row above it that is not free, -1 where there is none; ``met`` the class there, and
    ``confidence`` 0 to 1, of that label, 1 where none was given. ``ahead``: the first and the last
    column that the vehicle's width covers where the ground ahead is first seen, (0, -1) for none.
    """

    free: np.ndarray
    start: np.ndarray
    contact: np.ndarray
    met: np.ndarray
    confidence: np.ndarray
    ahead: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """The free space of ``columns`` as ``camera`` places it on the ground.

    By column, all (W,): ``state`` UNKNOWN, FREE or BLOCKED; ``blocker`` the class at the contact
    (255 where not BLOCKED); ``x``, ``y`` in base_link and ``sigma`` in metres of the contact's
    foot, ``sigma`` being that of the range from the camera's foot, NaN where the foot is not on
    the ground within range_max. The ground falls away by crest x^2 / 2, ``crest`` in 1/m.
    """

    camera: Camera
    columns: ColumnContacts
    state: np.ndarray
    blocker: np.ndarray
    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray
    crest: float

    def ground_z(self, x: np.ndarray) -> np.ndarray:
        """Return the height of the ground at x of base_link, metres."""
        return -0.5 * self.crest * x * x

    @property
    def free(self) -> np.ndarray:
        """Where the road is free, uint8 (H, W)."""
        return self.columns.free

    @property
    def start(self) -> np.ndarray:
        """The lowest row of each column that is looked at (W,)."""
        return self.columns.start

    @property
    def contact(self) -> np.ndarray:
        """The first row of each column that is not free (W,), -1 where there is none."""
        return self.columns.contact


def hood_rows(width: int, height: int, options: RoadOptions) -> np.ndarray:
    """Return the lowest row of each column that does not show the vehicle, int (width,).

    It is -1 where the hood fills the whole column.
    """
    hood = np.zeros((height, width), np.uint8)
    hood[height - int(np.ceil(options.hood_fraction * height)) :] = 1
    if options.hood_polygon:
        corners = np.array(options.hood_polygon, float) * (width, height) - 0.5
        # Sixteenths of a pixel, as fillPoly rounds whole ones.
        cv2.fillPoly(hood, [np.rint(corners * 16).astype(np.int32)], 1, shift=4)
    first = np.argmax(hood, axis=0)
    return np.where(hood.any(axis=0), first - 1, height - 1)


def drivable(mask: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Return the drivable classes as uint8 0/1 with specks of either kind removed.

    Drivable islands thinner than 3 pixels go. Holes are filled only where they are thinner
    than 3 pixels both across and along: a distant post is narrow but tall, and must stay.
    """
    # Nobody living or moving is a speck, however far away.
    speck = ~labels.is_role(Role.VULNERABLE, Role.MOVABLE)
    bits: np.ndarray = cv2.LUT(mask, (labels.is_role(Role.DRIVABLE) + 2 * speck).astype(np.uint8))
    raw = bits & 1
    across: np.ndarray = cv2.morphologyEx(raw, cv2.MORPH_CLOSE, _LINE)
    along: np.ndarray = cv2.morphologyEx(raw, cv2.MORPH_CLOSE, _LINE.T)
    return cv2.morphologyEx(across & along & (bits >> 1), cv2.MORPH_OPEN, _SQUARE)


def find_free_space(
    frame: LabelledFrame, labels: LabelSet, options: RoadOptions, hood: np.ndarray
) -> FreeSpace:
    """Return the free space of a frame; ``hood`` as ``hood_rows`` returns it."""
    columns = find_contacts(frame, labels, options, hood)
    return project_to_ground(columns, frame.camera, options, options.pitch_sigma)


def find_contacts(
    frame: LabelledFrame, labels: LabelSet, options: RoadOptions, hood: np.ndarray
) -> ColumnContacts:
    """Return what the columns of a mask show; arguments as for ``find_free_space``.

    Of the camera it matters only where about the ground begins.
    """
    mask, confidence, camera = frame.mask, frame.confidence, frame.camera
    height, width = mask.shape
    columns = np.arange(width)
    horizon = camera.horizon(columns).min() - PITCH_MARGIN * camera.fy
    top = int(np.clip(np.floor(horizon), 0, height - 1))
    bottom = int(np.clip(hood.max() + 1, top + 1, height))
    below = mask[top:bottom]
    if confidence is not None and options.min_confidence > 0:
        unsure = confidence[top:bottom] < options.min_confidence
        below = np.where(unsure, np.uint8(IGNORED), below)
    road = drivable(np.ascontiguousarray(below), labels)
    if hood.min() < bottom - 1:
        road[np.arange(top, bottom)[:, None] > hood] = 0
    # Columns as rows, lowest pixel first: what follows walks up columns in contiguous memory.
    classes = cv2.rotate(below, cv2.ROTATE_90_CLOCKWISE)
    start = _first_from(classes != IGNORED, np.clip(bottom - 1 - hood, 0, bottom - top))
    lowest = np.where(start < bottom - top, bottom - 1 - start, -1)
    ahead = _columns_ahead(lowest, camera, options)
    seeds = ahead if camera.looks_ahead else _columns_along_axis(lowest, camera, options)
    free = _fill(road, lowest - top, seeds)
    contact = _first_from(cv2.rotate(free, cv2.ROTATE_90_CLOCKWISE) == 0, start)
    last = bottom - top - 1
    blocker = classes[columns, np.minimum(contact, last)]
    # A drivable speck that was removed is not what blocks: ask the pixels above it.
    is_drivable = labels.is_role(Role.DRIVABLE)
    for above in (1, 2, 3):
        higher = classes[columns, np.minimum(contact + above, last)]
        blocker = np.where(is_drivable[blocker], higher, blocker)
    # Road that is joined to no ground that the vehicle can reach is no obstacle: it is unknown.
    blocker = np.where(is_drivable[blocker], np.uint8(IGNORED), blocker)
    whole = np.zeros((height, width), np.uint8)
    whole[top:bottom] = free
    contact = np.where(contact <= last, bottom - 1 - contact, -1)
    belief = np.ones(width, np.float32)
    if confidence is not None:
        belief = confidence[np.maximum(contact, 0), columns].astype(np.float32) / 255
    return ColumnContacts(whole, lowest, contact, blocker, belief, ahead)


def _first_from(flags: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Return for each row of flags (rows, n) the first true one at or after ``begin``, else n.

    ``flags`` is changed.
    """
    count = flags.shape[1]
    inside = begin[begin < count]
    reach = int(inside.max()) if len(inside) else 0
    flags[:, :reach] &= np.arange(reach) >= begin[:, None]
    return np.where(flags.any(axis=1) & (begin < count), flags.argmax(axis=1), count)


def _columns_ahead(start: np.ndarray, camera: Camera, options: RoadOptions) -> tuple[int, int]:
    """Return the columns that the vehicle's width covers where the ground is first seen.

    ``start`` (W,) as in ``ColumnContacts``. A camera that does not look ahead sees none.
    """
    if not camera.looks_ahead:
        return 0, -1
    _, y = camera.ground(np.arange(len(start)), start)
    return _span(np.abs(y) <= 0.5 * options.vehicle_width)


def _columns_along_axis(
    start: np.ndarray, camera: Camera, options: RoadOptions
) -> tuple[int, int]:
    """Return the columns within the vehicle's width about the way that the camera looks.

    The ground beside and behind the vehicle is joined to it as the ground ahead is.
    """
    x, y = camera.ground(np.arange(len(start)), start)
    along = camera.rotation[:2, 2] / np.hypot(*camera.rotation[:2, 2])
    x, y = x - camera.translation[0], y - camera.translation[1]
    return _span(np.abs(along[0] * y - along[1] * x) <= 0.5 * options.vehicle_width)


def _span(inside: np.ndarray) -> tuple[int, int]:
    """Return the first and the last column of ``inside`` bool (W,), (0, -1) for none."""
    columns = np.flatnonzero(inside)
    return (int(columns[0]), int(columns[-1])) if len(columns) else (0, -1)


def _fill(road: np.ndarray, start: np.ndarray, ahead: tuple[int, int]) -> np.ndarray:
    """Return what of ``road`` is joined to the ground just before the vehicle, uint8 0/1."""
    columns = np.arange(ahead[0], ahead[1] + 1)
    columns = columns[start[columns] >= 0]
    seeds, reached = start[columns], road.copy()
    while (left := np.flatnonzero(reached[seeds, columns] == 1)).size:
        cv2.floodFill(reached, None, (int(columns[left[0]]), int(seeds[left[0]])), 2)
    return (reached == 2).view(np.uint8)


def project_to_ground(
    columns: ColumnContacts,
    camera: Camera,
    options: RoadOptions,
    pitch_sigma: float,
    crest: float = 0.0,
) -> FreeSpace:
    """Return columns placed on the ground; ``pitch_sigma`` is that of the camera's, radians.

    Where the ground bends away by ``crest`` (1/m) what stands on it is nearer or farther by some
    crest r^3 / (2 h) than on the plane; the sigma counts a share of that.
    """
    u, contact = np.arange(len(columns.contact)), columns.contact
    horizon = camera.horizon(u)
    # The foot is the edge between the last free pixel and the one that blocks.
    x, y = camera.ground(u, contact + 0.5, crest)
    distance = np.hypot(x - camera.translation[0], y - camera.translation[1])
    near = (contact >= 0) & (contact + 0.5 > horizon) & (distance <= options.range_max)
    state = np.where(near, np.where(columns.met == IGNORED, UNKNOWN, BLOCKED), FREE)
    seen = columns.start > np.maximum(horizon, -1)
    state[~seen] = UNKNOWN
    near &= seen
    x, y = np.where(near, x, np.nan), np.where(near, y, np.nan)
    sigma = np.hypot(
        camera.range_sigma(x, y, options.row_sigma, pitch_sigma, options.height_sigma),
        DOUBT * 0.5 * crest * np.where(near, distance, np.nan) ** 3 / camera.translation[2],
    )
    return FreeSpace(
        camera=camera,
        columns=columns,
        state=state.astype(np.uint8),
        blocker=np.where(state == BLOCKED, columns.met, IGNORED).astype(np.uint8),
        x=x,
        y=y,
        sigma=sigma,
        crest=crest,
    )


def boundary_points(space: FreeSpace) -> np.ndarray:
    """Return float32 (n, 6): BOUNDARY_FIELDS, places in base_link."""
    at = space.state == BLOCKED
    x = space.x[at]
    return np.stack(
        [
            x,
            space.y[at],
            space.ground_z(x),
            space.blocker[at],
            space.sigma[at],
            space.columns.confidence[at],
        ],
        axis=1,
    ).astype(np.float32)
