"""Recorded images come out as RGB frames and masks of class ids, whatever way they are stored."""

import numpy as np
import pytest

from asap_ros.bags import images, topics
from asap_ros.bags.reader import Bag
from asap_ros.imaging.files import ImageError
from support import tiny_bags


def first(tmp_path, topic):
    with Bag(tiny_bags.write(tmp_path / 'drive', [topic], 1)) as bag:
        (message,) = bag.messages(*bag.topics)
    return message


def rgb(message):
    return images.rgb(images.picture(message))


def test_raw_frames_are_exact_and_jpeg_frames_close(tmp_path):
    assert (rgb(first(tmp_path / '1', tiny_bags.RAW)) == tiny_bags.picture(0)).all()
    jpeg = rgb(first(tmp_path / '2', tiny_bags.JPEG)).astype(int)
    assert np.abs(jpeg - tiny_bags.picture(0)).mean() < 5


def test_masks_keep_their_ids(tmp_path):
    message = first(tmp_path, tiny_bags.MASK)
    assert (images.mask(message) == tiny_bags.reference_mask(0)).all()


def test_a_coloured_picture_is_no_mask(tmp_path):
    with pytest.raises(ImageError, match='image_raw holds rgb pictures; a label mask has one'):
        images.mask(first(tmp_path, tiny_bags.RAW))


def test_the_camera_of_a_bag_is_decoded_by_its_type(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        message = next(bag.messages(topics.image_topic(bag)))
    assert rgb(message).shape == (*tiny_bags.SIZE, 3)
