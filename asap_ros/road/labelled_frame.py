"""A frame's labels and the camera of their pixel grid: what every step of the road model reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road.projection import Camera


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """Labels of one frame on the pixel grid of ``camera``.

    ``mask`` uint8 (H, W) of class ids. ``confidence`` uint8 (H, W), 0 to 255, or None for labels
    that no network predicted: they are taken for exact. Raises ValueError where shapes or types
    do not fit.
    """

    mask: np.ndarray
    confidence: np.ndarray | None
    camera: Camera

    def __post_init__(self) -> None:
        """Check that mask, confidence and camera are of one grid."""
        check_labels(self.mask, self.confidence)
        if self.mask.shape != (self.camera.height, self.camera.width):
            raise ValueError(
                f'the mask is {self.mask.shape[1]}x{self.mask.shape[0]}, its camera '
                f'{self.camera.width}x{self.camera.height}: build the camera for this size'
            )


def check_labels(mask: np.ndarray, confidence: np.ndarray | None) -> None:
    """Raise ValueError unless these are labels and their confidence on one grid."""
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        raise ValueError(f'a label mask is uint8 (H, W), not {mask.dtype} {mask.shape}')
    if confidence is not None and (confidence.dtype != np.uint8 or confidence.shape != mask.shape):
        raise ValueError(
            f'confidence is {confidence.dtype} {confidence.shape}, the mask uint8 '
            f'{mask.shape}; resize the confidence to the mask first'
        )
