"""Reading training data, and what is said of data that is missing or damaged."""

import cv2
import numpy as np
import pytest

from asap_ros import labels
from asap_training import datasets
from asap_training.datasets import DataError

CAMVID = labels.load('camvid')


def test_camvid_is_read_as_rgb_with_unlabelled_ignored(tiny_camvid):
    data = datasets.camvid(tiny_camvid, 'train', CAMVID)
    image, mask = data.read(0)
    assert len(data.pairs) == 8
    assert image.shape == (64, 96, 3) and mask.shape == (64, 96)
    assert image[0, 0, 2] > image[0, 0, 0], 'the sky is blue in RGB'
    assert set(np.unique(mask)) == {0, 3, 255}


def test_labels_of_another_set_are_mapped(tmp_path):
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    mask = np.array([[7, 26, 1, 23]], np.uint8)  # labelIds of road, car, ego vehicle, sky
    cv2.imwrite(str(tmp_path / 'labels' / 'a.png'), mask)
    cv2.imwrite(str(tmp_path / 'images' / 'a.jpg'), np.zeros((1, 4, 3), np.uint8))
    packaged = labels.resources.find('config/labels/cityscapes.yaml')
    (tmp_path / 'labels.yaml').write_text(packaged.read_text())
    data = datasets.folder(tmp_path, '', CAMVID)
    assert data.read(0)[1].tolist() == [[3, 8, 255, 0]]


@pytest.mark.parametrize('damage, message', [
    (lambda root: (root / 'train' / 'train_3.png').write_bytes(b'\x89PNG nothing'),
     r'train_3\.png cannot be read'),
    (lambda root: cv2.imwrite(str(root / 'trainannot' / 'train_5.png'),
                              np.zeros((8, 8), np.uint8)), r'96x64 but .*train_5\.png is 8x8'),
    (lambda root: cv2.imwrite(str(root / 'trainannot' / 'train_1.png'),
                              np.full((64, 96), 200, np.uint8)), r'train_1\.png holds no known'),
    (lambda root: cv2.imwrite(str(root / 'trainannot' / 'train_2.png'),
                              np.zeros((64, 96, 3), np.uint8)), 'one channel of 8 bits')])
def test_damaged_pairs_are_named_before_training(tiny_camvid, damage, message):
    damage(tiny_camvid)
    with pytest.raises(DataError, match=message):
        datasets.camvid(tiny_camvid, 'train', CAMVID).check()


def test_a_sound_set_passes_the_check(tiny_camvid):
    datasets.camvid(tiny_camvid, 'val', CAMVID).check()


@pytest.mark.parametrize('break_it, message', [
    (lambda root: (root / 'train.txt').unlink(), r'train\.txt is missing'),
    (lambda root: (root / 'train.txt').write_text('\n'), 'nothing in split train'),
    (lambda root: (root / 'train' / 'train_0.png').unlink(), 'train_0 is missing')])
def test_missing_files_are_named(tiny_camvid, break_it, message):
    break_it(tiny_camvid)
    with pytest.raises(DataError, match=message):
        datasets.camvid(tiny_camvid, 'train', CAMVID)


def test_a_folder_without_labels_or_pictures_is_named(tmp_path):
    with pytest.raises(DataError, match=r'labels\.yaml is missing'):
        datasets.folder(tmp_path, '', CAMVID)
    (tmp_path / 'labels.yaml').write_text(
        labels.resources.find('config/labels/camvid.yaml').read_text())
    with pytest.raises(DataError, match='images holds no picture'):
        datasets.folder(tmp_path, '', CAMVID)
