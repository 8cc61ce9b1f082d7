"""Reading training data, and what is said of data that is damaged."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from asap_ros import labels
from asap_ros.labels import LabelError
from asap_training import dataset_layouts, datasets
from asap_training.datasets import DataError

CAMVID = labels.load('camvid')


def training(root: Path, split: str = 'train', **settings):
    return datasets.labelled_dataset(dataset_layouts.camvid(root, split), CAMVID, **settings)


def test_camvid_is_read_as_rgb_with_unlabelled_ignored(tiny_camvid):
    data = training(tiny_camvid)
    image, mask = data.read(0)
    assert len(data.pairs) == 8
    assert image.shape == (64, 96, 3) and mask.shape == (64, 96)
    assert image[0, 0, 2] > image[0, 0, 0], 'the sky is blue in RGB'
    assert set(np.unique(mask)) == {0, 3, 255}


def test_pairs_are_resized_on_reading_without_new_labels(tiny_camvid):
    image, mask = training(tiny_camvid, resize=(32, 64)).read(0)
    assert image.shape == (32, 64, 3) and mask.shape == (32, 64)
    assert set(np.unique(mask)) == {0, 3, 255}


def test_a_mapping_of_ones_own_replaces_the_stated_one(tiny_camvid):
    mask = training(tiny_camvid, classes={'road': 'pavement'}).read(0)[1]
    assert set(np.unique(mask)) == {4, 255}
    with pytest.raises(LabelError, match='no class'):
        training(tiny_camvid, classes={'moon': 'sky'})
    with pytest.raises(LabelError, match='none of its classes'):
        training(tiny_camvid, classes={})


@pytest.mark.parametrize(
    'damage, message',
    [
        (
            lambda root: (root / 'train' / 'train_3.png').write_bytes(b'\x89PNG nothing'),
            r'train_3\.png cannot be read',
        ),
        (lambda root: cut_in_half(root / 'train' / 'train_4.png'), r'train_4\.png .* cut off'),
        (lambda root: (root / 'trainannot' / 'train_0.png').unlink(), r'train_0\.png'),
        (
            lambda root: cv2.imwrite(
                str(root / 'trainannot' / 'train_5.png'), np.zeros((8, 8), np.uint8)
            ),
            r'96x64 but .*train_5\.png is 8x8',
        ),
        (
            lambda root: cv2.imwrite(
                str(root / 'trainannot' / 'train_1.png'), np.full((64, 96), 11, np.uint8)
            ),
            r'train_1\.png holds no labelled',
        ),
        (
            lambda root: cv2.imwrite(
                str(root / 'trainannot' / 'train_6.png'), np.full((64, 96), 57, np.uint8)
            ),
            r'train_6\.png holds label id 57',
        ),
        (
            lambda root: cv2.imwrite(
                str(root / 'trainannot' / 'train_2.png'), np.zeros((64, 96, 3), np.uint8)
            ),
            'one channel of 8 bits',
        ),
    ],
)
def test_damaged_pairs_are_named_before_training(tiny_camvid, damage, message):
    data = training(tiny_camvid)
    damage(tiny_camvid)
    with pytest.raises(DataError, match=message) as refused:
        datasets.survey([data], 11, progress=False)
    assert str(refused.value).startswith('1 pairs are damaged:')


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize('suffix', ['.jpg', '.webp', '.png'])
def test_a_picture_that_was_cut_off_is_damaged_whatever_its_kind(tiny_camvid, suffix):
    image = cv2.imread(str(tiny_camvid / 'train' / 'train_0.png'))
    (tiny_camvid / 'train' / 'train_0.png').unlink()
    path = tiny_camvid / 'train' / f'train_0{suffix}'
    cv2.imwrite(str(path), image)
    assert training(tiny_camvid).read(0)[0].shape == (64, 96, 3)
    cut_in_half(path)
    with pytest.raises(DataError, match=f'train_0{suffix} cannot be read'):
        training(tiny_camvid).read(0)


def test_the_survey_counts_pixels_by_class_and_weight(tiny_camvid):
    data = training(tiny_camvid)
    once = datasets.survey([data], 11, progress=False)
    masks = np.stack([data.read(i)[1] for i in range(8)])
    assert once[0] == (masks == 0).sum() and once[3] == (masks == 3).sum()
    both = datasets.survey([data, replace(data, weight=0.5)], 11, progress=False)
    np.testing.assert_allclose(both, 1.5 * once)
