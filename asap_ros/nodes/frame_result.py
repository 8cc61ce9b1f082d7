"""What came of one frame: its labels, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.labels import IGNORED
from asap_ros.road.geometry import Status
from asap_ros.segmentation.pipeline import SegmentedFrame


@dataclass(frozen=True, eq=False)
class Labelled:
    """A frame with its labels; ``mask`` and ``confidence`` are uint8 (h, w) of one grid.

    ``image``: (height, width) of the camera's image. ``segmented``: what they were made of.
    """

    mask: np.ndarray
    confidence: np.ndarray
    image: tuple[int, int]
    segmented: SegmentedFrame


@dataclass(frozen=True)
class Invalid:
    """A frame that could not be labelled, or came too late: nothing is known, nowhere.

    ``grid``: (height, width) of the mask that says so. ``reason``: why there is no road, at
    least one bit. ``fault``: the same in a sentence, for diagnostics.
    """

    grid: tuple[int, int]
    reason: Status
    fault: str

    def __post_init__(self) -> None:
        """Raise ValueError where the reason is missing."""
        if not self.reason or not self.fault:
            raise ValueError('an invalid frame needs a reason and a sentence that says it')

    @property
    def mask(self) -> np.ndarray:
        """Return the mask, uint8 (h, w): unlabelled everywhere."""
        return np.full(self.grid, IGNORED, np.uint8)

    @property
    def confidence(self) -> np.ndarray:
        """Return the confidence, uint8 (h, w): 0 everywhere."""
        return np.zeros(self.grid, np.uint8)


FrameResult = Labelled | Invalid
