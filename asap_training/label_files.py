"""Label masks in picture files: the ids as they are stored, whatever the depth."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from asap_ros.imaging import files
from asap_ros.imaging.files import ImageError

MOST_BITS = 16
COLOURS = 'convert its colours to class ids'


def read(path: Path) -> np.ndarray:
    """Return the ids of a label mask, uint8 (H, W).

    PNG of 1, 2, 4, 8 or 16 bits, of grey values or of palette indices, and lossless WebP; values
    are not scaled to the depth and a palette's colours count for nothing. Raises ImageError,
    naming the file, for anything else and for ids above 255.
    """
    try:
        data = path.read_bytes()
        file = files.inspect(data, MOST_BITS)
        if not file.lossless:
            raise ImageError(
                f'it is a lossy {file.kind}, which changes label values: save masks as PNG'
            )
        with Image.open(io.BytesIO(data)) as picture:
            return _ids(picture, file.bits)
    except (OSError, ImageError) as error:
        raise ImageError(f'{path} cannot be read as a label mask: {error}') from error


def _ids(picture: Image.Image, bits: int) -> np.ndarray:
    if picture.mode in ('RGB', 'RGBA') and picture.format == 'WEBP':  # WebP knows no grey
        pixels = np.asarray(picture.convert('RGB'))
        if (pixels != pixels[..., :1]).any():
            raise ImageError(f'it has colours: {COLOURS}')
        return np.ascontiguousarray(pixels[..., 0])
    if picture.mode not in ('1', 'L', 'P', 'I', 'I;16'):
        raise ImageError(
            f'it has the channels {picture.mode}, a mask has one channel of 8 bits: {COLOURS}'
        )
    ids = np.asarray(picture).astype(np.int64)
    if picture.mode == 'L' and bits < 8:  # Pillow stretches these depths to 0 ... 255
        ids //= 255 // (2**bits - 1)
    if ids.max(initial=0) > 255:
        raise ImageError(f'it holds label id {ids.max()}: ids are 0 to 255')
    return ids.astype(np.uint8)
