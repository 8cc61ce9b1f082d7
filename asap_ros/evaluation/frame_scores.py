"""The scores of one frame after another: rows of the table, and the counts of classes."""

from __future__ import annotations

import cv2
import numpy as np

from asap_ros.bags.calibration_and_odometry import Odometry
from asap_ros.evaluation import free_space_metrics, road_metrics
from asap_ros.evaluation.observation import Observation
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix, accuracy
from asap_ros.imaging import overlay
from asap_ros.labels import IGNORED, LabelSet, Role
from asap_ros.road.free_space import FreeSpace, find_free_space, hood_rows
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions


class FrameScores:
    """Judges observations against their references; masks on the reference's own grid."""

    def __init__(
        self,
        labels: LabelSet,
        truth_labels: LabelSet | None,
        options: RoadOptions,
        odometry: Odometry | None,
    ):
        """Start with no frame.

        ``truth_labels`` are those of references and truth, None where they are ``labels``; ``options`` are
        those that the free space was found with; ``odometry`` is the vehicle's over the whole
        drive, None where unknown. Raises LabelError where no mapping to ``labels`` is stated.
        """
        self.matrix = ConfusionMatrix(len(labels))
        self.compared = 0
        self.reference: np.ndarray | None = None
        """The last frame's reference mask in the judged label set, None without one."""
        self.reference_space: FreeSpace | None = None
        """The free space of that mask, where it was compared with."""
        self.rows: list[dict[str, float]] = []
        self._labels, self._options = labels, options
        self._truth_labels = truth_labels or labels
        self._mapping = self._truth_labels.mapping_to(labels)
        self._odometry = odometry
        self._drivable = labels.is_role(Role.DRIVABLE)[: len(labels)]
        self._start_ns: int | None = None

    def add(self, seen: Observation) -> dict[str, float]:
        """Judge a frame and return its row of the table."""
        if self._start_ns is None:
            self._start_ns = seen.stamp_ns
        row: dict[str, float] = {
            'stamp_ns': seen.stamp_ns,
            'time_s': (seen.stamp_ns - self._start_ns) / 1e9,
            'processed': int(seen.mask is not None),
            **seen.timings,
        }
        self.reference = None if seen.reference is None else self._mapped(seen.reference)
        if seen.mask is not None and self.reference is not None:
            row |= self._segmentation(seen.mask, self.reference)
        self.reference_space = None
        if seen.space is not None:
            row |= self._free_space(seen, seen.space)
        if seen.geometry is not None:
            row |= road_metrics.estimates(seen.geometry)
            if seen.true_road is not None:
                row |= road_metrics.compare(seen.geometry, seen.true_road)
            if self._odometry is not None:
                row |= road_metrics.driven(self._odometry, seen.stamp_ns / 1e9)
        self.rows.append(row)
        return row

    def _mapped(self, reference: np.ndarray) -> np.ndarray:
        """Return a reference mask in the judged label set; ValueError where it holds no class."""
        count = len(self._truth_labels)
        foreign = reference[(reference >= count) & (reference != IGNORED)]
        if len(foreign):
            raise ValueError(
                f'the reference mask holds id {foreign[0]}, but the label set '
                f'{self._truth_labels.name} has only {count} classes; name the '
                'right one (--reference-labels)'
            )
        return cv2.LUT(reference, self._mapping)

    def _segmentation(self, mask: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        counts = self.matrix.add(overlay.resize_mask(mask, reference.shape), reference)
        self.compared += 1
        agreement = accuracy(counts)
        row: dict[str, float] = {
            'agreement': np.nan if agreement is None else agreement,
            'pixels': int(counts.sum()),
            'agreeing': int(np.trace(counts)),
        }
        both = np.diagonal(counts)
        either = counts.sum(1) + counts.sum(0)[:-1] - both
        for name, intersection, union in zip(self._labels.names, both, either):
            row[f'intersection.{name}'], row[f'union.{name}'] = int(intersection), int(union)
        true = counts[self._drivable]
        predicted = counts[:, np.append(self._drivable, False)]
        row['drivable_both'] = int(true[:, np.append(self._drivable, False)].sum())
        row['drivable_either'] = int(true.sum() + predicted.sum()) - row['drivable_both']
        return row

    def _free_space(self, seen: Observation, space: FreeSpace) -> dict[str, float]:
        camera = space.camera
        if seen.true_space is not None:
            pitch = seen.true_road.pitch if seen.true_road is not None else None
            truth = free_space_metrics.of_truth(
                seen.true_space, camera, self._mapping, self._options.range_max, pitch
            )
            return free_space_metrics.compare(space, space.start, truth, self._labels)
        if self.reference is None:
            return {}
        mask = overlay.resize_mask(self.reference, (camera.height, camera.width))
        hood = hood_rows(camera.width, camera.height, self._options)
        other = find_free_space(
            LabelledFrame(mask, None, camera), self._labels, self._options, hood
        )
        self.reference_space = other
        return free_space_metrics.compare(
            space,
            np.minimum(space.start, other.start),
            free_space_metrics.of_mask(other),
            self._labels,
        )
