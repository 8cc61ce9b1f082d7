"""Free space in the shapes that planners read: polar scan, occupancy grid, ground points."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road.free_space import BLOCKED, FREE, UNKNOWN, FreeSpace
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera

GRID_FREE, GRID_BOUNDARY, GRID_UNKNOWN = 0, 100, -1

BLOCK = 64
"""Rows that are worked on together: what is computed of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A polar scan about ``origin`` (x, y in base_link, metres) with base_link's axes.

    ``ranges`` float32 (n,) metres at ``angle_min + i * angle_increment`` (radians, to the left
    positive): NaN unknown, +inf free to ``range_max``. ``classes`` uint8 (n,): what blocks, 255
    where the range is not finite. Nothing nearer than ``range_min`` is in view.
    """

    origin: tuple[float, float]
    angle_min: float
    angle_increment: float
    range_min: float
    range_max: float
    ranges: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Grid:
    """Occupancy int8 (rows along y, columns along x): 0 free, 100 boundary, -1 unseen or behind.

    ``origin`` is the outer corner of cell (0, 0) in base_link, metres: smallest x and y.
    """

    origin: tuple[float, float]
    resolution: float
    cells: np.ndarray


def camera_foot(camera: Camera) -> tuple[float, float]:
    """Return the point of the ground below the camera, x and y in base_link."""
    return float(camera.translation[0]), float(camera.translation[1])


def polar_scan(
    space: FreeSpace, options: RoadOptions, origin: tuple[float, float] | None = None
) -> Scan:
    """Return the nearest thing in each angle bin, as seen from ``origin`` (the camera's foot).

    Where what is nearest in a bin is unknown, so is the bin; a bin that no column reaches is
    unknown too. Rays leave from the camera, so an origin elsewhere leaves bins behind
    obstacles' flanks unknown.
    """
    camera = space.camera
    origin = camera_foot(camera) if origin is None else origin
    half = int(options.scan_half_angle / options.scan_increment)
    x, y, known = space.x, space.y, space.state != UNKNOWN
    open_ = space.state == FREE
    if open_.any():
        columns = np.flatnonzero(open_)
        ray = camera.rays(columns, camera.horizon(columns))
        reach = options.range_max / np.hypot(ray[:, 0], ray[:, 1])
        x, y = x.copy(), y.copy()
        x[columns] = camera.translation[0] + reach * ray[:, 0]
        y[columns] = camera.translation[1] + reach * ray[:, 1]
    dx, dy = x - origin[0], y - origin[1]
    distance = np.where(open_, np.inf, np.hypot(dx, dy))
    at = np.rint(np.arctan2(dy, dx) / options.scan_increment) + half
    usable = np.flatnonzero(np.isfinite(at) & (at >= 0) & (at <= 2 * half))
    usable = usable[np.argsort(-distance[usable], kind='stable')]
    at = at[usable].astype(int)
    ranges = np.full(2 * half + 1, np.nan, np.float32)
    classes = np.full(2 * half + 1, IGNORED, np.uint8)
    # Farthest first, so that the nearest is what stays.
    ranges[at] = np.where(known[usable], distance[usable], np.nan)
    classes[at] = space.blocker[usable]
    # The view begins at the lower edge of a column's first pixel, where the foot of what touches
    # the bumper is placed as well. From an origin beside the camera something may be nearer still.
    seen = np.flatnonzero(space.start >= 0)
    near_x, near_y = camera.ground(seen, space.start[seen] + 0.5)
    nearest = np.append(np.hypot(near_x - origin[0], near_y - origin[1]), ranges)
    nearest = nearest[np.isfinite(nearest)].astype(np.float32)
    return Scan(
        origin=origin,
        angle_min=-half * options.scan_increment,
        angle_increment=options.scan_increment,
        range_min=float(nearest.min()) if len(nearest) else options.range_max,
        range_max=options.range_max,
        ranges=ranges,
        classes=classes,
    )


def unknown_scan(options: RoadOptions, origin: tuple[float, float] = (0.0, 0.0)) -> Scan:
    """Return the scan of a frame of which nothing is known: the same bins, all NaN."""
    half = int(options.scan_half_angle / options.scan_increment)
    return Scan(
        origin=origin,
        angle_min=-half * options.scan_increment,
        angle_increment=options.scan_increment,
        range_min=0.0,
        range_max=options.range_max,
        ranges=np.full(2 * half + 1, np.nan, np.float32),
        classes=np.full(2 * half + 1, IGNORED, np.uint8),
    )


@dataclass(frozen=True, eq=False)
class GridTable:
    """Where the cells of a grid are in a camera's image; made once for a camera.

    ``cell`` flat indices of the cells in view, (n,); ``column`` of each cell's centre;
    ``far``, ``near`` the rows of its farthest and nearest corner.
    """

    camera: Camera
    origin: tuple[float, float]
    resolution: float
    shape: tuple[int, int]
    cell: np.ndarray
    column: np.ndarray
    far: np.ndarray
    near: np.ndarray


def _square(options: RoadOptions) -> tuple[int, tuple[float, float]]:
    """Return the cells along a side of the grid and its origin."""
    count = round(options.grid_size / options.grid_resolution)
    return count, (-options.grid_behind, -0.5 * count * options.grid_resolution)


def unknown_grid(options: RoadOptions) -> Grid:
    """Return the grid of a frame of which nothing is known: the same cells, all -1."""
    count, origin = _square(options)
    return Grid(origin, options.grid_resolution, np.full((count, count), GRID_UNKNOWN, np.int8))


def grid_table(camera: Camera, options: RoadOptions) -> GridTable:
    """Return the table of ``occupancy_grid`` for a camera."""
    step = options.grid_resolution
    count, origin = _square(options)
    x = origin[0] + step * (np.arange(count) + 0.5)
    y = origin[1] + step * (np.arange(count) + 0.5)
    x, y = (a.ravel() for a in np.meshgrid(x, y))
    u, v = camera.project(x, y)
    distance = np.hypot(x - camera.translation[0], y - camera.translation[1])
    seen = np.flatnonzero(
        (np.abs(u - (camera.width - 1) / 2) < camera.width / 2)
        & (v > 0)
        & (v < camera.height)
        & (distance <= options.range_max)
    )
    corners = [
        camera.project(x[seen] + a * step / 2, y[seen] + b * step / 2)[1]
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    return GridTable(
        camera=camera,
        origin=origin,
        resolution=step,
        shape=(count, count),
        cell=seen,
        column=np.rint(u[seen]).astype(np.int32),
        far=np.min(corners, axis=0).astype(np.float32),
        near=np.max(corners, axis=0).astype(np.float32),
    )


def occupancy_grid(space: FreeSpace, table: GridTable) -> Grid:
    """Return the grid of free space: each cell in view asks its own column of the image.

    A cell is free when all of it lies before what blocks its column, boundary when it holds
    the foot of that, and unknown behind it, under the hood and out of view. The camera of
    ``space`` may be pitched against that of ``table`` by a few degrees.
    """
    has_foot = np.isfinite(space.x)
    source, (foot, start) = _rows_in(
        table.camera, space.camera, np.stack([space.contact, space.start]) + 0.5
    )
    if space.crest:
        # The rows at which the feet would be seen if the ground did not bend.
        foot = table.camera.project(space.x, space.y)[1]
    foot = np.where(has_foot, foot, -np.inf).astype(np.float32)
    # A column that is unknown from the start up has nothing free in it.
    foot[(space.state == UNKNOWN) & ~has_foot] = np.inf
    foot, start = foot[source], start.astype(np.float32)[source]
    beyond = np.where((space.state == BLOCKED)[source], foot - 1, np.float32(np.inf))
    before = table.far >= foot.take(table.column)
    free = before & (table.near <= start.take(table.column))
    boundary = ~before & (table.near > beyond.take(table.column))
    cells = np.full(table.shape, GRID_UNKNOWN, np.int8)
    # A cell is free or boundary or neither.
    cells.reshape(-1)[table.cell] = (
        GRID_UNKNOWN
        + free.view(np.int8) * np.int8(GRID_FREE - GRID_UNKNOWN)
        + boundary.view(np.int8) * np.int8(GRID_BOUNDARY - GRID_UNKNOWN)
    )
    # Posts are thinner than a cell: every foot counts, not only those at cells' centres.
    at = np.flatnonzero(space.state == BLOCKED)
    column = np.floor((space.x[at] - table.origin[0]) / table.resolution).astype(int)
    row = np.floor((space.y[at] - table.origin[1]) / table.resolution).astype(int)
    inside = (column >= 0) & (column < table.shape[1]) & (row >= 0) & (row < table.shape[0])
    cells[row[inside], column[inside]] = GRID_BOUNDARY
    return Grid(table.origin, table.resolution, cells)


def _rows_in(camera: Camera, other: Camera, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where ``camera`` sees what ``other`` sees at rows v (n, W) of each of its columns.

    The two differ by a small turn about their one place. First which of ``other``'s columns
    each column of ``camera`` shows, by the first of the rows; then the rows (n, W), by
    ``other``'s columns.
    """
    columns = np.arange(v.shape[1])
    if camera is other:
        return columns, v
    ray = other.rays(columns, v) @ camera.rotation
    u = camera.cx + camera.fx * ray[0, :, 0] / ray[0, :, 2]
    source = np.clip(np.rint(2 * columns - u), 0, len(columns) - 1).astype(int)
    return source, camera.cy + camera.fy * ray[..., 1] / ray[..., 2]


def ground_points(
    space: FreeSpace, mask: np.ndarray, labels: LabelSet, options: RoadOptions, hood: np.ndarray
) -> np.ndarray:
    """Return the mask's pixels on the ground in base_link, float32 (H, W, 3).

    z is 0 but where the ground was seen to bend.
    NaN off the ground: all but drivable and pavement classes, of which only the foot (the
    contact of a column) is on it; and NaN above the horizon, beyond range_max and below the
    hood's outline ``hood`` (W,).
    """
    camera, (height, width) = space.camera, mask.shape
    farthest = np.ceil(camera.row_at_range(np.arange(width), options.range_max))
    farthest = np.clip(farthest, 0, height).astype(int)
    top = min(int(farthest.min()), height - 1)
    shown = labels.is_role(Role.DRIVABLE, Role.PAVEMENT).astype(np.uint8)
    flat: np.ndarray = cv2.LUT(mask[top:], shown)
    columns = np.flatnonzero(space.state == BLOCKED)
    columns = columns[space.contact[columns] >= top]
    flat[space.contact[columns] - top, columns] = 1
    rows = np.arange(top, height)[:, None]
    ends, begins = int(farthest.max()) - top, max(int(hood.min()) + 1 - top, 0)
    flat[:ends] &= rows[:ends] >= farthest
    flat[begins:] &= rows[begins:] <= hood
    k = np.array(
        [
            [1 / camera.fx, 0, -camera.cx / camera.fx],
            [0, 1 / camera.fy, -camera.cy / camera.fy],
            [0, 0, 1],
        ]
    )
    ray = camera.rotation @ k
    x, y, z = camera.translation.tolist()
    if not space.crest:
        # Pixels of a pinhole and points of a plane are a homography of each other.
        ray = np.stack([z * ray[0] - x * ray[2], z * ray[1] - y * ray[2], -ray[2]])
    by_column = (ray[:, :1] * np.arange(width)).astype(np.float32)
    by_row = (ray[:, 1:2] * np.arange(top, height) + ray[:, 2:]).astype(np.float32)
    points = np.empty((height, width, 3), np.float32)
    points[:top] = np.nan
    for first in range(0, height - top, BLOCK):
        block = slice(first, first + BLOCK)
        on_x, on_y, scale = by_column[:, None] + by_row[:, block, None]
        if space.crest:
            scale = camera.ground_depth(on_x, scale, space.crest)
            far = scale * np.hypot(on_x, on_y) > options.range_max
            scale[far | (flat[block] == 0)] = np.nan
            on_x, on_y = x + scale * on_x, y + scale * on_y
            scale = space.ground_z(on_x)
        else:
            np.copyto(scale, np.nan, where=flat[block] == 0)
            np.reciprocal(scale, out=scale)
            on_x *= scale
            on_y *= scale
            scale *= 0
        cv2.merge([on_x, on_y, scale], points[top:][block])
    return points
