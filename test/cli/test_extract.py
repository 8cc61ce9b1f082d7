"""Frames and reference masks of recorded drives become a folder to train on."""

import cv2
import numpy as np
import pytest
import yaml

from asap_ros.cli import extract
from support import tiny_bags


def test_frames_with_masks_become_pairs(tmp_path, capsys):
    bag = tiny_bags.write(tmp_path / 'drive', frames=3)
    assert extract.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    assert 'drive: 3 pairs' in capsys.readouterr().out
    images = sorted((tmp_path / 'out' / 'images').iterdir())
    masks = sorted((tmp_path / 'out' / 'labels').iterdir())
    assert [p.name for p in images] == [p.name for p in masks]
    assert images[0].stem == f'drive_{tiny_bags.START_NS}'
    pixels = cv2.imread(str(images[1]), cv2.IMREAD_COLOR_RGB)
    assert np.abs(pixels.astype(int) - tiny_bags.picture(1)).mean() < 12, 'JPEG, in RGB'
    mask = cv2.imread(str(masks[1]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, tiny_bags.reference_mask(1))
    stated = yaml.safe_load((tmp_path / 'out' / 'labels.yaml').read_text())
    assert stated == {'label_set': 'cityscapes', 'values': 'ids'}


def test_size_and_every_and_several_drives_into_one_folder(tmp_path):
    bags = [tiny_bags.write(tmp_path / name, frames=5) for name in ('a', 'b')]
    for _ in range(2):  # the second call finds all there and changes nothing
        extract.main(
            [*map(str, bags), '--out', str(tmp_path / 'out'), '--size', '16x32', '--every', '2']
        )
    masks = sorted((tmp_path / 'out' / 'labels').iterdir())
    assert [p.name[0] for p in masks] == ['a'] * 3 + ['b'] * 3
    for path in (masks[0], tmp_path / 'out' / 'images' / masks[0].name):
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[:2] == (16, 32)


@pytest.mark.parametrize(
    'topics, extra, message',
    [
        ([tiny_bags.RAW], [], 'no reference masks'),
        (tiny_bags.DRIVE, ['--reference-labels', 'idd_lite'], 'id 10, which is none of idd_lite'),
        (tiny_bags.DRIVE, ['--reference-labels', 'mars'], 'mars'),
        (tiny_bags.DRIVE, ['--reference-topic', '/other'], 'no reference topic /other'),
    ],
)
def test_what_cannot_be_extracted_is_said(tmp_path, capsys, topics, extra, message):
    bag = tiny_bags.write(tmp_path / 'drive', topics, 2)
    assert extract.main([str(bag), '--out', str(tmp_path / 'out'), *extra]) == 2
    assert message in capsys.readouterr().err


def test_masks_of_another_label_set_do_not_mix(tmp_path, capsys):
    bag = tiny_bags.write(tmp_path / 'drive', frames=2)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'labels.yaml').write_text('label_set: camvid')
    assert extract.main([str(bag), '--out', str(tmp_path / 'out')]) == 2
    assert 'says otherwise' in capsys.readouterr().err
