"""Where the time of the road model goes, step by step."""

from __future__ import annotations

import time

import numpy as np

from asap_ros.road.edge_detection import find_edges
from asap_ros.road.free_space import boundary_points, find_contacts, hood_rows
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.projection import Camera
from asap_ros.road.road_model import RoadModel


def time_steps(
    model: RoadModel,
    masks: list[np.ndarray],
    camera: Camera,
    confidence: np.ndarray | None,
    rounds: int = 1,
) -> dict[str, np.ndarray]:
    """Return the milliseconds of each step and of the whole, one number a frame each.

    ``masks`` uint8 (H, W) of ``camera``'s grid are taken as consecutive frames, 0.05 s apart.
    ``columns`` and ``edges`` are parts of ``analyse`` that are timed once more by
    themselves; ``total`` is ``analyse`` and everything that can be made of it. Tables that a
    camera needs once are made before the first frame.
    """
    taken: dict[str, list[float]] = {}
    options, labels = model.options, model.labels
    height, width = masks[0].shape
    hood = hood_rows(width, height, options)
    first = model.analyse(LabelledFrame(masks[0], confidence, camera), 0.0)
    steps = (
        ('scan', model.scan),
        ('grid', model.grid),
        ('ground_points', model.ground_points),
        ('boundary_points', lambda road: boundary_points(road.space)),
    )
    for _, make in steps:
        make(first)

    def lap(name: str, since: float) -> float:
        now = time.perf_counter()
        taken.setdefault(name, []).append(1e3 * (now - since))
        return now

    for i, mask in enumerate(masks * rounds):
        begin = time.perf_counter()
        frame = LabelledFrame(mask, confidence, camera)
        road = model.analyse(frame, 0.05 * (i + 1))
        now = lap('analyse', begin)
        for name, make in steps:
            make(road)
            now = lap(name, now)
        lap('total', begin)
        begin = time.perf_counter()
        columns = find_contacts(frame, labels, options, hood)
        now = lap('columns', begin)
        find_edges(columns, frame, labels, options)
        lap('edges', now)
    return {name: np.array(values) for name, values in taken.items()}
