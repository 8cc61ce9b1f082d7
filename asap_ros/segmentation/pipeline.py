"""A camera frame through the network behind one call, with the time of every stage."""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.imaging.overlay import resize_mask
from asap_ros.imaging.pixel_formats import CameraPicture, to_rgb_at
from asap_ros.labels import IGNORED, LabelSet
from asap_ros.segmentation import engine_selection, model_file
from asap_ros.segmentation.engine import Notify, ignore_events
from asap_ros.segmentation.engine_manager import EngineManager
from asap_ros.segmentation.engine_selection import EngineOptions
from asap_ros.segmentation.model_file import ModelFile


@dataclass(frozen=True)
class SegmentedFrame:
    """What a network makes of one frame.

    ``frame``: uint8 RGB (h, w, 3), the picture at network resolution; valid until the next call.
    ``mask``: uint8 (h, w), class ids. ``confidence``: uint8 (h/s, w/s), 0 to 255 for 0 to 1.
    ``timings``: milliseconds by stage, ``preprocess`` and ``infer``.
    """

    frame: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    timings: dict[str, float]


def resample(
    segmented: SegmentedFrame, grid: tuple[int, int], min_confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mask and confidence, both uint8 (h, w) of a grid (height, width).

    Pixels less sure than ``min_confidence``, 0 to 1, become 255.
    """
    mask = resize_mask(segmented.mask, grid)
    confidence = cv2.resize(segmented.confidence, grid[::-1], interpolation=cv2.INTER_LINEAR)
    if min_confidence > 0.0:
        mask = np.where(confidence < min_confidence * 255.0, np.uint8(IGNORED), mask)
    return mask, confidence


class Pipeline:
    """A verified engine and the resolution at which frames go through it."""

    def __init__(self, model: ModelFile, engine: EngineManager, size: tuple[int, int]):
        """Take an engine as ``select_engine`` returns it; ``size`` is (height, width)."""
        self.model, self.size = model, size
        self._engine = engine
        self._input = np.empty((1, *size, 3), np.uint8)

    @classmethod
    def open(
        cls,
        model: str,
        options: EngineOptions = EngineOptions(),  # noqa: B008 (frozen)
        notify: Notify = ignore_events,
    ) -> Pipeline:
        """Open a model by name or path on an engine, and verify it on its golden frame.

        Frames go through it at ``options.plan.size``. ``notify`` gets each change of the engine.
        Raises ModelError (the file, the size) and EngineError (the engine, the golden frame).
        """
        size = options.plan.size
        model_file.check_size(size)
        file = model_file.read(model_file.locate(model))
        return cls(file, engine_selection.select_engine(file, options, notify), size)

    def close(self) -> None:
        """Let go of the engine, and of the building of a better one."""
        self._engine.close()

    @property
    def labels(self) -> LabelSet:
        """Return the classes of the masks."""
        return self.model.labels

    def run(self, picture: CameraPicture) -> SegmentedFrame:
        """Return what the network sees in a picture of any size and layout.

        The picture is squeezed to the network's resolution, both axes on their own.
        """
        start = time.perf_counter()
        to_rgb_at(picture.pixels, picture.layout, self.size, out=self._input[0])
        resized = time.perf_counter()
        labels, confidence = self._engine.infer(self._input)
        inferred = time.perf_counter()
        timings = {'preprocess': (resized - start) * 1e3, 'infer': (inferred - resized) * 1e3}
        return SegmentedFrame(self._input[0], labels[0], confidence[0], timings)

    def engine_facts(self) -> dict[str, str]:
        """Return what diagnostics and reports state of the engine and the model."""
        facts = self._engine.facts
        return {
            'name': facts.name,
            'provider': facts.provider,
            'precision': facts.precision,
            'model': self.model.path.stem,
            'model_sha256': self.model.sha256,
            'label_set': self.labels.name,
            'resolution': f'{self.size[0]}x{self.size[1]}',
            'golden_agreement': f'{facts.golden_agreement:.4f}',
            'golden_deviation': f'{facts.golden_deviation} pixels',
            **facts.details,
            **self._engine.status(),
        }
