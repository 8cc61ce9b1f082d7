"""The one rule from camera pixels to network input: sizes, colours, interpolation, memory."""

from __future__ import annotations

import numpy as np
import pytest

from asap_ros.imaging.pixel_formats import PixelFormat, resize, to_rgb_at

REORDERED = {
    PixelFormat.RGB: lambda rgb: rgb,
    PixelFormat.BGR: lambda rgb: rgb[..., ::-1],
    PixelFormat.RGBA: lambda rgb: np.dstack([rgb, 255 - rgb[..., 0]]),
    PixelFormat.BGRA: lambda rgb: np.dstack([rgb[..., ::-1], 255 - rgb[..., 0]]),
}


def noise(height: int, width: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, *channels), np.uint8)


@pytest.mark.parametrize('factor', [2, 4])
def test_shrinking_to_a_half_or_less_averages_every_pixel(factor):
    pixels = noise(32, 64, 3)
    blocks = pixels.reshape(32 // factor, factor, 64 // factor, factor, 3)
    mean = blocks.astype(float).mean(axis=(1, 3))
    result = resize(pixels, (32 // factor, 64 // factor))
    assert np.abs(result - mean).max() <= 1


def test_a_thin_pole_survives_a_reduction_to_a_third():
    pixels = np.zeros((30, 90), np.uint8)
    pixels[:, 45] = 240
    assert resize(pixels, (10, 30))[:, 15].tolist() == [80] * 10


def test_one_side_at_a_half_is_enough_for_averaging():
    pixels = np.zeros((30, 90), np.uint8)
    pixels[:, 45] = 240
    assert resize(pixels, (30, 30))[:, 15].tolist() == [80] * 30


@pytest.mark.parametrize('size', [(64, 96), (30, 40), (18, 27)])
def test_smaller_changes_of_size_are_linear_with_pixel_centres_kept(size):
    height, width = 32, 48
    plane = np.add.outer(2.0 * np.arange(height), 3.0 * np.arange(width))
    v = (np.arange(size[0]) + 0.5) * height / size[0] - 0.5
    u = (np.arange(size[1]) + 0.5) * width / size[1] - 0.5
    expected = np.add.outer(2.0 * v.clip(0, height - 1), 3.0 * u.clip(0, width - 1))
    result = resize(plane.astype(np.uint8), size)
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize('size', [(24, 40), (12, 20), (48, 80), (20, 31)])
@pytest.mark.parametrize('layout', REORDERED, ids=lambda layout: layout.label)
def test_colours_reordered_after_resizing_are_those_reordered_before(layout, size):
    rgb = noise(24, 40, 3)
    result = to_rgb_at(REORDERED[layout](rgb), layout, size)
    assert result.flags.c_contiguous and result.dtype == np.uint8
    np.testing.assert_array_equal(result, to_rgb_at(rgb, PixelFormat.RGB, size))


def test_grey_becomes_three_equal_channels():
    grey = noise(24, 40)
    result = to_rgb_at(grey, PixelFormat.GREY, (24, 40))
    np.testing.assert_array_equal(result, np.dstack([grey] * 3))


@pytest.mark.parametrize(
    'layout',
    [PixelFormat.YUYV, PixelFormat.UYVY, PixelFormat.BAYER_GRBG],
    ids=lambda layout: layout.label,
)
def test_pixels_that_share_colours_are_converted_before_they_are_resized(layout):
    pixels = noise(*layout.shape(24, 40))
    full = to_rgb_at(pixels, layout, (24, 40))
    np.testing.assert_array_equal(to_rgb_at(pixels, layout, (12, 20)), resize(full, (12, 20)))


@pytest.mark.parametrize('size', [(24, 40), (12, 20), (30, 50)])
@pytest.mark.parametrize('layout', PixelFormat, ids=lambda layout: layout.label)
def test_out_receives_the_result_in_place(layout, size):
    pixels = noise(*layout.shape(24, 40))
    batch = np.zeros((2, *size, 3), np.uint8)
    result = to_rgb_at(pixels, layout, size, out=batch[1])
    assert np.shares_memory(result, batch)
    np.testing.assert_array_equal(batch[1], to_rgb_at(pixels, layout, size))
    assert not batch[0].any()


def test_rgb_that_fits_is_not_copied_and_a_strided_or_read_only_view_is_read():
    rows = noise(24, 150)
    view = np.ndarray((24, 40, 3), np.uint8, buffer=rows, strides=(150, 3, 1))
    view.flags.writeable = False
    fits = np.ascontiguousarray(view)
    assert np.shares_memory(to_rgb_at(fits, PixelFormat.RGB, (24, 40)), fits)
    for size in ((24, 40), (12, 20)):
        result = to_rgb_at(view, PixelFormat.RGB, size)
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, to_rgb_at(fits, PixelFormat.RGB, size))


@pytest.mark.parametrize(
    'pixels, layout',
    [
        (np.zeros((4, 4, 4), np.uint8), PixelFormat.RGB),
        (np.zeros((4, 4), np.uint8), PixelFormat.RGB),
        (np.zeros((4, 4, 1), np.uint8), PixelFormat.GREY),
        (np.zeros((4, 4, 3), np.float32), PixelFormat.RGB),
        (np.zeros((0, 4, 3), np.uint8), PixelFormat.RGB),
    ],
)
def test_pixels_that_are_not_what_the_layout_says_are_refused(pixels, layout):
    with pytest.raises(ValueError, match=f'{layout.label} pixels must be uint8'):
        to_rgb_at(pixels, layout, (2, 2))


@pytest.mark.parametrize(
    'out',
    [
        np.zeros((2, 3, 3), np.uint8),
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 3), np.int8),
        np.zeros((2, 4, 3), np.uint8)[:, ::2],
    ],
)
def test_an_out_that_cannot_hold_the_result_is_refused(out):
    with pytest.raises(ValueError, match='out must be'):
        to_rgb_at(np.zeros((4, 4, 3), np.uint8), PixelFormat.RGB, (2, 2), out=out)


@pytest.mark.parametrize('size', [(0, 4), (4, 0), (-1, 4)])
def test_a_size_below_one_is_refused(size):
    with pytest.raises(ValueError, match='at least 1'):
        resize(np.zeros((4, 4, 3), np.uint8), size)


def test_only_rgb_needs_no_conversion_and_no_two_layouts_are_one():
    assert [layout for layout in PixelFormat if layout.to_rgb is None] == [PixelFormat.RGB]
    assert len({layout.label for layout in PixelFormat}) == len(PixelFormat.__members__)
