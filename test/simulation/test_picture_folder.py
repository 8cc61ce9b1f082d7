from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml

from asap_ros import labels
from asap_simulation import picture_folder

CITYSCAPES = labels.load('cityscapes')


@pytest.mark.slow
def test_frames_for_training_differ_and_are_the_same_for_one_seed():
    made = list(picture_folder.samples(7, 3, 64, 96))
    again = list(picture_folder.samples(2, 3, 64, 96))
    for a, b in zip(made, again):
        assert a.name == b.name
        np.testing.assert_array_equal(a.rgb, b.rgb)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert len({sample.name for sample in made}) == 7
    assert len({sample.name.split('_')[0] for sample in made}) == 2, 'a world is left after six'
    assert all((a.rgb != b.rgb).mean() > 0.3 for a, b in zip(made, made[1:]))
    assert all((sample.mask == CITYSCAPES.id_of('road')).mean() > 0.05 for sample in made)


def test_the_folder_holds_pictures_labels_and_their_meaning(tmp_path):
    root = tmp_path / 'rendered'
    picture_folder.start(root)
    (sample,) = picture_folder.samples(1, 1, 64, 96, ('winding',))
    picture_folder.write(root, sample)
    meaning = yaml.safe_load((root / 'labels.yaml').read_text())
    assert meaning == {'label_set': CITYSCAPES.name, 'values': 'ids'}
    image = cv2.imread(str(root / 'images' / f'{sample.name}.png'))
    mask = cv2.imread(str(root / 'labels' / f'{sample.name}.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(image[..., ::-1], sample.rgb)
    np.testing.assert_array_equal(mask, sample.mask)
    assert len(list((root / 'images').iterdir())) == 1


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('kept')
    with pytest.raises(FileExistsError, match='exists already'):
        picture_folder.start(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']
