"""The picture and its labels in the making: faces, textures and cut-outs, the farthest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from asap_simulation import textures
from asap_simulation.camera_view import CameraView
from asap_simulation.light import LAMP, Light, encode, headlights

NEAR = 0.6
"""Metres of depth before which nothing is drawn."""

LIT = 251
"""Values of a texture from here on are lit windows: they shine at night."""

NOTHING = 255
"""In the labels of a cut-out: nothing here."""

FRACTION = 4
"""Bits behind the point of the coordinates that OpenCV is given."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A texture: RGB levels of a pyramid, encoded, largest first, and the class it is of."""

    levels: list[np.ndarray]
    label: int


@dataclass(frozen=True, eq=False)
class FlatPicture:
    """A flat picture with a shape: per level RGB encoded, alpha uint8, labels (255: nothing)."""

    colour: list[np.ndarray]
    alpha: list[np.ndarray]
    labels: list[np.ndarray]

    @property
    def aspect(self) -> float:
        """Return width over height."""
        height, width = self.alpha[0].shape
        return width / height


def fixed(pixels: np.ndarray) -> np.ndarray:
    """Return pixels (n, 2) in OpenCV's fixed point of FRACTION bits, int32."""
    return np.rint(pixels * (1 << FRACTION)).astype(np.int32)


def cutout(colour: np.ndarray, alpha: np.ndarray, labels: np.ndarray) -> FlatPicture:
    """Return a cut-out of an RGB picture, its alpha and its labels, all uint8."""
    faded = [cv2.GaussianBlur(a, (0, 0), 0.6) for a in textures.pyramid(alpha)]
    classes = [labels]
    for level in faded[1:]:
        classes.append(cv2.resize(labels, level.shape[::-1], interpolation=cv2.INTER_NEAREST))
    return FlatPicture(textures.pyramid(colour), faded, classes)


class Canvas:
    """Draws things given in the world into ``rgb`` uint8 (H, W, 3) and ``label`` (H, W).

    ``lamps`` (n, 4): x, y in the world, height and strength of street lamps.
    """

    def __init__(
        self,
        view: CameraView,
        light: Light,
        rgb: np.ndarray,
        label: np.ndarray,
        base: tuple[np.ndarray, np.ndarray],
        lamps: np.ndarray,
    ):
        """Draw over a picture; ``base`` is the vehicle's rotation and position in the world."""
        self.view, self.light, self.rgb, self.label = view, light, rgb, label
        self._base = base
        self._lamps = lamps

    def distance(self, point: np.ndarray) -> float:
        """Return how far a place is from the camera, metres."""
        return float(np.linalg.norm(point - self.view.position))

    def light_at(self, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return the light (..., 3) on surfaces at a place with unit normals (..., 3)."""
        light = self.light.on(normal)
        if not self.light.lamps:
            return light
        rotation, position = self._base
        ahead, left, _ = (point - position) @ rotation
        facing = np.maximum(0.15, -normal @ rotation[:, 0])[..., None]
        if ahead > 0:
            light = light + facing * headlights(ahead, left, upright=True)
        for lamp in self._lamps:
            square = (point[0] - lamp[0]) ** 2 + (point[1] - lamp[1]) ** 2 + lamp[2] ** 2
            light = light + lamp[3] * 0.35 * lamp[2] / square**1.5 * lamp[2] * LAMP
        return light

    def shaded_colour(
        self,
        albedo: ArrayLike,
        point: np.ndarray,
        normal: np.ndarray,
        emission: float | np.ndarray = 0.0,
    ) -> tuple[int, int, int]:
        """Return the colour, as encoded ints, of a surface seen through the air."""
        radiance = np.asarray(albedo) * self.light_at(point, normal) + emission
        red, green, blue = encode(self.light.through_air(radiance, self.distance(point))).tolist()
        return red, green, blue

    def outline(self, points: np.ndarray) -> np.ndarray | None:
        """Return the pixels (n, 2) of a polygon (n, 3), cut at NEAR; None where unseen."""
        depth = (points - self.view.position) @ self.view.rotation[:, 2]
        if depth.max() <= NEAR:
            return None
        if depth.min() <= NEAR:
            points = _cut(points, depth)
        u, v, _ = self.view.project(points)
        return self._pixels(u, v)

    def face(self, points: np.ndarray, colour: Sequence[int], label: int) -> None:
        """Fill a convex polygon (n, 3) with an encoded colour and a label."""
        pixels = self.outline(points)
        if pixels is not None:
            self._fill(pixels, colour, label)

    def faces(self, polygons: list[np.ndarray], colours: np.ndarray, label: int) -> None:
        """Fill convex polygons (n, 3) in their order with colours uint8 (m, 3) and a label."""
        u, v, depth = self.view.project(np.concatenate(polygons))
        if depth.min() <= NEAR:
            for points, colour in zip(polygons, colours.tolist()):
                self.face(points, colour, label)
            return
        pixels = self._pixels(u, v)
        if pixels is None:
            return
        ends = np.cumsum([len(points) for points in polygons])[:-1]
        for corners, colour in zip(np.split(pixels, ends), colours.tolist()):
            self._fill(corners, colour, label)

    def _pixels(self, u: np.ndarray, v: np.ndarray) -> np.ndarray | None:
        """Return places in the picture as pixels (n, 2), None where all are beside it."""
        if u.max() < -1 or v.max() < -1 or u.min() > self.view.width or v.min() > self.view.height:
            return None
        return np.clip(np.stack([u, v], axis=1), -8000, 8000)

    def _fill(self, pixels: np.ndarray, colour: Sequence[int], label: int) -> None:
        corners = fixed(pixels)
        cv2.fillConvexPoly(self.rgb, corners, colour, cv2.LINE_AA, FRACTION)
        cv2.fillConvexPoly(self.label, corners, label, cv2.LINE_8, FRACTION)

    def palette(self, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return the table uint8 (256, 1, 3) from a texture's values to what is seen of them."""
        albedo = np.square(np.arange(256) / 255.0)[:, None]
        radiance = albedo * self.light_at(point, normal)
        if self.light.lamps:
            radiance[LIT:] = np.array([0.75, 0.55, 0.28])
        return encode(self.light.through_air(radiance, np.full(256, self.distance(point))))[
            :, None
        ]

    def textured(self, corners: np.ndarray, surface: Surface) -> None:
        """Draw a texture on a quad (4, 3): bottom left, bottom right, top right, top left."""
        depth = (corners - self.view.position) @ self.view.rotation[:, 2]
        span = _span(depth)
        if span is None:
            return
        a, b = span
        corners = np.stack(
            [
                corners[0] + a * (corners[1] - corners[0]),
                corners[0] + b * (corners[1] - corners[0]),
                corners[3] + b * (corners[2] - corners[3]),
                corners[3] + a * (corners[2] - corners[3]),
            ]
        )
        u, v, _ = self.view.project(corners)
        box = self._box(u, v)
        if box is None:
            return
        top, bottom, left, right = box
        across = max(abs(u[1] - u[0]), abs(u[2] - u[3]), 1.0) / (b - a)
        tall = max(abs(v[0] - v[3]), abs(v[1] - v[2]))
        picture = textures.level(
            surface.levels,
            min(2.5 * across / surface.levels[0].shape[1], tall / surface.levels[0].shape[0]),
        )
        height, width = picture.shape[:2]
        source = (
            np.array(
                [[a * width, height], [b * width, height], [b * width, 0], [a * width, 0]],
                np.float32,
            )
            - 0.5
        )
        target = np.stack([u - left, v - top], axis=1).astype(np.float32)
        if np.abs(target).max() > 1e6 or _area(target) < 0.5:
            return
        warp = cv2.getPerspectiveTransform(source, target)
        size = (right - left, bottom - top)
        drawn = cv2.warpPerspective(
            picture, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        normal = np.cross(corners[1] - corners[0], corners[3] - corners[0])
        normal /= np.linalg.norm(normal) + 1e-12
        drawn = cv2.LUT(drawn, self.palette(corners.mean(axis=0), normal))
        shape = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(shape, fixed(np.clip(target, -8000, 8000)), 255, cv2.LINE_AA, FRACTION)
        self._blend(box, drawn, shape)
        self.label[top:bottom, left:right][shape > 127] = surface.label

    def cut_out(
        self,
        foot: np.ndarray,
        height: float,
        picture: FlatPicture,
        mirrored: bool = False,
        normal: np.ndarray | None = None,
    ) -> None:
        """Draw a cut-out upright, facing the camera, its bottom's middle at ``foot`` (3,)."""
        u, v, depth = self.view.project(np.stack([foot, foot + (0, 0, height)]))
        if depth.min() < NEAR or v[0] - v[1] < 1.0:
            return
        scale = (v[0] - v[1]) / picture.alpha[0].shape[0]
        half = 0.5 * (v[0] - v[1]) * picture.aspect
        box = self._box(np.array([u[0] - half, u[0] + half]), np.array([v[1], v[0]]))
        if box is None:
            return
        top, bottom, left, right = box
        size = (right - left, bottom - top)
        alpha, colour, classes = (
            textures.level(levels, scale)
            for levels in (picture.alpha, picture.colour, picture.labels)
        )
        scale = (v[0] - v[1]) / alpha.shape[0]
        flip = -1.0 if mirrored else 1.0
        warp = np.array(
            [
                [flip * scale, 0, u[0] - flip * 0.5 * (alpha.shape[1] - 1) * scale - left],
                [0, scale, v[1] + 0.5 * scale - 0.5 - top],
            ]
        )
        colour = cv2.warpAffine(
            colour, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        shape = cv2.warpAffine(alpha, warp, size, flags=cv2.INTER_LINEAR)
        classes = cv2.warpAffine(
            classes,
            warp,
            size,
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=NOTHING,
        )
        if normal is None:
            normal = -self.view.rotation[:, 2]
        colour = cv2.LUT(colour, self.palette(foot + (0, 0, 0.5 * height), normal))
        self._blend(box, colour, shape)
        solid = (shape > 127) & (classes != NOTHING)
        self.label[top:bottom, left:right][solid] = classes[solid]

    def glow(self, point: np.ndarray, size: float, colour: ArrayLike) -> None:
        """Add the glare (linear RGB) of a lamp of ``size`` metres at a place."""
        (u,), (v,), (depth,) = self.view.project(point[None])
        if depth < NEAR:
            return
        radius = float(np.clip(self.view.fy * size / depth, 1.5, 90.0))
        box = self._box(
            np.array([u - 3 * radius, u + 3 * radius]), np.array([v - 3 * radius, v + 3 * radius])
        )
        if box is None:
            return
        top, bottom, left, right = box
        rows, columns = np.arange(top, bottom)[:, None] - v, np.arange(left, right) - u
        square = (rows * rows + columns * columns) / radius**2
        fall = np.exp(-square * 4) + 0.12 * np.exp(-square / 1.5)
        added = np.minimum(255 * np.sqrt(fall[..., None] * np.asarray(colour)), 255)
        part = self.rgb[top:bottom, left:right]
        cv2.add(part, added.astype(np.uint8), dst=part)

    def _blend(self, box: tuple[int, int, int, int], drawn: np.ndarray, shape: np.ndarray) -> None:
        top, bottom, left, right = box
        part = self.rgb[top:bottom, left:right]
        share = shape.astype(np.float32) * np.float32(1 / 255)
        part[:] = cv2.blendLinear(drawn, np.ascontiguousarray(part), share, 1 - share)

    def _box(self, u: np.ndarray, v: np.ndarray) -> tuple[int, int, int, int] | None:
        """Return top, bottom, left and right of what is seen of a stretch of pixels."""
        top, bottom = (
            max(int(np.floor(v.min())), 0),
            min(int(np.ceil(v.max())) + 1, self.view.height),
        )
        left, right = (
            max(int(np.floor(u.min())), 0),
            min(int(np.ceil(u.max())) + 1, self.view.width),
        )
        return (top, bottom, left, right) if top < bottom and left < right else None


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def _span(depth: np.ndarray) -> tuple[float, float] | None:
    """Return the part 0 to 1 of a quad, left to right, that lies beyond NEAR."""
    left, right = min(depth[0], depth[3]), min(depth[1], depth[2])
    if max(left, right) <= NEAR:
        return None
    if min(left, right) > NEAR:
        return 0.0, 1.0
    at = (NEAR - left) / (right - left)
    return (at + 1e-4, 1.0) if left < right else (0.0, at - 1e-4)


def _cut(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return what of a convex polygon (n, 3) lies beyond NEAR."""
    kept = []
    for i in range(len(points)):
        a, b = depth[i - 1] - NEAR, depth[i] - NEAR
        if (a > 0) != (b > 0):
            kept.append(points[i - 1] + a / (a - b) * (points[i] - points[i - 1]))
        if b > 0:
            kept.append(points[i])
    return np.array(kept)
