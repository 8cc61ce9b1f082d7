"""Roads whose every number is known, from Fresnel integrals, and what a camera sees of them.

Nothing here uses the code under test for the truth: curves come from scipy.special.fresnel,
projections from scipy's rotations. Only the Camera object handed to that code is its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import fresnel

from asap_ros import labels as label_sets
from asap_ros.road.edge_projection import EdgePixels
from asap_ros.road.pose import pose_from_mounting
from asap_ros.road.projection import Camera

LABELS = label_sets.load('cityscapes')
ROAD, SIDEWALK, BUILDING, SKY, CAR, PERSON = (
    LABELS.id_of(name) for name in ('road', 'sidewalk', 'building', 'sky', 'car', 'person')
)


@dataclass(frozen=True)
class Mount:
    """A camera as a test states it; metres and radians, pixels of its own grid."""

    f: float = 1131.0
    cx: float = 511.5
    cy: float = 255.5
    width: int = 1024
    height: int = 512
    up: float = 1.22
    pitch: float = 0.038
    roll: float = 0.0
    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def camera(self, believed_pitch: float | None = None) -> Camera:
        """Return the camera for the code under test, which may believe in another pitch."""
        pitch = self.pitch if believed_pitch is None else believed_pitch
        pose = pose_from_mounting(self.up, pitch, self.roll, self.yaw, self.x, self.y)
        return Camera(
            self.f,
            self.f,
            self.cx,
            self.cy,
            self.width,
            self.height,
            pose.rotation,
            pose.translation,
        )

    def pixels(self, x, y, z=0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of points in base_link, NaN behind the camera."""
        x, y, z = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, y, z)))
        body = Rotation.from_euler('ZYX', [self.yaw, self.pitch, self.roll])
        ahead, left, above = (
            body.inv()
            .apply(np.stack([x - self.x, y - self.y, z - self.up], axis=-1).reshape(-1, 3))
            .T
        )
        ahead = np.where(ahead > 0.05, ahead, np.nan)
        return (
            (self.cx - self.f * left / ahead).reshape(x.shape),
            (self.cy - self.f * above / ahead).reshape(x.shape),
        )

    def row_of(self, x: float) -> float:
        """Return the image row of the ground at x metres ahead of the camera, level roll."""
        return self.cy + self.f * np.tan(np.arctan2(self.up, x) - self.pitch)

    def resized(self, scale: float) -> Mount:
        """Return the same camera on a grid ``scale`` times as fine."""
        return replace(
            self,
            f=self.f * scale,
            cx=scale * (self.cx + 0.5) - 0.5,
            cy=scale * (self.cy + 0.5) - 0.5,
            width=round(self.width * scale),
            height=round(self.height * scale),
        )


MOUNT = Mount()


@dataclass(frozen=True)
class Truth:
    """A road: DESIGN's clothoid, and by how many metres a metre its width grows."""

    offset: float = 0.3
    heading: float = 0.02
    curvature: float = 0.0
    rate: float = 0.0
    width: float = 7.0
    widening: float = 0.0

    @property
    def parameters(self) -> np.ndarray:
        """Offset, heading, curvature, rate, width."""
        return np.array([self.offset, self.heading, self.curvature, self.rate, self.width])

    def centre(self, s) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the centre at arc length s."""
        s = np.asarray(s, float)
        k0, k1, psi = self.curvature, self.rate, self.heading
        # Fresnel integrals lose their digits as the spiral nears a circle, and that a line.
        if abs(k1) < 1e-8 and abs(k0) < 1e-9:
            return s * np.cos(psi), self.offset + s * np.sin(psi)
        if abs(k1) < 1e-8:
            return (
                (np.sin(psi + k0 * s) - np.sin(psi)) / k0,
                self.offset + (np.cos(psi) - np.cos(psi + k0 * s)) / k0,
            )
        root, start = np.sqrt(abs(k1) / np.pi), k0 / k1
        sine, cosine = fresnel(root * (s + start))
        sine0, cosine0 = fresnel(root * start)
        c, n = (cosine - cosine0) / root, np.sign(k1) * (sine - sine0) / root
        turn = psi - k0**2 / (2 * k1)
        return (
            c * np.cos(turn) - n * np.sin(turn),
            self.offset + c * np.sin(turn) + n * np.cos(turn),
        )

    def edge(self, s, side: float) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the left (side 1) or right (-1) edge at arc length s."""
        s = np.asarray(s, float)
        x, y = self.centre(s)
        heading = self.heading + self.curvature * s + 0.5 * self.rate * s * s
        half = 0.5 * side * (self.width + self.widening * s)
        return x - half * np.sin(heading), y + half * np.cos(heading)

    def fall(self, s, crest: float) -> np.ndarray:
        """Return by how many metres the ground has fallen away at arc length s."""
        return 0.5 * crest * s * s

    def crossings(self, mount: Mount, side: float, crest: float = 0.0) -> np.ndarray:
        """Return the column at which an edge crosses each image row, NaN where it does not."""
        s = np.linspace(-3.0, 110.0, 6000)
        x, y = self.edge(s, side)
        u, v = mount.pixels(x, y, -self.fall(s, crest))
        u, v = u[np.isfinite(v)], v[np.isfinite(v)]
        if len(v) < 2:
            return np.full(mount.height, np.nan)
        rising = np.diff(v) < 0
        end = len(v) if rising.all() else int(np.argmin(rising)) + 1
        return np.interp(
            np.arange(mount.height), v[:end][::-1], u[:end][::-1], left=np.nan, right=np.nan
        )


def autoregressive(count: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise of variance 1 and correlation rho^|i-j|."""
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho * rho) * noise[i]
    return noise


def edge_points(
    truth: Truth,
    mount: Mount = MOUNT,
    near: float = 5.0,
    far: float = 40.0,
    sigma: float = 0.0,
    rho: float = 0.8,
    rng: np.random.Generator | None = None,
    crest: float = 0.0,
    hidden: tuple[float, float] | None = None,
) -> EdgePixels:
    """Return the edge pixels in the rows from ``near`` to ``far`` metres, nearest first.

    ``sigma`` pixels of AR(1) noise along each edge; ``hidden`` leaves out a stretch of metres
    of the right edge.
    """
    rows = np.arange(int(np.floor(mount.row_of(near))), int(np.ceil(mount.row_of(far))) - 1, -1)
    rows = rows[rows < mount.height]
    found = []
    for side in (1.0, -1.0):
        u = truth.crossings(mount, side, crest)[rows]
        if sigma > 0:
            u = u + sigma * autoregressive(len(rows), rho, rng)
        seen = (u > -0.5) & (u < mount.width - 0.5)
        if hidden and side < 0:
            seen &= (rows > mount.row_of(hidden[0])) | (rows < mount.row_of(hidden[1]))
        found.append((u[seen], rows[seen].astype(float), np.full(seen.sum(), side)))
    return EdgePixels(*(np.concatenate(parts) for parts in zip(*found)))


@dataclass(frozen=True)
class Box:
    """A thing that stands on the road: its front face, upright and across the camera's view.

    ``z`` is the ground's height where it stands.
    """

    x: float
    y: float
    width: float
    tall: float
    label: int = CAR
    z: float = 0.0

    def rectangle(self, mount: Mount) -> tuple[int, int, int, int]:
        """Return first and last column, top row and foot row of the pixels it covers."""
        (left, right), (foot, _) = mount.pixels(
            [self.x, self.x], [self.y + self.width / 2, self.y - self.width / 2], self.z
        )
        top = mount.pixels(self.x, self.y, self.z + self.tall)[1]
        return (int(np.ceil(left)), int(np.floor(right)), int(np.ceil(top)), int(np.floor(foot)))


def render(
    truth: Truth,
    mount: Mount = MOUNT,
    boxes: tuple[Box, ...] = (),
    sigma: float = 0.0,
    rng: np.random.Generator | None = None,
    beside: int = SIDEWALK,
    crest: float = 0.0,
) -> np.ndarray:
    """Return a label mask uint8: road between the edges, ``beside`` around it, sky, boxes.

    A pixel is road where its centre is. ``sigma`` pixels of AR(1) noise move the edges.
    """
    mask = np.full((mount.height, mount.width), beside, np.uint8)
    rows = np.arange(mount.height)
    mask[rows <= mount.row_of(1e6)] = SKY
    columns = np.arange(mount.width)
    left, right = (truth.crossings(mount, side, crest) for side in (1.0, -1.0))
    if sigma > 0:
        left = left + sigma * autoregressive(len(rows), 0.8, rng)
        right = right + sigma * autoregressive(len(rows), 0.8, rng)
    mask[(columns >= left[:, None]) & (columns <= right[:, None])] = ROAD
    for box in sorted(boxes, key=lambda b: -b.x):
        first, last, top, foot = box.rectangle(mount)
        mask[max(top, 0) : max(foot + 1, 0), max(first, 0) : max(last + 1, 0)] = box.label
    return mask
