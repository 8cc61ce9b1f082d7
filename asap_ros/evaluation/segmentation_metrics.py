"""How well a label mask agrees with another: counts of class against class, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asap_ros.labels import IGNORED


class ConfusionMatrix:
    """Pixels counted by true and predicted class over any number of masks.

    ``counts`` is int64 (N, N + 1): rows are the true class, columns the predicted one, and the
    last column holds pixels with a true class for which nothing was predicted (255). Pixels
    whose truth is 255 are not counted at all.
    """

    def __init__(self, classes: int):
        """Start with no pixel counted; ValueError unless 1 <= classes < 255."""
        if not 1 <= classes < IGNORED:
            raise ValueError(f'a confusion matrix needs 1 to {IGNORED - 1} classes, not {classes}')
        self.classes = classes
        self.counts = np.zeros((classes, classes + 1), np.int64)

    def add(self, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Count the pixels of one pair of masks, uint8 arrays of one shape.

        Returns this pair's own counts, int64 (N, N + 1). Raises ValueError where the shapes
        differ, where an array is not uint8, or where an id is neither a class nor 255.
        """
        if prediction.shape != truth.shape:
            raise ValueError(
                f'masks of different shapes: predicted {prediction.shape}, true {truth.shape}'
            )
        if prediction.dtype != np.uint8 or truth.dtype != np.uint8:
            raise ValueError(f'masks must be uint8, not {prediction.dtype} and {truth.dtype}')
        # One histogram of 256 x 256 pairs leaves no id unseen, whatever the masks hold.
        pairs = truth.astype(np.uint16)
        pairs <<= 8
        pairs |= prediction
        joint = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
        for name, used in (('true', joint.sum(axis=1)), ('predicted', joint.sum(axis=0))):
            foreign = np.flatnonzero(used[self.classes : IGNORED]) + self.classes
            if foreign.size:
                raise ValueError(
                    f'the {name} mask holds id {foreign[0]}, but there are only '
                    f'{self.classes} classes; is it of another label set?'
                )
        counts = joint[: self.classes, [*range(self.classes), IGNORED]].astype(np.int64)
        self.counts += counts
        return counts

    @property
    def pixels(self) -> int:
        """Return the number of pixels counted."""
        return int(self.counts.sum())

    def iou(self) -> list[float | None]:
        """Return intersection over union of each class, None where neither mask has it."""
        return [self.group_iou([k]) for k in range(self.classes)]

    def miou(self) -> float | None:
        """Return the mean IoU over the classes that occur in either mask, None without any."""
        present = [value for value in self.iou() if value is not None]
        return sum(present) / len(present) if present else None

    def pixel_accuracy(self) -> float | None:
        """Return the share of counted pixels whose class is right, None without any."""
        return accuracy(self.counts)

    def group_iou(self, members: Sequence[int] | np.ndarray) -> float | None:
        """Return the IoU of several classes taken as one, None where neither mask has them.

        ``members`` are class ids, or a bool table such as ``LabelSet.is_role`` returns.
        """
        members = np.asarray(members)
        inside = np.zeros(self.classes + 1, bool)
        if members.dtype == bool:
            inside[: self.classes] = members[: self.classes]
        else:
            inside[members] = True
        true = inside[:-1]
        both = self.counts[true][:, inside].sum()
        union = self.counts[true].sum() + self.counts[~true][:, inside].sum()
        return float(both / union) if union else None


def accuracy(counts: np.ndarray) -> float | None:
    """Return the share of right pixels in counts (N, N + 1), None where there are no pixels."""
    total = counts.sum()
    return float(np.trace(counts) / total) if total else None
