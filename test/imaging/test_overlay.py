"""The overlay shows the classes it is given, where they are, and nothing it is not given."""

import numpy as np
import pytest

from asap_ros import labels
from asap_ros.imaging import overlay

CAMVID = labels.load('camvid')


def frame(height=4, width=6, value=100):
    return np.full((height, width, 3), value, np.uint8)


def test_colours_are_those_of_the_label_set_in_rgb_order():
    mask = np.arange(11, dtype=np.uint8).reshape(1, 11)
    assert (overlay.colourise(mask, CAMVID) == CAMVID.colours[mask]).all()


def test_blend_mixes_frame_and_colour():
    road = np.full((4, 6), CAMVID.id_of('road'), np.uint8)
    mixed = overlay.blend(frame(), road, CAMVID, 0.25)
    expected = 0.75 * 100 + 0.25 * np.array(CAMVID.classes[3].colour)
    assert mixed.dtype == np.uint8
    assert np.abs(mixed - expected).max() <= 0.5


def test_blend_at_the_ends_is_frame_or_colour():
    road = np.full((4, 6), CAMVID.id_of('road'), np.uint8)
    assert (overlay.blend(frame(), road, CAMVID, 0.0) == 100).all()
    assert (overlay.blend(frame(), road, CAMVID, 1.0) == CAMVID.classes[3].colour).all()


def test_ignored_pixels_keep_the_frame_and_the_input_is_untouched():
    mask = np.full((4, 6), 3, np.uint8)
    mask[:, 3:] = 255
    rgb = frame()
    mixed = overlay.blend(rgb, mask, CAMVID, 1.0)
    assert (mixed[:, 3:] == 100).all() and (mixed[:, :3] == CAMVID.classes[3].colour).all()
    assert (rgb == 100).all()


def test_a_smaller_mask_is_enlarged_by_nearest_neighbour():
    mask = np.array([[3, 8]], np.uint8)
    mixed = overlay.blend(frame(2, 8), mask, CAMVID, 1.0)
    assert (mixed[:, :4] == CAMVID.classes[3].colour).all()
    assert (mixed[:, 4:] == CAMVID.classes[8].colour).all()


def test_resize_never_invents_an_id():
    mask = np.random.default_rng(0).choice([0, 10, 255], (37, 53)).astype(np.uint8)
    assert set(np.unique(overlay.resize_mask(mask, (90, 41)))) <= {0, 10, 255}


@pytest.mark.parametrize(
    'rgb, mask, opacity',
    [
        (frame()[..., 0], np.zeros((4, 6), np.uint8), 0.5),
        (frame(), np.zeros((4, 6, 1), np.uint8), 0.5),
        (frame(), np.zeros((4, 6), np.uint8), 1.5),
        (frame(), np.zeros((4, 6), np.uint8), float('nan')),
    ],
)
def test_wrong_input_is_refused(rgb, mask, opacity):
    with pytest.raises(ValueError, match='overlay'):
        overlay.blend(rgb, mask, CAMVID, opacity)


def test_errors_are_red_only_where_the_reference_knows_better():
    mask = np.array([[3, 3, 3]], np.uint8)
    reference = np.array([[3, 8, 255]], np.uint8)
    right, wrong, ignored = overlay.draw_errors(frame(1, 3), mask, reference)[0].astype(int)
    assert (right == 100).all()
    assert wrong[0] > 190 and wrong[1] < 70 and wrong[2] < 70
    assert (ignored == 25).all()


@pytest.mark.parametrize('width', [200, 640, 1280])
@pytest.mark.parametrize('name', ['camvid', 'cityscapes'])
def test_legend_shows_every_colour(name, width):
    label_set = labels.load(name)
    extra = (('wrong', overlay.ERROR_COLOUR),)
    picture = overlay.legend(label_set, width, extra)
    assert picture.shape[1] == width and picture.shape[0] % 24 == 0
    seen = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert {c.colour for c in label_set.classes} | {overlay.ERROR_COLOUR} <= seen


def test_caption_has_the_size_asked_for_and_ink_on_it_even_when_too_long():
    for text in ('frame 3', 'a very long sentence that cannot fit ' * 5):
        strip = overlay.caption(text, 300, 24)
        assert strip.shape == (24, 300, 3)
        ink = np.argwhere((strip > 120).all(-1))
        assert len(ink) and ink[:, 1].max() < 300 - 2
