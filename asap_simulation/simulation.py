"""A drive frame by frame: the picture, and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road.geometry import RoadGeometry
from asap_ros.road.pose import Pose, pose_from_mounting
from asap_simulation import camera_effects, ground_truth, road_field, shadows
from asap_simulation import ground as ground_picture
from asap_simulation.camera_view import CameraView, GroundView
from asap_simulation.canvas import Canvas
from asap_simulation.light import encode
from asap_simulation.objects import SceneObject
from asap_simulation.sky import Panorama
from asap_simulation.vehicle_motion import INSTANT, velocities
from asap_simulation.world import World

SIGHT = 230.0
"""Metres within which things are drawn."""

CLOSE = 15.0
"""Metres of depth up to which no crest hides anything."""

LAMPS_NEAR = 80.0
"""Metres within which street lamps light what is drawn."""


@dataclass(frozen=True)
class SimulatedCamera:
    """A camera without distortion and where it is mounted: pixels, metres, radians.

    ``f`` is the focal length of both axes; the optical axis meets the picture's centre.
    ``pitch`` > 0 is nose down; ``x`` metres before base_link.
    """

    height: int = 512
    width: int = 1024
    f: float = 1131.0
    up: float = 1.22
    pitch: float = 0.038
    x: float = 1.7

    @classmethod
    def of_size(cls, height: int, width: int) -> SimulatedCamera:
        """Return the default camera with as many pixels; its view is as wide as ever."""
        return cls(height, width, 1131.0 * width / 1024)

    @property
    def centre(self) -> tuple[float, float]:
        """Return the principal point cx, cy."""
        return 0.5 * (self.width - 1), 0.5 * (self.height - 1)

    @property
    def mounting(self) -> Pose:
        """Return the calibrated pose of the optical frame in base_link."""
        return pose_from_mounting(self.up, self.pitch, x=self.x)


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """One frame of a drive and its truth.

    ``time`` seconds since the drive began. ``rgb`` uint8 (H, W, 3). ``mask`` uint8 (H, W) of
    Cityscapes train ids. ``geometry`` as RoadGeometry states it, ``free_space`` float32 (W, 6) as
    truth.free_space does. ``rotation`` (3, 3) and ``position`` (3,) are base_link's in odom,
    ``linear`` (m/s) and ``angular`` (rad/s) its velocities in base_link. ``view`` is the camera
    as it really was.
    """

    time: float
    rgb: np.ndarray
    mask: np.ndarray
    geometry: RoadGeometry
    free_space: np.ndarray
    rotation: np.ndarray
    position: np.ndarray
    linear: np.ndarray
    angular: np.ndarray
    view: CameraView


class Simulation:
    """Renders the frames of a world through a lens, each by itself and always alike."""

    def __init__(self, world: World, lens: SimulatedCamera, seed: int):
        """Prepare what all frames share; ``seed`` is that of the noise."""
        self.world, self.lens, self._seed = world, lens, seed
        self._panorama = Panorama(world.light, seed)
        self._feet = np.array([thing.foot for thing in world.things]).reshape(-1, 3)
        self._reach = np.array([thing.reach for thing in world.things])

    def view(self, time: float) -> tuple[CameraView, tuple[np.ndarray, np.ndarray]]:
        """Return the camera at a time, and the rotation and position of base_link."""
        rotation, position = self.world.motion.pose(time, self.world.terrain)
        turn, shift = self.world.motion.sway(time)
        mount, lens = self.lens.mounting, self.lens
        cx, cy = lens.centre
        return CameraView(
            lens.f,
            lens.f,
            cx,
            cy,
            lens.width,
            lens.height,
            rotation @ turn @ mount.rotation,
            position + rotation @ (turn @ mount.translation + shift),
        ), (rotation, position)

    def frame(self, number: int, rate: float) -> SimulatedFrame:
        """Return the frame of a number, of ``rate`` frames a second."""
        world, time = self.world, number / rate
        view, base = self.view(time)
        ground = GroundView(view, world.terrain)
        scene, mask = self._scene(view, base, ground, time)
        speed, spin = self._velocities(time)
        rng = np.random.default_rng([self._seed, 77, number])
        rgb = camera_effects.record(scene, view, world.light, speed, spin, rng)
        linear, angular = world.motion.twist(time, world.terrain)
        return SimulatedFrame(
            time=time,
            rgb=rgb,
            mask=mask,
            geometry=ground_truth.road_geometry(world, time, base, view, mask),
            free_space=ground_truth.free_space(mask, ground, base, world.terrain),
            rotation=base[0],
            position=base[1],
            linear=linear,
            angular=angular,
            view=view,
        )

    def _scene(
        self,
        view: CameraView,
        base: tuple[np.ndarray, np.ndarray],
        ground: GroundView,
        time: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture before the camera's own flaws, and its labels."""
        world, height, width = self.world, view.height, view.width
        rgb = np.empty((height, width, 3), np.uint8)
        mask = np.empty((height, width), np.uint8)
        self._panorama.paint(
            view, rgb, mask, height if not world.terrain.level else min(ground.top + 40, height)
        )
        lamps = self._lamps(view)
        canvas = Canvas(view, world.light, rgb, mask, base, lamps)
        things = self._things(view, time)
        s, _ = world.motion.along(time)
        field = road_field.road_field(ground, world.layout, s)
        shade = (
            shadows.shade(canvas, things, world.terrain, ground.top)
            if world.light.casts_shadows
            else np.zeros(field.edge.shape, np.float32)
        )
        below = shadows.contact(canvas, things, ground.top)
        forward = np.stack([base[1][:2], base[0][:2, 0]])
        colour = ground_picture.picture(
            ground, field, world.layout, world.light, shade, lamps, forward
        )
        colour *= 1 - below
        picture = np.dstack([encode(plane) for plane in colour])
        seen = ground.is_ground
        mask[ground.top :][seen] = ground_picture.labels(ground, field, world.layout)[seen]
        np.copyto(rgb[ground.top :], picture, where=seen[..., None])
        for thing in things:
            if world.terrain.level:
                thing.draw(canvas)
            else:
                _draw_behind_hills(thing, canvas, ground)
        return rgb, mask

    def _lamps(self, view: CameraView) -> np.ndarray:
        lamps = self.world.lamps
        away = np.hypot(lamps[:, 0] - view.position[0], lamps[:, 1] - view.position[1])
        return lamps[away < LAMPS_NEAR]

    def _things(self, view: CameraView, time: float) -> list[SceneObject]:
        """Return what may be seen or throw a shadow into sight, the farthest first."""
        world = self.world
        ahead = (self._feet - view.position) @ view.rotation[:, 2]
        near = (ahead > -12 - self._reach) & (ahead < SIGHT)
        chosen = [world.things[i] for i in np.flatnonzero(near)]
        for mover in world.moving:
            thing = mover.at(time, world.layout, world.motion, world.terrain)
            depth = (thing.foot - view.position) @ view.rotation[:, 2]
            if -6 < depth < SIGHT:
                chosen.append(thing)
        return sorted(
            chosen,
            key=lambda thing: thing.half_length - np.hypot(*(thing.foot - view.position)[:2]),
        )

    def _velocities(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the camera's speed and spin (3,) in its optical frame."""
        (before, _), (after, _) = self.view(time - INSTANT), self.view(time + INSTANT)
        middle = 0.5 * (before.rotation + after.rotation)
        return velocities(
            middle, after.rotation - before.rotation, after.position - before.position
        )


def _draw_behind_hills(thing: SceneObject, canvas: Canvas, ground: GroundView) -> None:
    """Draw a thing, but for what of it lies behind ground that is nearer to the camera."""
    view = canvas.view
    (u,), (v,), (depth,) = view.project(thing.foot[None])
    if depth < CLOSE:
        thing.draw(canvas)
        return
    half = 1.5 * view.fx * thing.reach / (depth - 0.5 * CLOSE) + 4
    left, right = (int(np.clip(edge, 0, view.width)) for edge in (u - half, u + half))
    # How far down the nearest part of it can stand, seen from three metres above or less.
    low = v + view.fy * 3.0 * thing.reach / depth**2 + 4
    bottom = int(np.clip(low, ground.top, view.height))
    box = (slice(ground.top, bottom), slice(left, right))
    before = canvas.rgb[box].copy(), canvas.label[box].copy()
    thing.draw(canvas)
    hidden = ground.depth[: bottom - ground.top, left:right] < depth - thing.reach - 0.5
    canvas.rgb[box][hidden], canvas.label[box][hidden] = (b[hidden] for b in before)
