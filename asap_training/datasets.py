"""Pictures with label masks on disk: what is there, whether it can be read, and reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from asap_ros import labels as label_sets
from asap_ros.labels import IGNORED, LabelSet

PICTURES = ('.png', '.jpg', '.jpeg', '.webp')


class DataError(ValueError):
    """Training data that is missing or damaged; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Pair:
    """One picture and its annotation."""

    image: Path
    annotation: Path


@dataclass(frozen=True)
class DataSet:
    """Pairs that share one meaning of their annotation values.

    ``table``: uint8 (256,), from annotation values to the ids of the network's label set.
    ``weight``: how often a pair is drawn in an epoch, 1.0 being once.
    """

    name: str
    pairs: tuple[Pair, ...]
    table: np.ndarray
    weight: float = 1.0

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture, uint8 RGB (H, W, 3), and its label mask, uint8 (H, W).

        Raises DataError where either cannot be read, their sizes differ or a value of the
        annotation is unknown.
        """
        pair = self.pairs[index]
        image = cv2.imread(str(pair.image), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f'{self.name}: {pair.image} cannot be read as a picture')
        annotation = cv2.imread(str(pair.annotation), cv2.IMREAD_UNCHANGED)
        if annotation is None:
            raise DataError(f'{self.name}: {pair.annotation} cannot be read as a picture')
        if annotation.ndim != 2 or annotation.dtype != np.uint8:
            raise DataError(
                f'{self.name}: {pair.annotation} must have one channel of 8 bits, '
                f'it is {annotation.dtype} {annotation.shape}')
        if annotation.shape != image.shape[:2]:
            raise DataError(
                f'{self.name}: {pair.image} is {image.shape[1]}x{image.shape[0]} but '
                f'{pair.annotation} is {annotation.shape[1]}x{annotation.shape[0]}')
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), self.table[annotation]

    def check(self) -> None:
        """Read every pair once; DataError lists all that are damaged or hold no label at all."""
        faults = []
        for index, pair in enumerate(self.pairs):
            try:
                if (self.read(index)[1] == IGNORED).all():
                    faults.append(f'{self.name}: {pair.annotation} holds no known class')
            except DataError as error:
                faults.append(str(error))
        if faults:
            raise DataError('\n'.join(faults))


def _picture(folder: Path, stem: str) -> Path:
    for suffix in PICTURES:
        if (folder / f'{stem}{suffix}').is_file():
            return folder / f'{stem}{suffix}'
    raise DataError(f'{folder / stem} is missing (looked for {", ".join(PICTURES)})')


def camvid(root: Path, split: str, target: LabelSet) -> DataSet:
    """Return a split (train, val, test) of CamVid in the SegNet tutorial's layout.

    ``root`` holds ``train.txt`` with one stem a line, ``train/`` and ``trainannot/``.
    """
    stems_file = root / f'{split}.txt'
    if not stems_file.is_file():
        raise DataError(f'{stems_file} is missing: it lists the stems of the split, one a line')
    stems = stems_file.read_text().split()
    if not stems:
        raise DataError(f'{stems_file} is empty: there is nothing in split {split}')
    source = label_sets.load('camvid')
    pairs = tuple(
        Pair(_picture(root / split, stem), _picture(root / f'{split}annot', stem))
        for stem in stems)
    return DataSet(f'camvid/{split}', pairs, compose(source.from_raw, source, target))


def folder(root: Path, split: str, target: LabelSet) -> DataSet:
    """Return a plain folder: ``images/``, ``labels/`` of the same stems, and ``labels.yaml``.

    ``labels.yaml`` is a label set (or ``{label_set: NAME}`` for a packaged one) whose ``raw_ids``
    are the values in ``labels/``. ``split`` is the name of a subfolder, or '' for the root.
    """
    base = root / split
    if not (root / 'labels.yaml').is_file():
        raise DataError(f'{root / "labels.yaml"} is missing: it says what the label values mean')
    source = label_sets.load(str(root / 'labels.yaml'))
    images = sorted(p for p in (base / 'images').glob('*') if p.suffix.lower() in PICTURES)
    if not images:
        raise DataError(f'{base / "images"} holds no picture ({", ".join(PICTURES)})')
    pairs = tuple(Pair(image, _picture(base / 'labels', image.stem)) for image in images)
    return DataSet(str(base), pairs, compose(source.from_raw, source, target))


def compose(raw: np.ndarray, source: LabelSet, target: LabelSet) -> np.ndarray:
    """Return the table from annotation values straight to ``target``'s ids, uint8 (256,)."""
    return source.mapping_to(target)[raw]


LAYOUTS = {'camvid': camvid, 'folder': folder}
"""Known layouts of a data set on disk, by the name that recipes use."""
