"""The road drawn over the camera's picture: free-space edge, corridor with its band, figures."""

from __future__ import annotations

import cv2
import numpy as np

from asap_ros.labels import LabelSet, Role
from asap_ros.road.free_space import BLOCKED, FreeSpace
from asap_ros.road.geometry import NO_BLOCKER, RoadGeometry, Status
from asap_ros.road.outline import Outline, OutlineLine, outline
from asap_ros.road.projection import Camera

EDGE, CENTRE, BLOCKER = (26, 153, 255), (51, 230, 77), (255, 51, 26)
"""RGB of the corridor's edges with their bands, of its middle, of what ends it: as in RViz."""
FIXED, MOVES = (255, 225, 0), (255, 120, 0)
"""RGB of the free-space edge at what stands still, and at what moves or lives."""
INK, FAINT, WARNING, PAPER = (255, 255, 255), (0, 0, 0), (255, 190, 60), (16, 16, 16)
INSIDE_OPACITY, BAND_OPACITY, PAPER_OPACITY = 0.2, 0.4, 0.65
FONT, TEXT_WIDTH = cv2.FONT_HERSHEY_SIMPLEX, 1400
"""At this width of the picture the font has its own size; it shrinks and grows with it."""
LOOK_AHEAD = 20.0
"""Metres of arc length at which the curvature is told, or the view's end where that is nearer."""
SUB = 4
"""Binary digits of a pixel that lines are drawn with."""


def draw_road(
    rgb: np.ndarray,
    geometry: RoadGeometry,
    labels: LabelSet,
    camera: Camera | None = None,
    space: FreeSpace | None = None,
) -> np.ndarray:
    """Return a copy of a picture with the road drawn on it, uint8 (H, W, 3) RGB.

    ``rgb`` uint8 (H, W, 3), as a rule tinted by class already, shows all that ``camera`` sees,
    at any size. Without a camera, or where ``geometry`` is not valid, there is no corridor but
    what is known is told in figures all the same; ``space`` None leaves its edge out. Blue:
    edges of the corridor and the 95 % bands about them; green: its middle; red: what ends it;
    yellow: where free space ends at what stands still, orange: at what moves or lives. Raises
    ValueError for a picture of another shape.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f'a road is drawn on uint8 (H, W, 3), not on {rgb.dtype} {rgb.shape}')
    picture = np.ascontiguousarray(rgb).copy()
    if space is not None:
        _draw_boundary(picture, space, labels)
    lines = outline(geometry)
    if camera is not None and lines is not None:
        _draw_corridor(picture, geometry, lines, camera)
    _write(picture, describe(geometry, labels))
    return picture


def describe(geometry: RoadGeometry, labels: LabelSet) -> list[tuple[str, tuple]]:
    """Return what is known of a road as lines of ASCII text, each with its RGB colour."""
    every = Status.__members__.items()
    bits = ', '.join(name for name, bit in every if bit and bit & geometry.status)
    if not geometry.valid:
        return [(f'no road: {bits}', WARNING)]
    at = min(LOOK_AHEAD, geometry.view_end)
    bend = geometry.curvature + at * geometry.curvature_rate
    sigma = float(np.interp(at, geometry.s, geometry.curvature_at_s_sigma))
    way = 'left' if bend > 0 else 'right'
    shape = (
        'straight within its sigma'
        if abs(bend) <= sigma
        else f'radius {1 / abs(bend):.0f} m, {way}'
    )
    seen = f'road seen {geometry.view_start:.0f} to {geometry.view_end:.0f} m'
    if geometry.blocker_class != NO_BLOCKER:
        seen += (
            f', {labels.names[geometry.blocker_class]} at {geometry.blocker_distance:.1f} '
            f'+-{geometry.blocker_distance_sigma:.1f} m'
        )
    lines = [
        (seen, INK),
        (f'curvature {1e3 * bend:+.2f} +-{1e3 * sigma:.2f} /km at {at:.0f} m: {shape}', INK),
        (
            f'offset {geometry.lateral_offset:+.2f} +-{geometry.lateral_offset_sigma:.2f} m, '
            f'heading {np.degrees(geometry.heading):+.2f} '
            f'+-{np.degrees(geometry.heading_sigma):.2f} deg, '
            f'width {geometry.width:.2f} +-{geometry.width_sigma:.2f} m',
            INK,
        ),
    ]
    return [*lines, (bits, WARNING)] if bits else lines


def _draw_boundary(picture: np.ndarray, space: FreeSpace, labels: LabelSet) -> None:
    """Draw where free space ends, column by column, broken where that is not known."""
    columns = np.flatnonzero(space.state == BLOCKED)
    if not len(columns):
        return
    moves = labels.is_role(Role.MOVABLE, Role.VULNERABLE)[space.blocker[columns]]
    # A new piece begins after a gap and where what blocks changes its kind.
    cuts = np.flatnonzero((np.diff(columns) > 1) | (np.diff(moves.astype(int)) != 0)) + 1
    pieces = [
        (piece, FIXED if not moves[first] else MOVES)
        for piece, first in zip(np.split(columns, cuts), [0, *cuts])
    ]
    # Thicker than the corridor's edges, which come to lie on it.
    thick = 2 * _thickness(picture) + 1
    for width, shade in ((thick + 2, FAINT), (thick, None)):
        for piece, colour in pieces:
            # Whole columns: a piece spans its pixels from border to border.
            u = np.concatenate([piece[:1] - 0.5, piece, piece[-1:] + 0.5])
            v = space.contact[np.concatenate([piece[:1], piece, piece[-1:]])] + 0.5
            cv2.polylines(
                picture,
                [_fixed(_scaled(picture, space.camera, u, v))],
                False,
                shade or colour,
                width,
                cv2.LINE_AA,
                SUB,
            )


def _draw_corridor(
    picture: np.ndarray, geometry: RoadGeometry, lines: Outline, camera: Camera
) -> None:
    # The corridor was found under the frame's own pitch, and over ground that may bend.
    camera = camera.pitched(geometry.pitch - camera.pitch)
    fall = -0.5 * geometry.crest * geometry.s**2

    def place(points: np.ndarray) -> np.ndarray:
        return _scaled(picture, camera, *camera.project(points[:, 0], points[:, 1], fall))

    drawn: list[tuple[OutlineLine, tuple]] = [(lines.centre, CENTRE)]
    if lines.edges is not None:
        drawn = [(line, EDGE) for line in lines.edges]
        left, right = (place(line.points) for line in lines.edges)
        _fill(picture, left, right, CENTRE, INSIDE_OPACITY)
    for line, colour in drawn:
        _fill(picture, place(line.first), place(line.second), colour, BAND_OPACITY)
    thick = _thickness(picture)
    for line, colour in (*drawn, (lines.centre, CENTRE)):
        cv2.polylines(
            picture, [_fixed(place(line.points))], False, colour, thick, cv2.LINE_AA, SUB
        )
    if geometry.blocker_class != NO_BLOCKER:
        ends = (
            [lines.centre.first, lines.centre.second]
            if lines.edges is None
            else [line.points for line in lines.edges]
        )
        bar = np.stack([place(end)[-1] for end in ends])
        cv2.polylines(picture, [_fixed(bar)], False, BLOCKER, 2 * thick, cv2.LINE_AA, SUB)


def _scaled(picture: np.ndarray, camera: Camera, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the camera's pixels as those of the picture (n, 2), by pixel centres."""
    height, width = picture.shape[:2]
    return np.stack(
        [(u + 0.5) * width / camera.width - 0.5, (v + 0.5) * height / camera.height - 0.5], axis=1
    )


def _fixed(points: np.ndarray) -> np.ndarray:
    """Return points in OpenCV's fixed point, int32 (n, 1, 2), without those that have no place.

    Far outside the picture is near enough for lines that leave it.
    """
    points = points[np.isfinite(points).all(axis=1)]
    return np.rint(np.clip(points, -2e4, 2e4) * 2**SUB).astype(np.int32)[:, None]


def _fill(
    picture: np.ndarray, one: np.ndarray, other: np.ndarray, colour: tuple, opacity: float
) -> None:
    """Tint what lies between two lines."""
    corners = _fixed(np.concatenate([one, other[::-1]]))
    if len(corners) < 3:
        return
    tint = picture.copy()
    cv2.fillPoly(tint, [corners], colour, cv2.LINE_AA, SUB)
    cv2.addWeighted(tint, opacity, picture, 1 - opacity, 0, picture)


def _thickness(picture: np.ndarray) -> int:
    return max(1, round(picture.shape[1] / 400))


def _write(picture: np.ndarray, lines: list[tuple[str, tuple]]) -> None:
    """Write lines of text on a darkened strip along the picture's upper border."""
    scale = picture.shape[1] / TEXT_WIDTH
    thick = max(1, round(2 * scale))
    step = round(34 * scale)
    strip = picture[: step * len(lines) + step // 3]
    cv2.addWeighted(np.full_like(strip, PAPER), PAPER_OPACITY, strip, 1 - PAPER_OPACITY, 0, strip)
    for number, (text, colour) in enumerate(lines, start=1):
        wide = cv2.getTextSize(text, FONT, scale, thick)[0][0]
        fit = min(1.0, (picture.shape[1] - step) / max(wide, 1))
        cv2.putText(
            picture,
            text,
            (step // 3, step * number - step // 5),
            FONT,
            scale * fit,
            colour,
            thick,
            cv2.LINE_AA,
        )
