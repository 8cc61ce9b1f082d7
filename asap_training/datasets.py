"""Labelled pictures: whether they can be read, reading them, and how often each class occurs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from asap_ros.imaging import files, overlay, pixel_formats
from asap_ros.imaging.files import ImageError
from asap_ros.labels import IGNORED, LabelError, LabelSet
from asap_training import label_files

MOST_FAULTS = 20
"""Damaged pairs that an error names one by one."""


class DataError(ValueError):
    """Training data that is missing or damaged; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Pair:
    """One picture and its annotation."""

    image: Path
    annotation: Path


@dataclass(frozen=True)
class DatasetIndex:
    """What a layout found on disk: pairs, and the label set of their annotation values."""

    name: str
    pairs: tuple[Pair, ...]
    labels: LabelSet


@dataclass(frozen=True)
class LabelledDataset:
    """Pairs that share one meaning of their annotation values.

    ``table``: uint8 (256,), from annotation values to the ids of the network's label set.
    ``known``: bool (256,), the values that an annotation may hold.
    ``weight``: how often a pair is drawn in an epoch, 1.0 being once.
    ``resize``: (height, width) that both are brought to on reading; None leaves them as they are.
    """

    name: str
    pairs: tuple[Pair, ...]
    table: np.ndarray
    known: np.ndarray
    weight: float = 1.0
    resize: tuple[int, int] | None = None

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture, uint8 RGB (H, W, 3), and its label mask, uint8 (H, W).

        Raises DataError where either cannot be read, their sizes differ or a value of the
        annotation is unknown.
        """
        pair = self.pairs[index]
        try:
            image = files.read(pair.image)
            annotation = label_files.read(pair.annotation)
        except ImageError as error:
            raise DataError(f'{self.name}: {error}') from error
        if annotation.shape != image.shape[:2]:
            raise DataError(
                f'{self.name}: {pair.image} is {image.shape[1]}x{image.shape[0]} but '
                f'{pair.annotation} is {annotation.shape[1]}x{annotation.shape[0]}'
            )
        if not self.known[annotation].all():
            values = np.unique(annotation)
            raise DataError(
                f'{self.name}: {pair.annotation} holds label id {values[~self.known[values]][0]}, '
                f'which the label set does not know; it knows '
                f'{", ".join(map(str, np.flatnonzero(self.known)))}'
            )
        if self.resize:
            image = pixel_formats.resize(image, self.resize)
            annotation = overlay.resize_mask(annotation, self.resize)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), self.table[annotation]


@dataclass(frozen=True)
class CachedDataset(LabelledDataset):
    """A data set whose pairs are in memory, as ``read`` returns them."""

    cached: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture and its label mask, as ``LabelledDataset.read``."""
        return self.cached[index]


def cache_in_memory(data: LabelledDataset, most: int) -> LabelledDataset:
    """Return the data set in memory where it takes less than ``most`` bytes, else as it is."""
    if len(data.pairs) * 4 * data.read(0)[1].size >= most:
        return data
    parts = {f.name: getattr(data, f.name) for f in fields(data)}
    return CachedDataset(**parts, cached=tuple(data.read(i) for i in range(len(data.pairs))))


def labelled_dataset(
    found: DatasetIndex,
    target: LabelSet,
    classes: dict[str, str] | None = None,
    weight: float = 1.0,
    resize: tuple[int, int] | None = None,
) -> LabelledDataset:
    """Return what was found as training data for the classes of ``target``.

    ``classes``, from class names there to names in ``target``, replaces the mapping that the
    label set itself states; classes left out are ignored. LabelError names a class unknown.
    """
    source = found.labels
    if classes is None:
        mapping = source.mapping_to(target)
    else:
        mapping = np.full(256, IGNORED, np.uint8)
        for name, other in classes.items():
            mapping[source.id_of(name)] = target.id_of(other)
    table = mapping[source.from_raw]
    if (table == IGNORED).all():
        raise LabelError(f'{found.name}: none of its classes maps to one of {target.name}')
    return LabelledDataset(found.name, found.pairs, table, source.known_raw, weight, resize)


def survey(sets: list[LabelledDataset], classes: int, progress: bool = True) -> np.ndarray:
    """Read every pair once and return (classes,) labelled pixels, each set times its weight.

    DataError lists the pairs that are damaged or hold no labelled pixel.
    """
    counts, faults = np.zeros(classes), []
    for data in sets:

        def examine(index: int, data: LabelledDataset = data) -> np.ndarray | str:
            try:
                seen = np.bincount(data.read(index)[1].ravel(), minlength=256)[:classes]
            except DataError as error:
                return str(error)
            return (
                seen
                if seen.any()
                else (f'{data.name}: {data.pairs[index].annotation} holds no labelled pixel')
            )

        # OpenCV decodes outside Python's lock, so threads read at the speed of all cores.
        with ThreadPoolExecutor() as pool:
            for result in tqdm(
                pool.map(examine, range(len(data.pairs))),
                f'reading {data.name}',
                len(data.pairs),
                leave=False,
                disable=not progress,
            ):
                if isinstance(result, str):
                    faults.append(result)
                else:
                    counts += data.weight * result
    if faults:
        more = len(faults) - MOST_FAULTS
        rest = [f'and {more} more'] if more > 0 else []
        raise DataError(
            '\n'.join([f'{len(faults)} pairs are damaged:', *faults[:MOST_FAULTS], *rest])
        )
    return counts
