"""The steps of the road model on a label mask, as the tests take them: one frame, no past."""

from __future__ import annotations

import numpy as np

from asap_ros.road.edge_detection import Edges, find_edges
from asap_ros.road.free_space import FreeSpace, find_free_space, hood_rows
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.road_model import Road, RoadModel
from support.synthetic_roads import LABELS, MOUNT, Mount


def free_space_of(
    mask: np.ndarray,
    options: RoadOptions | None = None,
    mount: Mount = MOUNT,
    confidence: np.ndarray | None = None,
) -> FreeSpace:
    """Return the free space of a mask of Cityscapes ids, seen by the camera of ``mount``."""
    options = options or RoadOptions()
    return find_free_space(
        LabelledFrame(mask, confidence, mount.camera()),
        LABELS,
        options,
        hood_rows(mount.width, mount.height, options),
    )


def edges_of(mask: np.ndarray, options: RoadOptions | None = None) -> Edges:
    """Return the edges of the road in a mask."""
    options = options or RoadOptions()
    space = free_space_of(mask, options)
    return find_edges(space.columns, LabelledFrame(mask, None, space.camera), LABELS, options)


def road_of(
    mask: np.ndarray,
    options: RoadOptions | None = None,
    mount: Mount = MOUNT,
    confidence: np.ndarray | None = None,
    believed_pitch: float | None = None,
) -> Road:
    """Return all that is known of the road in a single frame."""
    return RoadModel(LABELS, options).analyse(
        LabelledFrame(mask, confidence, mount.camera(believed_pitch)), 0.0
    )
