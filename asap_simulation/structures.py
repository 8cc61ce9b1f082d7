"""What is built beside the road: houses, posts with lamps and signs, rails, fences, walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_simulation import billboards, facades
from asap_simulation.billboards import LIGHT
from asap_simulation.canvas import Canvas, Surface
from asap_simulation.facades import BUILDING, FENCE
from asap_simulation.light import Colour, encode
from asap_simulation.objects import UP, SceneObject

POLE = 5
"""Cityscapes train id."""

FARTHEST = 130.0
"""Metres within which posts and rails are drawn."""

STEEL = (0.20, 0.21, 0.21)
PLANKS = np.array([0.16, 0.11, 0.07])


@dataclass(frozen=True, eq=False)
class Building(SceneObject):
    """A block; its front of ``length`` looks along its y axis. Metres."""

    length: float
    depth: float
    height: float
    front: Surface
    side: Surface
    gable: float = 0.0

    @property
    def reach(self) -> float:
        """Half of its diagonal, metres."""
        return 0.5 * float(np.hypot(self.length, self.depth))

    def _corners(self) -> np.ndarray:
        half = np.array([0.5 * self.length, 0.5 * self.depth, 0.0])
        return (
            self.foot
            + (np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]) * half) @ self.axes
        )

    def draw(self, canvas: Canvas) -> None:
        """Paint the walls turned to the camera, and the roof of a house."""
        corners, tall = self._corners(), np.array([0.0, 0.0, self.height])
        eye = canvas.view.position
        for i in range(4):
            # Seen from outside, counter-clockwise corners run from the left to the right.
            a, b = corners[i - 1], corners[i]
            outward = np.cross(b - a, UP)
            if outward @ (eye - a) > 0:
                canvas.textured(
                    np.stack([a, b, b + tall, a + tall]), self.side if i % 2 else self.front
                )
        if self.gable:
            self._roof(canvas, corners + tall)

    def _roof(self, canvas: Canvas, eaves: np.ndarray) -> None:
        """Paint a pitched roof whose ridge runs along the front."""
        lift = np.array([0.0, 0.0, self.gable])
        ridge = np.stack([0.5 * (eaves[0] + eaves[3]) + lift, 0.5 * (eaves[1] + eaves[2]) + lift])
        tiles, plaster = np.array([0.16, 0.07, 0.05]), np.array([0.40, 0.36, 0.30])
        faces = [
            (np.stack([eaves[0], ridge[0], eaves[3]]), plaster),
            (np.stack([eaves[2], ridge[1], eaves[1]]), plaster),
            (np.stack([eaves[1], ridge[1], ridge[0], eaves[0]]), tiles),
            (np.stack([eaves[3], ridge[0], ridge[1], eaves[2]]), tiles),
        ]
        for points, albedo in faces:
            normal = np.cross(points[1] - points[0], points[2] - points[1])
            normal /= np.linalg.norm(normal)
            outward = points.mean(axis=0) - (self.foot + (0, 0, self.height))
            normal = normal if normal @ outward > 0 else -normal
            if normal @ (canvas.view.position - points[0]) > 0:
                canvas.face(
                    points, canvas.shaded_colour(albedo, points.mean(axis=0), normal), BUILDING
                )

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return its eight corners."""
        base = self._corners() - self.foot
        return [np.concatenate([base, base + (0, 0, self.height + 0.5 * self.gable)])]


@dataclass(frozen=True, eq=False)
class Post(SceneObject):
    """A pole ``height`` metres tall and ``width`` thick, with what it carries.

    ``arm`` metres to its left carry a lamp; ``sign`` is a plate of ``plate`` metres at its top;
    ``signal`` 0 to 2 lights red, amber or green of a traffic light.
    """

    height: float = 6.0
    width: float = 0.14
    arm: float = 0.0
    sign: str = ''
    plate: float = 0.7
    signal: int | None = None
    lit: bool = False
    albedo: Colour = STEEL

    def draw(self, canvas: Canvas) -> None:
        """Paint the pole and what it carries."""
        if canvas.distance(self.foot) > FARTHEST:
            return
        right = np.append(canvas.view.rotation[:2, 0], 0.0)
        right *= 0.5 * self.width / np.linalg.norm(right)
        top = self.foot + self.height * UP
        toward = canvas.view.position - self.foot
        normal = np.append(toward[:2], 0.0) / np.linalg.norm(toward[:2])
        colour = canvas.shaded_colour(self.albedo, self.foot + UP, normal)
        for share, side in ((1.0, 1), (0.62, 0)):
            dim = tuple(int(v * share) for v in colour)
            canvas.face(
                np.stack(
                    [self.foot - right * side, self.foot + right, top + right, top - right * side]
                ),
                dim,
                POLE,
            )
        if self.arm:
            self._lamp(canvas, top, colour)
        if self.sign:
            picture = billboards.plate(self.sign)
            canvas.cut_out(top - self.plate * UP, self.plate, picture, normal=normal)
        if self.signal is not None:
            self._lights(canvas, top, right, normal)

    def _lamp(self, canvas: Canvas, top: np.ndarray, colour: tuple) -> None:
        end = top + self.arm * self.axes[1] + 0.25 * UP
        thick = 0.10 * UP
        canvas.face(np.stack([top - thick, end - thick, end, top]), colour, POLE)
        head = end + 0.45 * self.axes[1]
        canvas.face(np.stack([end - 1.2 * thick, head - 1.2 * thick, head, end]), colour, POLE)
        if self.lit:
            canvas.glow(head - thick, 0.35, (1.0, 0.75, 0.4))

    def _lights(
        self, canvas: Canvas, top: np.ndarray, right: np.ndarray, normal: np.ndarray
    ) -> None:
        side = right / np.linalg.norm(right)
        black = canvas.shaded_colour((0.02, 0.02, 0.02), top, normal)
        low = top - 0.95 * UP
        canvas.face(
            np.stack([low - 0.17 * side, low + 0.17 * side, top + 0.17 * side, top - 0.17 * side]),
            black,
            LIGHT,
        )
        tints = ((1.0, 0.04, 0.02), (1.0, 0.5, 0.02), (0.05, 0.9, 0.35))
        for number, tint in enumerate(tints):
            centre = top - (0.17 + 0.31 * number) * UP + 0.02 * normal
            shines = number == self.signal
            angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)[:, None]
            disc = centre + 0.11 * (np.cos(angle) * side + np.sin(angle) * UP)
            canvas.face(
                disc,
                canvas.shaded_colour(
                    0.06 * np.array(tint), centre, normal, 0.9 * np.array(tint) if shines else 0.0
                ),
                LIGHT,
            )
            if shines:
                canvas.glow(centre, 0.10, np.array(tint) * 0.5)

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return the pole as thin as it is."""
        w = 0.5 * self.width
        return [np.array([[-w, -w, 0], [w, w, 0], [w, w, self.height], [-w, -w, self.height]])]


@dataclass(frozen=True, eq=False)
class Barrier(SceneObject):
    """A piece of guard rail, of fence or of wall from ``foot`` to ``end`` (3,)."""

    end: np.ndarray
    kind: str = 'rail'
    variant: int = 0

    @property
    def reach(self) -> float:
        """Its length, and a little more, metres."""
        return 4.2

    def draw(self, canvas: Canvas) -> None:
        """Paint it."""
        along = self.end - self.foot
        outward = np.array([along[1], -along[0], 0.0]) / np.linalg.norm(along[:2])
        seen_from = outward @ (canvas.view.position - self.foot) > 0
        normal = outward if seen_from else -outward
        middle = 0.5 * (self.foot + self.end)
        if self.kind == 'wall':
            a, b = (self.foot, self.end) if seen_from else (self.end, self.foot)
            canvas.textured(
                np.stack([a, b, b + 1.9 * UP, a + 1.9 * UP]), facades.masonry(self.variant)
            )
            return
        if canvas.distance(middle) > FARTHEST:
            return
        rail = self.kind == 'rail'
        albedo = np.array([0.30, 0.31, 0.32]) if rail else PLANKS * (1 + 0.12 * (self.variant % 4))
        step = 0.05 * along / np.linalg.norm(along)
        tall = (0.72 if rail else 1.15) * UP
        polygons = [
            np.stack([at - step, at + step, at + step + tall, at - step + tall])
            for at in (self.foot, middle)
        ]
        bands = (
            ((0.45, 0.56, 0.8), (0.56, 0.64, 1.25), (0.64, 0.75, 0.95))
            if rail
            else ((0.25, 0.42, 1.0), (0.58, 0.75, 1.05), (0.90, 1.07, 1.1))
        )
        polygons += [
            np.stack(
                [
                    self.foot + low * UP,
                    self.end + low * UP,
                    self.end + high * UP,
                    self.foot + high * UP,
                ]
            )
            for low, high, _ in bands
        ]
        bright = np.array([0.7, 0.7, *(band[2] for band in bands)])[:, None]
        radiance = bright * albedo * canvas.light_at(middle, normal)
        canvas.faces(
            polygons,
            encode(
                canvas.light.through_air(radiance, np.full(len(bright), canvas.distance(middle)))
            ),
            FENCE,
        )

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return the band that hides the sun."""
        along = self.end - self.foot
        low, high = {'wall': (0.0, 1.9), 'rail': (0.45, 0.75)}.get(self.kind, (0.25, 1.1))
        return [np.stack([low * UP, along + low * UP, along + high * UP, high * UP])]
