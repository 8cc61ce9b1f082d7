"""What stands beside the road and drives on it: where it is, what it looks like, its shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.simulation import cutouts, facades
from asap_ros.simulation.bodies import Body
from asap_ros.simulation.canvas import Canvas, Cutout, Surface
from asap_ros.simulation.cutouts import LIGHT
from asap_ros.simulation.facades import BUILDING, FENCE
from asap_ros.simulation.light import encode

POLE = 5
"""Cityscapes train id."""

DETAIL, MIDDLE = 45.0, 130.0
"""Metres within which the small faces of bodies are drawn, and within which posts are."""

UP = np.array([0.0, 0.0, 1.0])
STEEL = np.array([0.20, 0.21, 0.21])
PLANKS = np.array([0.16, 0.11, 0.07])


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that stands upright on the ground at ``foot`` (3,) of the world.

    ``heading`` in radians; ``reach`` metres within which all of it lies, seen from above. It is
    drawn after what stands at most ``before`` metres nearer than its foot.
    """

    foot: np.ndarray
    heading: float = 0.0

    reach = 1.0
    before = 0.0

    @property
    def axes(self) -> np.ndarray:
        """Return forward, left and up of its own frame as rows (3, 3)."""
        c, n = np.cos(self.heading), np.sin(self.heading)
        return np.array([[c, n, 0.0], [-n, c, 0.0], [0.0, 0.0, 1.0]])

    def draw(self, canvas: Canvas) -> None:
        """Paint it."""
        raise NotImplementedError

    def solid(self) -> list[np.ndarray]:
        """Return the outlines (n, 3), heights above the foot included, that cast a shadow."""
        return []

    def contact(self) -> np.ndarray | None:
        """Return the ground (n, 3) that it keeps dark below itself, None where it is none."""
        return None


@dataclass(frozen=True, eq=False)
class Vehicle(Thing):
    """A car, a lorry or a bus; ``lamps``: they are lit."""

    body: Body = None
    paint: tuple[float, float, float] = (0.3, 0.3, 0.3)
    lamps: bool = False

    @property
    def reach(self) -> float:
        """Half of its diagonal, metres."""
        return 0.55 * self.body.size[0]

    @property
    def before(self) -> float:
        """Metres to its near end: posts of the pavement beside it stand behind it."""
        return 0.45 * self.body.size[0]

    def draw(self, canvas: Canvas) -> None:
        """Paint the faces turned to the camera."""
        axes, centre = self.axes, self.foot + (0, 0, 1.0)
        eye = (canvas.view.position - self.foot) @ axes.T
        detailed = canvas.distance(centre) < DETAIL
        faces = [face for face in self.body.faces if (detailed or not face.detail)
                 and face.normal @ (eye - face.points[0]) > 0]
        normals = np.array([face.normal for face in faces]) @ axes
        albedo = np.array([self.paint if face.albedo is None else face.albedo for face in faces])
        # Paint and glass mirror the sky above, and the road below.
        shine = np.array([face.shine for face in faces])[:, None] * np.clip(
            0.4 + 0.9 * normals[:, 2:], 0.05, 1.0) * np.array(canvas.light.horizon)
        radiance = albedo * canvas.light_at(centre, normals) + 0.6 * shine
        colours = encode(canvas.light.through_air(
            radiance, np.full(len(faces), canvas.distance(centre))))
        # The silhouette comes first, so that no background shines through between faces.
        under = self._core(axes)
        canvas.faces([*under, *(self.foot + face.points @ axes for face in faces)],
                     np.concatenate([np.repeat(np.uint8([[20, 20, 21]]), len(under), 0), colours]),
                     self.body.label)
        if self.lamps:
            self._glows(canvas, axes, eye)

    def _core(self, axes: np.ndarray) -> list[np.ndarray]:
        """Return two upright sheets within the body, along and across it."""
        length, width, height = self.body.size
        x, y, z = 0.44 * length, 0.42 * width, 0.55 * height
        return [self.foot + np.array(sheet) @ axes for sheet in (
            [(-x, 0, 0.2), (x, 0, 0.2), (x, 0, z), (-x, 0, z)],
            [(0, -y, 0.2), (0, y, 0.2), (0, y, z), (0, -y, z)])]

    def _glows(self, canvas: Canvas, axes: np.ndarray, eye: np.ndarray) -> None:
        for places, behind, colour, size in ((self.body.tails, True, (0.8, 0.05, 0.03), 0.13),
                                             (self.body.heads, False, (1.0, 0.95, 0.8), 0.28)):
            if (eye[0] < 0) == behind:
                for place in places:
                    canvas.glow(self.foot + place @ axes, size, colour)

    def solid(self) -> list[np.ndarray]:
        """Return the corners of a box a little smaller than it."""
        length, width, height = self.body.size
        corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5)
                            for z in (0.0, 0.6)]) * (length, width, height)
        roof = np.array([[x, y, 1.0] for x in (-0.30, 0.15) for y in (-0.38, 0.38)]) * (
            length, width, height)
        return [np.concatenate([corners, roof]) @ self.axes]

    def contact(self) -> np.ndarray:
        """Return its outline on the ground, a little wider."""
        length, width, _ = self.body.size
        corners = np.array([[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]]) * (
            0.5 * length + 0.1, 0.5 * width + 0.15, 0)
        return self.foot + corners @ self.axes


@dataclass(frozen=True, eq=False)
class Building(Thing):
    """A block; its front of ``length`` looks along its y axis. Metres."""

    length: float = 12.0
    depth: float = 10.0
    height: float = 9.0
    front: Surface = None
    side: Surface = None
    gable: float = 0.0

    @property
    def reach(self) -> float:
        """Half of its diagonal, metres."""
        return 0.5 * float(np.hypot(self.length, self.depth))

    def _corners(self) -> np.ndarray:
        half = np.array([0.5 * self.length, 0.5 * self.depth, 0.0])
        return self.foot + (np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])
                            * half) @ self.axes

    def draw(self, canvas: Canvas) -> None:
        """Paint the walls turned to the camera, and the roof of a house."""
        corners, tall = self._corners(), np.array([0.0, 0.0, self.height])
        eye = canvas.view.position
        for i in range(4):
            # Seen from outside, counter-clockwise corners run from the left to the right.
            a, b = corners[i - 1], corners[i]
            outward = np.cross(b - a, UP)
            if outward @ (eye - a) > 0:
                canvas.textured(np.stack([a, b, b + tall, a + tall]),
                                self.side if i % 2 else self.front)
        if self.gable:
            self._roof(canvas, corners + tall)

    def _roof(self, canvas: Canvas, eaves: np.ndarray) -> None:
        """Paint a pitched roof whose ridge runs along the front."""
        lift = np.array([0.0, 0.0, self.gable])
        ridge = np.stack([0.5 * (eaves[0] + eaves[3]) + lift, 0.5 * (eaves[1] + eaves[2]) + lift])
        tiles, plaster = np.array([0.16, 0.07, 0.05]), np.array([0.40, 0.36, 0.30])
        faces = [(np.stack([eaves[0], ridge[0], eaves[3]]), plaster),
                 (np.stack([eaves[2], ridge[1], eaves[1]]), plaster),
                 (np.stack([eaves[1], ridge[1], ridge[0], eaves[0]]), tiles),
                 (np.stack([eaves[3], ridge[0], ridge[1], eaves[2]]), tiles)]
        for points, albedo in faces:
            normal = np.cross(points[1] - points[0], points[2] - points[1])
            normal /= np.linalg.norm(normal)
            outward = points.mean(axis=0) - (self.foot + (0, 0, self.height))
            normal = normal if normal @ outward > 0 else -normal
            if normal @ (canvas.view.position - points[0]) > 0:
                canvas.face(points, canvas.shown(albedo, points.mean(axis=0), normal), BUILDING)

    def solid(self) -> list[np.ndarray]:
        """Return its eight corners."""
        base = self._corners() - self.foot
        return [np.concatenate([base, base + (0, 0, self.height + 0.5 * self.gable)])]


@dataclass(frozen=True, eq=False)
class Plant(Thing):
    """A tree or a bush ``height`` metres tall, or anybody whose picture it is."""

    picture: Cutout = None
    height: float = 8.0
    mirrored: bool = False
    crown: tuple[float, float] = (0.25, 1.0)

    @property
    def reach(self) -> float:
        """Half of its width, metres."""
        return 0.5 * self.height * self.picture.aspect

    def draw(self, canvas: Canvas) -> None:
        """Paint the picture, facing the camera."""
        to_eye = canvas.view.position - self.foot
        normal = np.append(to_eye[:2], 0.0) / np.linalg.norm(to_eye[:2])
        # Leaves and people are round: half of what lights them comes from above.
        normal = normal + 0.8 * UP + 0.7 * canvas.light.sun_direction
        canvas.cut_out(self.foot, self.height, self.picture, self.mirrored,
                       normal / np.linalg.norm(normal))

    def solid(self) -> list[np.ndarray]:
        """Return a trunk and a ragged crown across the sun."""
        low, high = (f * self.height for f in self.crown)
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ragged = 0.8 + 0.2 * np.cos(5 * angle + self.foot[0]) * np.sin(3 * angle + self.foot[1])
        half = 0.42 * self.height * self.picture.aspect
        crown = np.stack([half * np.cos(angle) * ragged, half * np.sin(angle) * ragged,
                          0.5 * (low + high) + 0.5 * (high - low) * np.sin(angle) * ragged],
                         axis=1)
        top = low + 0.3
        trunk = np.array([[-0.12, 0, 0], [0.12, 0, 0], [0.12, 0, top], [-0.12, 0, top]])
        return [crown, trunk] if low > 0.5 else [crown]


@dataclass(frozen=True, eq=False)
class Post(Thing):
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
    albedo: tuple[float, float, float] = tuple(STEEL)

    def draw(self, canvas: Canvas) -> None:
        """Paint the pole and what it carries."""
        if canvas.distance(self.foot) > MIDDLE:
            return
        right = np.append(canvas.view.rotation[:2, 0], 0.0)
        right *= 0.5 * self.width / np.linalg.norm(right)
        top = self.foot + self.height * UP
        toward = canvas.view.position - self.foot
        normal = np.append(toward[:2], 0.0) / np.linalg.norm(toward[:2])
        colour = canvas.shown(self.albedo, self.foot + UP, normal)
        for share, side in ((1.0, 1), (0.62, 0)):
            dim = tuple(int(v * share) for v in colour)
            canvas.face(np.stack([self.foot - right * side, self.foot + right,
                                  top + right, top - right * side]), dim, POLE)
        if self.arm:
            self._lamp(canvas, top, colour)
        if self.sign:
            picture = cutouts.plate(self.sign)
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

    def _lights(self, canvas: Canvas, top: np.ndarray, right: np.ndarray,
                normal: np.ndarray) -> None:
        side = right / np.linalg.norm(right)
        black = canvas.shown((0.02, 0.02, 0.02), top, normal)
        low = top - 0.95 * UP
        canvas.face(np.stack([low - 0.17 * side, low + 0.17 * side, top + 0.17 * side,
                              top - 0.17 * side]), black, LIGHT)
        tints = ((1.0, 0.04, 0.02), (1.0, 0.5, 0.02), (0.05, 0.9, 0.35))
        for number, tint in enumerate(tints):
            centre = top - (0.17 + 0.31 * number) * UP + 0.02 * normal
            shines = number == self.signal
            angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)[:, None]
            disc = centre + 0.11 * (np.cos(angle) * side + np.sin(angle) * UP)
            canvas.face(disc, canvas.shown(0.06 * np.array(tint), centre, normal,
                                           0.9 * np.array(tint) if shines else 0.0), LIGHT)
            if shines:
                canvas.glow(centre, 0.10, np.array(tint) * 0.5)

    def solid(self) -> list[np.ndarray]:
        """Return the pole as thin as it is."""
        w = 0.5 * self.width
        return [np.array([[-w, -w, 0], [w, w, 0], [w, w, self.height], [-w, -w, self.height]])]


@dataclass(frozen=True, eq=False)
class Barrier(Thing):
    """A piece of guard rail, of fence or of wall from ``foot`` to ``end`` (3,)."""

    end: np.ndarray = None
    kind: str = 'rail'
    variant: int = 0

    reach = 4.2

    def draw(self, canvas: Canvas) -> None:
        """Paint it."""
        along = self.end - self.foot
        outward = np.array([along[1], -along[0], 0.0]) / np.linalg.norm(along[:2])
        seen_from = outward @ (canvas.view.position - self.foot) > 0
        normal = outward if seen_from else -outward
        middle = 0.5 * (self.foot + self.end)
        if self.kind == 'wall':
            a, b = (self.foot, self.end) if seen_from else (self.end, self.foot)
            canvas.textured(np.stack([a, b, b + 1.9 * UP, a + 1.9 * UP]),
                            facades.masonry(self.variant))
            return
        if canvas.distance(middle) > MIDDLE:
            return
        rail = self.kind == 'rail'
        albedo = np.array([0.30, 0.31, 0.32]) if rail else PLANKS * (1 + 0.12 * (
            self.variant % 4))
        step = 0.05 * along / np.linalg.norm(along)
        tall = (0.72 if rail else 1.15) * UP
        polygons = [np.stack([at - step, at + step, at + step + tall, at - step + tall])
                    for at in (self.foot, middle)]
        bands = ((0.45, 0.56, 0.8), (0.56, 0.64, 1.25), (0.64, 0.75, 0.95)) if rail else (
            (0.25, 0.42, 1.0), (0.58, 0.75, 1.05), (0.90, 1.07, 1.1))
        polygons += [np.stack([self.foot + low * UP, self.end + low * UP, self.end + high * UP,
                               self.foot + high * UP]) for low, high, _ in bands]
        bright = np.array([0.7, 0.7, *(band[2] for band in bands)])[:, None]
        radiance = bright * albedo * canvas.light_at(middle, normal)
        canvas.faces(polygons, encode(canvas.light.through_air(
            radiance, np.full(len(bright), canvas.distance(middle)))), FENCE)

    def solid(self) -> list[np.ndarray]:
        """Return the band that hides the sun."""
        along = self.end - self.foot
        low, high = {'wall': (0.0, 1.9), 'rail': (0.45, 0.75)}.get(self.kind, (0.25, 1.1))
        return [np.stack([low * UP, along + low * UP, along + high * UP, high * UP])]
