"""How data sets lie on disk: each layout lists the pairs of a split, or says what is missing."""

from __future__ import annotations

from glob import escape
from pathlib import Path, PurePath

import yaml

from asap_ros import labels as label_sets
from asap_ros.imaging.files import SUFFIXES
from asap_ros.labels import LabelError, LabelSet
from asap_training.datasets import MOST_FAULTS, DataError, DatasetIndex, Pair


def camvid(root: Path, split: str) -> DatasetIndex:
    """Return a split (train, val, test) of CamVid in the SegNet tutorial's layout.

    ``root`` holds ``train.txt``, ``train/`` and ``trainannot/``. A line of ``train.txt`` is the
    stem of a pair, or, as the tutorial has it, the paths of its picture and mask elsewhere, of
    which only the stem counts.
    """
    stems_file = root / f'{split}.txt'
    if not stems_file.is_file():
        raise DataError(f'{stems_file} is missing: it lists the pairs of the split, one a line')
    stems = [
        PurePath(line.split()[0]).stem
        for line in stems_file.read_text().splitlines()
        if line.strip()
    ]
    if not stems:
        raise DataError(f'{stems_file} is empty: there is nothing in split {split}')
    pairs = tuple(
        Pair(_picture(root / split, stem), _picture(root / f'{split}annot', stem))
        for stem in stems
    )
    return DatasetIndex(f'camvid/{split}', pairs, label_sets.load('camvid'))


def cityscapes(root: Path, split: str) -> DatasetIndex:
    """Return a split (train, val) of Cityscapes in its official layout.

    ``leftImg8bit/SPLIT/CITY/*_leftImg8bit.png`` beside
    ``gtFine/SPLIT/CITY/*_gtFine_labelIds.png``. The labels of the test split are not public;
    asap_training.submit writes masks for it.
    """
    pairs = _two_trees(root, split, '_leftImg8bit', '_gtFine_labelIds')
    return DatasetIndex(f'cityscapes/{split}', pairs, label_sets.load('cityscapes'))


def idd(root: Path, split: str) -> DatasetIndex:
    """Return a split of IDD Segmentation, its level-3 masks made by createLabels.py.

    ``leftImg8bit/SPLIT/DRIVE/*_leftImg8bit.{png,jpg}`` beside
    ``gtFine/SPLIT/DRIVE/*_gtFine_labellevel3Ids.png``.
    """
    pairs = _two_trees(root, split, '_leftImg8bit', '_gtFine_labellevel3Ids')
    return DatasetIndex(f'idd/{split}', pairs, label_sets.load('idd'))


def idd_lite(root: Path, split: str) -> DatasetIndex:
    """Return a split of IDD-lite, whose masks hold the ids of level 1.

    ``leftImg8bit/SPLIT/DRIVE/*_image.jpg`` beside ``gtFine/SPLIT/DRIVE/*_label.png``.
    """
    pairs = _two_trees(root, split, '_image', '_label')
    return DatasetIndex(f'idd_lite/{split}', pairs, label_sets.load('idd_lite'))


def folder(root: Path, split: str) -> DatasetIndex:
    """Return a plain folder: ``images/``, ``labels/`` of the same stems, and ``labels.yaml``.

    ``labels.yaml`` is a label set whose ``raw_ids`` are the values in ``labels/``, or names a
    packaged one: ``{label_set: cityscapes}``, with ``values: ids`` where the masks hold the
    set's ids and not its raw ids. ``split`` is the name of a subfolder, or '' for the root.
    """
    base = root / split
    labels = _own_labels(root / 'labels.yaml')
    images = sorted(p for p in (base / 'images').glob('*') if p.suffix.lower() in SUFFIXES)
    if not images:
        raise DataError(f'{base / "images"} holds no picture ({", ".join(SUFFIXES)})')
    stems = [image.stem for image in images]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise DataError(f'{base / "images"} has two pictures of one stem: {", ".join(twice)}')
    pairs = tuple(Pair(image, _picture(base / 'labels', image.stem)) for image in images)
    alone = sorted(
        p.name
        for p in (base / 'labels').glob('*')
        if p.suffix.lower() in SUFFIXES and p.stem not in stems
    )
    if alone:
        shown = ', '.join(alone[:MOST_FAULTS])
        raise DataError(f'{len(alone)} labels in {base / "labels"} have no picture: {shown}')
    return DatasetIndex(str(base), pairs, labels)


LAYOUTS = {
    'camvid': camvid,
    'cityscapes': cityscapes,
    'idd': idd,
    'idd_lite': idd_lite,
    'folder': folder,
}
"""Known layouts of a data set on disk, by the name that recipes use."""


def pictures(root: Path, tree: str, split: str, ending: str) -> list[Path]:
    """Return ``root/tree/split/*/*ENDING.png`` (or .jpg, .webp), sorted; DataError for none."""
    base = root / tree / split
    if not base.is_dir():
        raise DataError(f'{base} is missing: the data set is expected in its official layout')
    found = sorted(p for p in base.glob(f'*/*{ending}.*') if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f'{base} holds no */*{ending}.png: there is nothing in split {split}')
    return found


def _two_trees(root: Path, split: str, image: str, annotation: str) -> tuple[Pair, ...]:
    """Pair the pictures of two trees by their stems; DataError names what has no partner."""
    images = {_key(p, image): p for p in pictures(root, 'leftImg8bit', split, image)}
    masks = {_key(p, annotation): p for p in pictures(root, 'gtFine', split, annotation)}
    missing = [
        f'{root / "gtFine" / split / key}{annotation}.png'
        for key in sorted(images.keys() - masks.keys())
    ]
    missing += [
        f'{root / "leftImg8bit" / split / key}{image}.png'
        for key in sorted(masks.keys() - images.keys())
    ]
    if missing:
        more = len(missing) - MOST_FAULTS
        rest = [f'and {more} more'] if more > 0 else []
        raise DataError(
            '\n'.join([f'{len(missing)} files are missing:', *missing[:MOST_FAULTS], *rest])
        )
    return tuple(Pair(images[key], masks[key]) for key in sorted(images))


def _key(path: Path, ending: str) -> str:
    """Return ``CITY/STEM`` without its ending."""
    return f'{path.parent.name}/{path.stem.removesuffix(ending)}'


def _own_labels(path: Path) -> LabelSet:
    """Return the label set that a folder's ``labels.yaml`` states or names."""
    if not path.is_file():
        raise DataError(f'{path} is missing: it says what the label values mean')
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise LabelError(f'{path} is not YAML: {error}') from error
    if not isinstance(document, dict) or 'label_set' not in document:
        return label_sets.parse(document, str(path))
    labels = label_sets.load(document['label_set'])
    values = document.get('values', 'raw_ids')
    if values not in ('ids', 'raw_ids'):
        raise LabelError(f'{path}: values are {values!r}, neither ids nor raw_ids')
    return label_sets.by_ids(labels) if values == 'ids' else labels


def _picture(folder: Path, stem: str) -> Path:
    """Return the one picture of a stem, its ending in any case; DataError for none or several."""
    found = [p for p in folder.glob(f'{escape(stem)}.*') if p.suffix.lower() in SUFFIXES]
    found = sorted(p for p in found if p.stem == stem)
    if not found:
        raise DataError(f'{folder / stem} is missing (looked for {", ".join(SUFFIXES)})')
    if len(found) > 1:
        raise DataError(
            f'{folder} has several pictures {", ".join(p.name for p in found)}: which?'
        )
    return found[0]
