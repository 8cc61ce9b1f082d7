"""What stands and drives in the world: vehicles, trees, people; how they look, their shadows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from asap_simulation.bodies import Body
from asap_simulation.canvas import Canvas, FlatPicture
from asap_simulation.light import Colour, encode

DETAIL = 45.0
"""Metres within which the small faces of bodies are drawn."""

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class SceneObject(ABC):
    """Something that stands upright on the ground at ``foot`` (3,) of the world.

    ``heading`` in radians.
    """

    foot: np.ndarray
    heading: float

    @property
    def reach(self) -> float:
        """Metres within which all of it lies, seen from above."""
        return 1.0

    @property
    def half_length(self) -> float:
        """Metres: it is drawn after what stands no more than that nearer than its foot."""
        return 0.0

    @property
    def axes(self) -> np.ndarray:
        """Return forward, left and up of its own frame as rows (3, 3)."""
        c, n = np.cos(self.heading), np.sin(self.heading)
        return np.array([[c, n, 0.0], [-n, c, 0.0], [0.0, 0.0, 1.0]])

    @abstractmethod
    def draw(self, canvas: Canvas) -> None:
        """Paint it."""

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return the outlines (n, 3), heights above the foot included, that cast a shadow."""
        return []

    def contact_shadow(self) -> np.ndarray | None:
        """Return the ground (n, 3) that it keeps dark below itself, None where it is none."""
        return None


@dataclass(frozen=True, eq=False)
class SimulatedVehicle(SceneObject):
    """A car, a lorry or a bus; ``lamps``: they are lit."""

    body: Body
    paint: Colour = (0.3, 0.3, 0.3)
    lamps: bool = False

    @property
    def reach(self) -> float:
        """Half of its diagonal, metres."""
        return 0.55 * self.body.size[0]

    @property
    def half_length(self) -> float:
        """Metres to its near end: posts of the pavement beside it stand behind it."""
        return 0.45 * self.body.size[0]

    def draw(self, canvas: Canvas) -> None:
        """Paint the faces turned to the camera."""
        axes, centre = self.axes, self.foot + (0, 0, 1.0)
        eye = (canvas.view.position - self.foot) @ axes.T
        detailed = canvas.distance(centre) < DETAIL
        faces = [
            face
            for face in self.body.faces
            if (detailed or not face.detail) and face.normal @ (eye - face.points[0]) > 0
        ]
        normals = np.array([face.normal for face in faces]) @ axes
        albedo = np.array([self.paint if face.albedo is None else face.albedo for face in faces])
        # Paint and glass mirror the sky above, and the road below.
        shine = (
            np.array([face.shine for face in faces])[:, None]
            * np.clip(0.4 + 0.9 * normals[:, 2:], 0.05, 1.0)
            * np.array(canvas.light.horizon)
        )
        radiance = albedo * canvas.light_at(centre, normals) + 0.6 * shine
        colours = encode(
            canvas.light.through_air(radiance, np.full(len(faces), canvas.distance(centre)))
        )
        # The silhouette comes first, so that no background shines through between faces.
        under = self._core(axes)
        canvas.faces(
            [*under, *(self.foot + face.points @ axes for face in faces)],
            np.concatenate(
                [np.repeat(np.array([[20, 20, 21]], np.uint8), len(under), 0), colours]
            ),
            self.body.label,
        )
        if self.lamps:
            self._glows(canvas, axes, eye)

    def _core(self, axes: np.ndarray) -> list[np.ndarray]:
        """Return two upright sheets within the body, along and across it."""
        length, width, height = self.body.size
        x, y, z = 0.44 * length, 0.42 * width, 0.55 * height
        return [
            self.foot + np.array(sheet) @ axes
            for sheet in (
                [(-x, 0, 0.2), (x, 0, 0.2), (x, 0, z), (-x, 0, z)],
                [(0, -y, 0.2), (0, y, 0.2), (0, y, z), (0, -y, z)],
            )
        ]

    def _glows(self, canvas: Canvas, axes: np.ndarray, eye: np.ndarray) -> None:
        for places, behind, colour, size in (
            (self.body.tails, True, (0.8, 0.05, 0.03), 0.13),
            (self.body.heads, False, (1.0, 0.95, 0.8), 0.28),
        ):
            if (eye[0] < 0) == behind:
                for place in places:
                    canvas.glow(self.foot + place @ axes, size, colour)

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return the corners of a box a little smaller than it."""
        length, width, height = self.body.size
        corners = np.array(
            [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 0.6)]
        ) * (length, width, height)
        roof = np.array([[x, y, 1.0] for x in (-0.30, 0.15) for y in (-0.38, 0.38)]) * (
            length,
            width,
            height,
        )
        return [np.concatenate([corners, roof]) @ self.axes]

    def contact_shadow(self) -> np.ndarray:
        """Return its outline on the ground, a little wider."""
        length, width, _ = self.body.size
        corners = np.array([[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]]) * (
            0.5 * length + 0.1,
            0.5 * width + 0.15,
            0,
        )
        return self.foot + corners @ self.axes


@dataclass(frozen=True, eq=False)
class Billboard(SceneObject):
    """A tree, a bush or somebody, ``height`` metres tall, as a flat picture facing the camera.

    ``crown``: the share of the height between which it is wide, for its shadow.
    """

    picture: FlatPicture
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
        canvas.cut_out(
            self.foot, self.height, self.picture, self.mirrored, normal / np.linalg.norm(normal)
        )

    def shadow_outlines(self) -> list[np.ndarray]:
        """Return a trunk and a ragged crown across the sun."""
        low, high = (f * self.height for f in self.crown)
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ragged = 0.8 + 0.2 * np.cos(5 * angle + self.foot[0]) * np.sin(3 * angle + self.foot[1])
        half = 0.42 * self.height * self.picture.aspect
        crown = np.stack(
            [
                half * np.cos(angle) * ragged,
                half * np.sin(angle) * ragged,
                0.5 * (low + high) + 0.5 * (high - low) * np.sin(angle) * ragged,
            ],
            axis=1,
        )
        top = low + 0.3
        trunk = np.array([[-0.12, 0, 0], [0.12, 0, 0], [0.12, 0, top], [-0.12, 0, top]])
        return [crown, trunk] if low > 0.5 else [crown]
