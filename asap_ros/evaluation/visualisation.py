"""An evaluation to look at: a video of frame, classes and errors, and a sheet of its frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from asap_ros.imaging import overlay
from asap_ros.imaging.pixel_formats import resize
from asap_ros.labels import LabelSet
from asap_ros.road.drawing import draw_road
from asap_ros.road.free_space import FreeSpace
from asap_ros.road.geometry import RoadGeometry

PANEL_WIDTH = 640
SHEET_WIDTH = 1280
SHEET_COLUMNS = 4
SHEET_TILES = 24
OPACITY = 0.5
EXTRA = (('differs from the reference', overlay.ERROR_COLOUR),)
FORMATS = (('VP80', '.webm'), ('mp4v', '.mp4'))
"""Encoders in the order they are tried. VP8 in WebM plays in every browser. OpenCV from pip has
no H.264 encoder, its VP9 takes four times as long, and no browser plays MPEG-4 Part 2."""


class VideoError(RuntimeError):
    """A video or sheet that cannot be written; the text says where and why."""


@dataclass(frozen=True)
class VideoFrame:
    """One frame to be shown.

    ``rgb`` is uint8 (H, W, 3); ``mask`` and ``reference`` are uint8 masks of one label set, of
    any size, the mask None where there was no result and the reference where there is none;
    ``title`` is one line about the frame; ``geometry`` and ``space`` its road, None where
    nothing was said of it.
    """

    rgb: np.ndarray
    mask: np.ndarray | None
    reference: np.ndarray | None
    title: str
    geometry: RoadGeometry | None = None
    space: FreeSpace | None = None


@dataclass(frozen=True)
class _OpenVideo:
    """A video that is being written to ``path``; ``size`` (width, height) as OpenCV has it."""

    writer: cv2.VideoWriter
    path: Path
    size: tuple[int, int]


class OverlayVideo:
    """The side-by-side video: camera, classes and, where there are references, the errors.

    Written beside its final place and moved there by ``close``.
    """

    def __init__(self, folder: Path, labels: LabelSet, fps: float, errors: bool):
        """Prepare a video of ``fps`` frames a second; nothing is written before the first."""
        self._folder = folder
        self._labels = labels
        self._fps = min(max(fps, 1.0), 60.0)
        self._errors = errors
        self._open: _OpenVideo | None = None

    def add(self, shot: VideoFrame) -> None:
        """Append one frame; PictureError where no encoder works."""
        picture = side_by_side(shot, self._labels, self._errors)
        size = picture.shape[1], picture.shape[0]
        if self._open is None:
            self._open = _open_video(self._folder, self._fps, size)
        if size != self._open.size:  # a camera that changed its shape
            picture = cv2.resize(picture, self._open.size, interpolation=cv2.INTER_AREA)
        self._open.writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self) -> Path | None:
        """Finish the file and return its path, None where there was no frame."""
        if self._open is None:
            return None
        self._open.writer.release()
        final = self._folder / f'overlay{self._open.path.suffix}'
        os.replace(self._open.path, final)
        self._open = None
        return final

    def discard(self) -> None:
        """Drop what was written so far; after ``close`` this does nothing."""
        if self._open is not None:
            self._open.writer.release()
            self._open.path.unlink(missing_ok=True)
            self._open = None


class ContactSheet:
    """A grid of evenly chosen frames with their classes, readable at SHEET_WIDTH pixels."""

    def __init__(self, labels: LabelSet, total: int):
        """Choose the frames to show of ``total`` that are expected."""
        self._labels = labels
        self._chosen = set(
            np.linspace(0, max(total - 1, 0), min(total, SHEET_TILES)).round().astype(int).tolist()
        )
        self._tiles: list[np.ndarray] = []

    def add(self, index: int, shot: VideoFrame) -> None:
        """Take in frame number ``index`` where it is one of those to show."""
        if index in self._chosen:
            width = SHEET_WIDTH // SHEET_COLUMNS - 4
            picture = _classes(_at_width(shot.rgb, width), shot, self._labels)
            tile = np.vstack([picture, overlay.caption(shot.title, width, 26)])
            self._tiles.append(
                cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=overlay.BACKGROUND)
            )

    def write(self, path: Path, lines: list[str]) -> Path | None:
        """Write the sheet as PNG with ``lines`` above it; None where there was no frame."""
        if not self._tiles:
            return None
        height = max(tile.shape[0] for tile in self._tiles)
        rows = []
        for first in range(0, len(self._tiles), SHEET_COLUMNS):
            row = np.full((height, SHEET_WIDTH, 3), overlay.BACKGROUND, np.uint8)
            for column, tile in enumerate(self._tiles[first : first + SHEET_COLUMNS]):
                x = column * tile.shape[1]
                row[: tile.shape[0], x : x + tile.shape[1]] = tile
            rows.append(row)
        head = [overlay.caption(line, SHEET_WIDTH, 30) for line in lines]
        sheet = np.vstack([*head, *rows, overlay.legend(self._labels, SHEET_WIDTH)])
        partial = path.with_name(f'.{path.stem}.partial{path.suffix}')
        if not cv2.imwrite(str(partial), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise VideoError(f'cannot write the contact sheet to {path}')
        os.replace(partial, path)
        return path


def side_by_side(shot: VideoFrame, labels: LabelSet, errors: bool) -> np.ndarray:
    """Return one frame of the video, uint8 (h, w, 3) RGB with even sides."""
    rgb = _at_width(shot.rgb, PANEL_WIDTH)
    panels = [('camera', rgb), ('classes and road', _classes(rgb, shot, labels))]
    if errors:
        compared = _errors(rgb, shot)
        panels.append(
            ('no comparison', rgb // 4)
            if compared is None
            else ('against the reference', compared)
        )
    row = np.hstack(
        [np.vstack([overlay.caption(name, PANEL_WIDTH, 28), picture]) for name, picture in panels]
    )
    width = row.shape[1]
    below = [
        overlay.caption(shot.title, width, 32),
        overlay.legend(labels, width, EXTRA if errors else (), 32),
    ]
    picture = np.vstack([row, *below])
    return picture[: picture.shape[0] // 2 * 2]


def close_up(shot: VideoFrame, labels: LabelSet) -> np.ndarray:
    """Return what is to be looked at in a frame, uint8 (h, w, 3) RGB of PANEL_WIDTH.

    Classes and road, and below them the errors where there is a reference.
    """
    rgb = _at_width(shot.rgb, PANEL_WIDTH)
    picture = _classes(rgb, shot, labels)
    compared = _errors(rgb, shot)
    return picture if compared is None else np.vstack([picture, compared])


def _classes(rgb: np.ndarray, shot: VideoFrame, labels: LabelSet) -> np.ndarray:
    """Return the tinted frame with its road, or the frame darkened where there is no mask."""
    if shot.mask is None:
        return rgb // 4
    tinted = overlay.blend(rgb, shot.mask, labels, OPACITY)
    if shot.geometry is None:
        return tinted
    camera = shot.space.camera if shot.space is not None else None
    return draw_road(tinted, shot.geometry, labels, camera, shot.space)


def _errors(rgb: np.ndarray, shot: VideoFrame) -> np.ndarray | None:
    """Return the frame with wrong pixels marked, None where there is nothing to compare."""
    if shot.mask is None or shot.reference is None:
        return None
    return overlay.draw_errors(rgb, shot.mask, shot.reference)


def _at_width(rgb: np.ndarray, width: int) -> np.ndarray:
    """Return the frame at a width, its shape kept."""
    return resize(rgb, (max(2, round(rgb.shape[0] * width / rgb.shape[1])), width))


def _open_video(folder: Path, fps: float, size: tuple[int, int]) -> _OpenVideo:
    """Begin a video in the first format that works here."""
    for code, suffix in FORMATS:
        path = folder / f'.overlay.partial{suffix}'
        with _stderr_silenced():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, size)
        if writer.isOpened():
            return _OpenVideo(writer, path, size)
    tried = ', '.join(f'{code} in {suffix}' for code, suffix in FORMATS)
    raise VideoError(f'OpenCV here cannot write a video to {folder}; tried {tried}')


@contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Keep OpenCV's FFmpeg from printing that WebM knows no four-letter codes, as is its way.

    It writes to the file descriptor itself. Whether the writer works is asked afterwards.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
