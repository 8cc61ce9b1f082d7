"""Recorded images come out as RGB frames and masks of class ids, whatever way they are stored."""

import numpy as np
import pytest
import tiny_bags

from asap_ros import recorded
from asap_ros.evaluation import topics
from asap_ros.evaluation.bags import Bag
from asap_ros.image_files import ImageError


def first(tmp_path, topic):
    with Bag(tiny_bags.write(tmp_path / 'drive', [topic], 1)) as bag:
        (message,) = bag.messages(*bag.topics)
    return message


def rgb(message):
    return recorded.rgb(recorded.picture(message))


def test_raw_frames_are_exact_and_jpeg_frames_close(tmp_path):
    assert (rgb(first(tmp_path / '1', tiny_bags.RAW)) == tiny_bags.picture(0)).all()
    jpeg = rgb(first(tmp_path / '2', tiny_bags.JPEG)).astype(int)
    assert np.abs(jpeg - tiny_bags.picture(0)).mean() < 5


def test_masks_keep_their_ids(tmp_path):
    message = first(tmp_path, tiny_bags.MASK)
    assert (recorded.mask(message) == tiny_bags.reference_mask(0)).all()


def test_a_coloured_picture_is_no_mask(tmp_path):
    with pytest.raises(ImageError, match='image_raw holds rgb pictures; a label mask has one'):
        recorded.mask(first(tmp_path, tiny_bags.RAW))


def test_the_camera_of_a_bag_is_decoded_by_its_type(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        message = next(bag.messages(topics.image_topic(bag)))
    assert rgb(message).shape == (*tiny_bags.SIZE, 3)
