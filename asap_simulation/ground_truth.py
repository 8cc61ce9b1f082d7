"""What is true of a frame: the road's geometry as base_link has it, and the free space."""

from __future__ import annotations

import numpy as np

from asap_ros.road.geometry import NO_BLOCKER, RoadGeometry, Status
from asap_simulation.camera_view import CameraView, GroundView
from asap_simulation.ground import ROAD
from asap_simulation.sky import SKY
from asap_simulation.terrain import Terrain
from asap_simulation.world import World

RANGE = 60.0
"""Metres to which the road is told."""

SWATH = 0.9
"""Metres to either side of the middle that must be free."""

STEP = 0.25
"""Metres of arc length between the places at which the view is checked."""


def road_geometry(
    world: World,
    time: float,
    base: tuple[np.ndarray, np.ndarray],
    view: CameraView,
    mask: np.ndarray,
) -> RoadGeometry:
    """Return the road's middle line as it lies before the vehicle; all sigmas are 0.

    Everything comes from the middle line itself, in the plan view of base_link. The view begins
    where the middle comes into the picture and ends where the mask's labels of a swath about it
    are no longer road, where a crest hides it, or after RANGE metres.
    """
    line = world.layout.line
    s0 = arc_length_at_base(world, time, base)
    x, y, heading = line.at(s0)
    placed = (np.array([float(x), float(y), world.terrain.height(float(x))]) - base[1]) @ base[0]
    c, n = np.cos(heading), np.sin(heading)
    forward = base[0].T @ np.array([c, n, c * float(world.terrain.slope(float(x)))])
    start, end, blocker = _view(world, s0, base, view, mask)
    s = np.unique(np.r_[start, np.arange(np.ceil(start), end, 1.0), end])
    zero = np.zeros_like(s)
    axis = base[0].T @ view.rotation[:, 2]  # where the camera looks
    pitch = float(np.arcsin(-axis[2]))
    met = blocker != NO_BLOCKER
    return RoadGeometry(
        valid=True,
        status=Status.OK,
        lateral_offset=float(placed[1]),
        lateral_offset_sigma=0.0,
        heading=float(np.arctan2(forward[1], forward[0])),
        heading_sigma=0.0,
        curvature=float(line.curvature(s0)),
        curvature_sigma=0.0,
        curvature_rate=float(line.curvature_rate(s0)),
        curvature_rate_sigma=0.0,
        width=float(line.width(s0)),
        width_sigma=0.0,
        pitch=pitch,
        pitch_sigma=0.0,
        crest=float(world.terrain.crest(x, heading)),
        covariance=np.zeros((6, 6)),
        s=s,
        curvature_at_s=line.curvature(s0 + s),
        curvature_at_s_sigma=zero,
        lateral_at_s_sigma=zero,
        view_start=start,
        view_end=end,
        blocker_class=blocker,
        blocker_distance=end if met else float('nan'),
        blocker_distance_sigma=0.0 if met else float('nan'),
    )


def arc_length_at_base(world: World, time: float, base: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the arc length at which the middle line crosses x = 0 of base_link."""
    s, _ = world.motion.along(time)
    for _ in range(8):
        x, y, heading = world.layout.line.at(s)
        ahead = base[0][:, 0] @ (
            np.array([float(x), float(y), world.terrain.height(float(x))]) - base[1]
        )
        s -= ahead / float(
            base[0][0, 0] * np.cos(heading)
            + base[0][1, 0] * np.sin(heading)
            + base[0][2, 0] * world.terrain.slope(float(x)) * np.cos(heading)
        )
    return float(s)


def _view(
    world: World,
    s0: float,
    base: tuple[np.ndarray, np.ndarray],
    view: CameraView,
    mask: np.ndarray,
) -> tuple[float, float, int]:
    """Return where the view of the middle begins and ends, and the class that ends it."""
    s = np.arange(0.0, RANGE + STEP / 2, STEP)
    rows_of, columns_of, seen_of = [], [], []
    for d in (0.0, -SWATH / 2, SWATH / 2, -SWATH, SWATH):
        x, y, _ = world.layout.line.offset(s0 + s, d)
        u, v, depth = view.project(np.stack([x, y, world.terrain.height(x)], axis=1))
        inside = (
            (depth > 0.1)
            & (u > -0.5)
            & (u < view.width - 0.5)
            & (v > -0.5)
            & (v < view.height - 0.5)
        )
        # Behind a crest the ground would come down again in the picture.
        lowest = np.minimum.accumulate(np.where(inside, v, np.inf))
        seen_of.append(inside & (v <= lowest + 1e-6))
        columns_of.append(np.rint(np.where(inside, u, 0)).astype(int))
        rows_of.append(np.rint(np.where(inside, v, 0)).astype(int))
    rows, columns, seen = (np.array(a) for a in (rows_of, columns_of, seen_of))
    found = mask[rows, columns]
    blocked = seen & (found != ROAD)
    usable = seen[0] & ~blocked.any(axis=0)
    if not usable.any():
        return 0.0, 0.0, NO_BLOCKER
    first = int(np.argmax(usable))
    ends = ~usable[first:]
    last = first + (int(np.argmax(ends)) if ends.any() else len(ends)) - 1
    blocker = NO_BLOCKER
    if last + 1 < len(s) and blocked[:, last + 1].any():
        blocker = int(found[int(np.argmax(blocked[:, last + 1])), last + 1])
    return float(s[first]), float(s[last]), blocker


def free_space(
    mask: np.ndarray, ground: GroundView, base: tuple[np.ndarray, np.ndarray], terrain: Terrain
) -> np.ndarray:
    """Return float32 (W, 6): x, y, z (base_link), class, range sigma, confidence by column.

    The boundary lies between the last pixel of road above the bottom of the picture and the first
    that is none, where the line of sight through it meets the ground. NaN, with class 255, where
    nothing blocks a column: the road goes on up to the sky, or to where no ground is drawn.
    """
    height, width = mask.shape
    columns = np.arange(width)
    blocked = mask[::-1] != ROAD
    contact = height - 1 - np.argmax(blocked, axis=0)
    points = np.full((width, 6), np.nan, np.float32)
    points[:, 3] = 255
    points[:, 4], points[:, 5] = 0.0, 1.0
    row = contact - ground.top
    below = np.minimum(row + 1, height - 1 - ground.top)
    on_ground = blocked.any(axis=0) & (row >= 0) & (mask[contact, columns] != SKY)
    on_ground[on_ground] = ground.is_ground[below[on_ground], columns[on_ground]]
    at = columns[on_ground]
    edge = ground.view.rays(at, contact[at] + 0.5)
    last = ground.view.rays(at, contact[at] + 1.0)  # the road's last pixel in that column
    depth, met = _depth(edge, ground, below[at], at, terrain)
    # Past the top of a crest the line of sight through the edge goes over the ground.
    rays = np.where(met[:, None], edge, last)
    world = ground.view.position + depth[:, None] * rays
    points[at, :3] = (world - base[1]) @ base[0]
    points[at, 3] = mask[contact[at], at]
    return points


def _depth(
    rays: np.ndarray, ground: GroundView, row: np.ndarray, column: np.ndarray, terrain: Terrain
) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth (n,) at which rays meet the ground near that of a pixel, and if they do.

    Where they do not, the depth is the pixel's.
    """
    position = ground.view.position
    near = ground.depth[row, column].astype(float)
    if terrain.level:
        depth = -position[2] / np.minimum(rays[:, 2], -1e-9)
        met = depth < 2 * near
        return np.where(met, depth, near), met
    depth = near.copy()
    for _ in range(12):
        x = position[0] + depth * rays[:, 0]
        off = position[2] + depth * rays[:, 2] - terrain.height(x)
        slope = rays[:, 2] - terrain.slope(x) * rays[:, 0]
        depth = np.clip(depth - off / np.where(slope < -1e-4, slope, -1e-4), 0.7 * near, 2 * near)
    x = position[0] + depth * rays[:, 0]
    met = np.abs(position[2] + depth * rays[:, 2] - terrain.height(x)) < 1e-3
    return np.where(met, depth, near), met
