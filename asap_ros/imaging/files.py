"""Picture files: what a JPEG, PNG or WebP says of itself, whether it is whole; reading, writing.

OpenCV decodes what it is given: depending on its version a JPEG that was cut off becomes a
picture with a grey lower half, and a header of a few bytes may ask for gigabytes. So size and
completeness are read from the file before it is decoded.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
"""Endings of the files that are looked for where pictures are asked for."""

MAX_PIXELS = 2**25
"""Largest picture that is decoded, in pixels: an 8K frame (7680x4320) still fits."""

_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_STAND_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}
_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


class ImageError(ValueError):
    """An image that cannot be decoded; the text says what is wrong with it."""


@dataclass(frozen=True)
class ImageFile:
    """A complete image file: ``kind`` jpeg, png or webp; ``grey`` where it has no colours.

    ``bits`` a channel, or of a palette's indices; ``lossless`` where pixels are kept exactly.
    """

    kind: str
    height: int
    width: int
    grey: bool
    bits: int = 8
    lossless: bool = False


def read(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Return the pixels of a whole picture file as OpenCV gives them for ``flags`` (BGR).

    Pixels are as they are stored: an EXIF orientation turns nothing, here as in every reader of
    this project, since a mask beside a picture has none. Raises ImageError, naming the file, where it cannot be read or not all of it is there.
    """
    try:
        return decode(path.read_bytes(), flags)
    except (OSError, ImageError) as error:
        raise ImageError(f'{path} cannot be read as a picture: {error}') from error


def decode(data: bytes, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Return the pixels of a whole picture file's bytes as OpenCV gives them for ``flags`` (BGR).

    Raises ImageError where they are of another kind, too large or not all there.
    """
    file = inspect(data)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'OpenCV cannot decode the {file.kind}: {error}') from error
    if pixels is None:
        raise ImageError(f'the {file.kind} is damaged')
    return pixels


def write(path: Path, pixels: np.ndarray) -> None:
    """Write pixels as OpenCV has them (BGR) in the format of the path's ending.

    The file appears whole or not at all, and is found by nobody before. Raises OSError where it
    cannot be written.
    """
    partial = path.with_name(f'{path.name}.partial')
    try:
        partial.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f'{path} could not be written: {error.strerror}') from error
    os.replace(partial, path)


def inspect(data: bytes, most_bits: int = 8) -> ImageFile:
    """Return what kind and size of image ``data`` is, having seen that the file is complete.

    A JPEG must reach its end marker, a WebP the length it states, a PNG its last chunk with
    every checksum right. What neither JPEG nor WebP can show is damage in their midst. Raises
    ImageError for anything else, for more than ``most_bits`` a channel and for more than MAX_PIXELS
    pixels.
    """
    if not data:
        raise ImageError('the compressed image is empty')
    if data.startswith(b'\xff\xd8'):
        file = _jpeg(data)
    elif data.startswith(_PNG_SIGNATURE):
        file = _png(data)
    elif data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        file = _webp(data)
    else:
        raise ImageError(
            f'the data begin with {data[:4].hex(" ")}, which is not JPEG, PNG or WebP'
        )
    if file.bits > most_bits:
        raise ImageError(
            f'{file.kind.upper()} of {file.bits} bits a channel: only {most_bits} are decoded'
        )
    if file.height < 1 or file.width < 1:
        raise ImageError(f'{file.kind} image of {file.width}x{file.height} pixels: zero-sized')
    if file.height * file.width > MAX_PIXELS:
        raise ImageError(
            f'{file.kind} image of {file.width}x{file.height} pixels: more than the '
            f'{MAX_PIXELS} that are decoded'
        )
    return file


def _jpeg(data: bytes) -> ImageFile:
    file = None
    at = 2
    while True:
        at = data.find(b'\xff', at)
        if at < 0 or at + 4 > len(data):
            raise ImageError(f'JPEG cut off in its header: {len(data)} bytes')
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _STAND_ALONE:
            at += 2
            continue
        if marker == _END_OF_IMAGE:
            raise ImageError('JPEG without a picture: it ends before its image data')
        if marker in _START_OF_FRAME:
            if at + 10 > len(data):
                raise ImageError(f'JPEG cut off in its header: {len(data)} bytes')
            bits, height, width, components = struct.unpack_from('>BHHB', data, at + 4)
            if bits != 8:
                raise ImageError(f'JPEG of {bits} bits a channel: only 8 are decoded')
            file = ImageFile('jpeg', height, width, components == 1)
        if marker == _START_OF_SCAN:
            break
        at += 2 + struct.unpack_from('>H', data, at + 2)[0]
    if file is None:
        raise ImageError('JPEG without a frame header: its size is unknown')
    # Entropy-coded bytes never form this marker: 0xFF is followed by 0x00 there.
    if data.rfind(bytes((0xFF, _END_OF_IMAGE)), at) < 0:
        raise ImageError(
            f'JPEG of {file.width}x{file.height} pixels cut off: '
            f'no end-of-image marker in its {len(data)} bytes'
        )
    return file


def _png(data: bytes) -> ImageFile:
    header = None
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, name = struct.unpack_from('>I4s', data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        # The checksum covers name and content; a view spares a copy of the pixels.
        if zlib.crc32(memoryview(data)[at + 4 : end]) != struct.unpack_from('>I', data, end)[0]:
            raise ImageError(f'PNG damaged: wrong checksum of the chunk at byte {at}')
        if header is None:
            if name != b'IHDR' or length != 13:
                raise ImageError('PNG without a header: its size is unknown')
            header = struct.unpack_from('>IIBB', data, at + 8)
        if name == b'IEND':
            width, height, bits, colour_type = header
            return ImageFile('png', height, width, colour_type in (0, 4), bits, lossless=True)
        at = end + 4
    raise ImageError(f'PNG cut off: no end chunk in its {len(data)} bytes')


def _webp(data: bytes) -> ImageFile:
    stated = 8 + struct.unpack_from('<I', data, 4)[0]
    if stated > len(data):
        raise ImageError(f'WebP cut off: it states {stated} bytes, {len(data)} are there')
    if len(data) < 30:
        raise ImageError(f'WebP without a picture: {len(data)} bytes')
    chunk = data[12:16]
    if chunk == b'VP8 ':
        width, height = (side & 0x3FFF for side in struct.unpack_from('<HH', data, 26))
    elif chunk == b'VP8L':
        bits = struct.unpack_from('<I', data, 21)[0]
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b'VP8X':
        width, height = (1 + int.from_bytes(data[at : at + 3], 'little') for at in (24, 27))
    else:
        raise ImageError(f'WebP that begins with an unknown chunk {chunk!r}')
    return ImageFile('webp', height, width, grey=False, lossless=_webp_is_lossless(data))


def _webp_is_lossless(data: bytes) -> bool:
    """Return whether the pictures of a WebP are lossless: the extended format holds either."""
    return data[12:16] == b'VP8L' or (data[12:16] == b'VP8X' and b'VP8 ' not in data)
