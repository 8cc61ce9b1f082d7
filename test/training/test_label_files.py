"""Label masks come out as they were stored, whatever the depth; what changes them is refused."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from asap_ros.imaging import files
from asap_ros.imaging.files import ImageError
from asap_training import label_files

IDS = np.random.default_rng(0).integers(0, 2, (6, 10)).astype(np.uint8)


def png(path, ids, bits, colour_type=0):
    """Write a PNG of few bits by hand: no library keeps the values as they are."""
    height, width = ids.shape
    rows = b''
    for row in ids:
        digits = ''.join(f'{value:0{bits}b}' for value in row)
        rows += b'\0' + bytes(
            int(digits[at : at + 8].ljust(8, '0'), 2) for at in range(0, len(digits), 8)
        )

    def chunk(name, data):
        return (
            struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        )

    palette = chunk(b'PLTE', bytes(3 * 2**bits)) if colour_type == 3 else b''
    header = struct.pack('>IIBBBBB', width, height, bits, colour_type, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + palette
        + chunk(b'IDAT', zlib.compress(rows))
        + chunk(b'IEND', b'')
    )
    return path


@pytest.mark.parametrize('colour_type', [0, 3], ids=['grey', 'palette'])
@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_values_of_any_depth_are_not_scaled(tmp_path, bits, colour_type):
    ids = np.random.default_rng(bits).integers(0, 2**bits, (6, 10)).astype(np.uint8)
    ids = np.minimum(ids, 84)  # as many as the palette above has
    np.testing.assert_array_equal(
        label_files.read(png(tmp_path / 'mask.png', ids, bits, colour_type)), ids
    )


def test_sixteen_bits_and_lossless_webp(tmp_path):
    ids = np.random.default_rng(1).integers(0, 256, (6, 10))
    cv2.imwrite(str(tmp_path / 'mask.png'), ids.astype(np.uint16))
    np.testing.assert_array_equal(label_files.read(tmp_path / 'mask.png'), ids)
    grey = Image.fromarray(np.repeat(ids[..., None], 3, axis=2).astype(np.uint8))
    grey.save(tmp_path / 'mask.webp', lossless=True)
    np.testing.assert_array_equal(label_files.read(tmp_path / 'mask.webp'), ids)


@pytest.mark.parametrize(
    'name, pixels, options, says',
    [
        ('mask.jpg', IDS, {}, 'lossy jpeg'),
        ('mask.webp', np.repeat(IDS[..., None], 3, axis=2), {'quality': 90}, 'lossy webp'),
        ('mask.png', np.repeat(IDS[..., None], 3, axis=2), {}, 'channels RGB.*class ids'),
        ('mask.png', np.full((4, 4), 300, np.uint16), {}, 'label id 300'),
    ],
)
def test_what_is_no_mask_is_refused_by_name(tmp_path, name, pixels, options, says):
    Image.fromarray(pixels).save(tmp_path / name, **options)
    with pytest.raises(ImageError, match=f'{name}.*{says}'):
        label_files.read(tmp_path / name)


@pytest.mark.parametrize('orientation', [2, 3, 6])
def test_an_exif_orientation_turns_no_picture(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :12] = 255
    Image.fromarray(pixels).save(tmp_path / 'picture.jpg', exif=exif, quality=95)
    found = files.read(tmp_path / 'picture.jpg')
    assert found.shape == pixels.shape
    assert found[2, 2].min() > 200 and found[12, 20].max() < 50
