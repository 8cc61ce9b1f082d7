"""Image files are known by their bytes, and refused unless all of them are there."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ros.imaging.files import MAX_PIXELS, ImageError, ImageFile, inspect


def picture(height: int = 37, width: int = 53) -> np.ndarray:
    ramp = np.add.outer(3.0 * np.arange(height), 2.0 * np.arange(width))
    return np.dstack([ramp, ramp[::-1], 255 - ramp]).clip(0, 255).astype(np.uint8)


def encoded(kind: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(f'.{kind}', pixels, options)[1].tobytes()


def chunk(name: bytes, content: bytes = b'') -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', checksum)


def bare_png(height: int, width: int, bits: int = 8, colour_type: int = 2) -> bytes:
    header = struct.pack('>IIBBBBB', width, height, bits, colour_type, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IEND')


FILES = {
    'jpeg': encoded('jpg', picture()),
    'progressive jpeg': encoded('jpg', picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with restarts': encoded('jpg', picture(), cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'grey jpeg': encoded('jpg', picture()[..., 0]),
    'png': encoded('png', picture()),
    'grey png': encoded('png', picture()[..., 0]),
    'webp': encoded('webp', picture(), cv2.IMWRITE_WEBP_QUALITY, 80),
    'lossless webp': encoded('webp', picture(), cv2.IMWRITE_WEBP_QUALITY, 101),
    'webp with alpha': encoded(
        'webp', np.dstack([picture(), picture()[..., 0]]), cv2.IMWRITE_WEBP_QUALITY, 80
    ),
}


@pytest.mark.parametrize('name', FILES)
def test_kind_and_size_are_what_was_encoded(name):
    kind = name.replace('with', '').split()
    kind = next(word for word in kind if word in ('jpeg', 'png', 'webp'))
    lossless = kind == 'png' or name.startswith('lossless')
    expected = ImageFile(kind, 37, 53, name.startswith('grey'), lossless=lossless)
    assert inspect(FILES[name]) == expected


@pytest.mark.parametrize('name', FILES)
def test_a_file_cut_anywhere_is_refused(name):
    data = FILES[name]
    for length in range(len(data)):
        with pytest.raises(ImageError):
            inspect(data[:length])


@pytest.mark.parametrize('name', FILES)
def test_bytes_after_the_end_do_no_harm(name):
    assert inspect(FILES[name] + bytes(4096)) == inspect(FILES[name])


@pytest.mark.parametrize(
    'name, words',
    [
        ('jpeg', 'JPEG of 53x37 pixels cut off: no end-of-image marker'),
        ('png', 'PNG cut off: no end chunk'),
        ('webp', 'WebP cut off: it states'),
    ],
)
def test_the_error_of_half_a_file_says_so(name, words):
    with pytest.raises(ImageError, match=words):
        inspect(FILES[name][: len(FILES[name]) * 2 // 3])


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail = b'Exif\0\0' + FILES['jpeg']
    segment = b'\xff\xe1' + struct.pack('>H', 2 + len(thumbnail)) + thumbnail
    data = encoded('jpg', picture(64, 80))
    data = data[:2] + segment + data[2:]
    assert inspect(data) == ImageFile('jpeg', 64, 80, False)
    with pytest.raises(ImageError, match='no end-of-image'):
        inspect(data[: -len(data) // 8])


@pytest.mark.parametrize('between', [b'\xff', b'\xff' * 5, b'\xff\x01', bytes(7), b'\xff\xd0'])
def test_what_may_stand_between_the_segments_of_a_jpeg_is_passed_over(between):
    data = FILES['jpeg']
    at = data.index(b'\xff\xc0')
    assert inspect(data[:at] + between + data[at:]) == inspect(data)


@pytest.mark.parametrize(
    'colour_type, grey', [(0, True), (2, False), (3, False), (4, True), (6, False)]
)
def test_a_png_is_grey_with_transparency_or_without(colour_type, grey):
    assert inspect(bare_png(8, 8, colour_type=colour_type)).grey is grey


def test_a_changed_bit_of_a_png_is_found_by_its_checksum():
    data = bytearray(FILES['grey png'])
    for at in range(12, len(data), 5):
        data[at] ^= 1
        with pytest.raises(ImageError):
            inspect(bytes(data))
        data[at] ^= 1
    assert inspect(bytes(data)).kind == 'png'


@pytest.mark.parametrize(
    'data, words',
    [
        (b'', 'empty'),
        (b'GIF89a' + bytes(40), '47 49 46 38, which is not JPEG, PNG or WebP'),
        (b'\0\0\0\x01\x67' + bytes(40), 'not JPEG'),
        (bare_png(0, 8), 'png image of 8x0 pixels: zero-sized'),
        (bare_png(8, 8, bits=16), 'PNG of 16 bits'),
        (bare_png(60_000, 60_000), '60000x60000 pixels: more than'),
        (b'\x89PNG\r\n\x1a\n' + chunk(b'IEND'), 'PNG without a header'),
        (b'\xff\xd8\xff\xd9' + bytes(9), 'ends before its image data'),
        (b'\xff\xd8\xff\xda\0\x02\0\xff\xd9', 'without a frame header'),
        (b'\xff\xd8\xff\xc0\0\x11\x0c' + bytes(14), 'JPEG of 12 bits'),
        (b'RIFF\x1c\0\0\0WEBPVP9 ' + bytes(20), 'unknown chunk'),
        (b'RIFF\x04\0\0\0WEBP', 'WebP without a picture'),
    ],
)
def test_what_is_wrong_is_said(data, words):
    with pytest.raises(ImageError, match=words):
        inspect(data)


def test_a_jpeg_header_that_asks_for_gigabytes_is_refused():
    data = FILES['jpeg']
    at = data.index(b'\xff\xc0') + 5
    with pytest.raises(ImageError, match='65535x65535 pixels: more than'):
        inspect(data[:at] + b'\xff\xff\xff\xff' + data[at + 4 :])


def test_the_largest_picture_is_one_of_8k():
    assert inspect(bare_png(4320, 7680)).width == 7680
    with pytest.raises(ImageError, match='more than'):
        inspect(bare_png(1, MAX_PIXELS + 1))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'RIFF', *FILES.values()]),
    st.binary(max_size=200),
    st.integers(0, 400),
)
def test_no_bytes_raise_anything_but_image_error(start, rest, keep):
    try:
        file = inspect(start[:keep] + rest)
    except ImageError:
        return
    assert file.height > 0 and file.width > 0
