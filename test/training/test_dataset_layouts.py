"""Where each data set's files are looked for, and what is said of those that are missing."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from asap_ros import labels
from asap_ros.labels import LabelError
from asap_training import dataset_layouts, datasets
from asap_training.datasets import DataError
from support import tiny_datasets

CAMVID = labels.load('camvid')


@pytest.mark.parametrize(
    'break_it, message',
    [
        (lambda root: (root / 'train.txt').unlink(), r'train\.txt is missing'),
        (lambda root: (root / 'train.txt').write_text('\n'), 'nothing in split train'),
        (lambda root: (root / 'train' / 'train_0.png').unlink(), 'train_0 is missing'),
    ],
)
def test_missing_files_of_camvid_are_named(tiny_camvid, break_it, message):
    break_it(tiny_camvid)
    with pytest.raises(DataError, match=message):
        dataset_layouts.camvid(tiny_camvid, 'train')


def test_lines_of_two_paths_name_the_pair_too(tiny_camvid):
    stems = (tiny_camvid / 'train.txt').read_text().split()
    expected = dataset_layouts.camvid(tiny_camvid, 'train').pairs
    (tiny_camvid / 'train.txt').write_text(
        ''.join(f'/SegNet/CamVid/train/{s}.png /SegNet/CamVid/trainannot/{s}.png\n' for s in stems)
    )
    assert dataset_layouts.camvid(tiny_camvid, 'train').pairs == expected


def test_cityscapes_is_paired_across_cities_and_label_ids_become_train_ids(tmp_path):
    root = tiny_datasets.cityscapes(tmp_path)
    found = dataset_layouts.cityscapes(root, 'train')
    assert [p.image.name for p in found.pairs] == [
        'aachen_000000_000019_leftImg8bit.png',
        'aachen_000001_000019_leftImg8bit.png',
        'bremen_000000_000019_leftImg8bit.png',
        'bremen_000001_000019_leftImg8bit.png',
    ]
    assert all(p.annotation.name.endswith('_gtFine_labelIds.png') for p in found.pairs)
    _, mask = datasets.labelled_dataset(found, labels.load('cityscapes')).read(0)
    assert set(np.unique(mask)) == {0, 10, 255}, 'road, sky, and the bonnet is ignored'


@pytest.mark.parametrize(
    'tree, name, missing',
    [
        (
            'gtFine',
            'aachen_000001_000019_gtFine_labelIds.png',
            'gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png',
        ),
        (
            'leftImg8bit',
            'aachen_000001_000019_leftImg8bit.png',
            'leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png',
        ),
    ],
)
def test_missing_files_of_cityscapes_are_named(tmp_path, tree, name, missing):
    root = tiny_datasets.cityscapes(tmp_path)
    (root / tree / 'train' / 'aachen' / name).unlink()
    with pytest.raises(DataError, match='1 files are missing') as refused:
        dataset_layouts.cityscapes(root, 'train')
    assert str(root / missing) in str(refused.value)


def test_a_split_that_is_empty_or_not_there_is_named(tmp_path):
    root = tiny_datasets.cityscapes(tmp_path)
    with pytest.raises(DataError, match='leftImg8bit/test is missing'):
        dataset_layouts.cityscapes(root, 'test')
    (root / 'leftImg8bit' / 'test' / 'berlin').mkdir(parents=True)
    with pytest.raises(DataError, match='nothing in split test'):
        dataset_layouts.cityscapes(root, 'test')


@pytest.mark.parametrize(
    'layout, image, annotation, values, expected',
    [
        (
            'idd',
            'frame7_leftImg8bit.jpg',
            'frame7_gtFine_labellevel3Ids.png',
            [0, 25, 255],
            ['road', 'sky', None],
        ),
        ('idd_lite', '7_image.jpg', '7_label.png', [0, 6, 255], ['drivable', 'sky', None]),
    ],
)
def test_idd_is_read_in_its_own_names(tmp_path, layout, image, annotation, values, expected):
    mask = np.repeat(np.array(values, np.uint8), 4)[None].repeat(8, 0)
    for tree, name, pixels in (
        ('leftImg8bit', image, np.zeros((8, 12, 3), np.uint8)),
        ('gtFine', annotation, mask),
    ):
        folder = tmp_path / tree / 'val' / '119'
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / name), pixels)
    found = dataset_layouts.LAYOUTS[layout](tmp_path, 'val')
    own = labels.load(layout)
    seen = datasets.labelled_dataset(found, own).read(0)[1][0, ::4].tolist()
    assert [None if value == 255 else own.names[value] for value in seen] == expected
    if layout == 'idd':
        table = datasets.labelled_dataset(found, labels.load('cityscapes')).table
        assert [labels.load('cityscapes').names[v] for v in table[[0, 25]]] == ['road', 'sky']


def plain(root: Path, values: list[int], text: str) -> Path:
    """Write a plain folder of one pair whose mask is one row of values."""
    for name in ('images', 'labels'):
        (root / name).mkdir()
    cv2.imwrite(str(root / 'labels' / 'a.png'), np.array([values], np.uint8))
    cv2.imwrite(str(root / 'images' / 'a.jpg'), np.zeros((1, len(values), 3), np.uint8))
    (root / 'labels.yaml').write_text(text)
    return root


@pytest.mark.parametrize(
    'text, values',
    [
        (labels.resources.find('config/labels/cityscapes.yaml').read_text(), [7, 26, 1, 23]),
        ('label_set: cityscapes', [7, 26, 1, 23]),
        ('{label_set: cityscapes, values: ids}', [0, 13, 255, 10]),
    ],
)
def test_a_plain_folder_says_what_its_values_mean(tmp_path, text, values):
    found = dataset_layouts.folder(plain(tmp_path, values, text), '')
    assert datasets.labelled_dataset(found, CAMVID).read(0)[1].tolist() == [[3, 8, 255, 0]]


@pytest.mark.parametrize(
    'text, message',
    [
        ('label_set: [', 'not YAML'),
        ('{label_set: cityscapes, values: names}', 'neither ids nor'),
        ('3', 'not a label set'),
    ],
)
def test_labels_that_cannot_be_understood_are_named(tmp_path, text, message):
    with pytest.raises(LabelError, match=f'(?s)labels.yaml.*{message}'):
        dataset_layouts.folder(plain(tmp_path, [0], text), '')


def test_a_folder_without_labels_pictures_or_a_partner_is_named(tmp_path):
    with pytest.raises(DataError, match=r'labels\.yaml is missing'):
        dataset_layouts.folder(tmp_path, '')
    (tmp_path / 'labels.yaml').write_text('label_set: camvid')
    with pytest.raises(DataError, match='images holds no picture'):
        dataset_layouts.folder(tmp_path, '')
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'b.png'), np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(DataError, match='labels/b is missing'):
        dataset_layouts.folder(tmp_path, '')


def test_endings_are_taken_in_any_case(tmp_path):
    for name in ('images/A.JPG', 'labels/A.PNG'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'labels.yaml').write_text('label_set: camvid')
    (pair,) = dataset_layouts.folder(tmp_path, '').pairs
    assert (pair.image.name, pair.annotation.name) == ('A.JPG', 'A.PNG')


@pytest.mark.parametrize(
    'names, says',
    [
        (('images/a.jpg', 'images/a.png', 'labels/a.png'), 'two pictures of one stem: a'),
        (('images/a.jpg', 'labels/a.png', 'labels/a.webp'), 'several pictures a.png, a.webp'),
        (('images/a.jpg', 'labels/a.png', 'labels/b.png'), '1 labels in .* no picture: b.png'),
    ],
)
def test_pictures_and_labels_that_do_not_pair_are_named(tmp_path, names, says):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'labels.yaml').write_text('label_set: camvid')
    with pytest.raises(DataError, match=says):
        dataset_layouts.folder(tmp_path, '')
