"""Image messages to pictures and back, by numpy views and OpenCV, without cv_bridge.

Decoding reads nothing but a message's fields, so frames that a bag reader made without ROS do
as well; only encoding needs the message package itself.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import cv2
import numpy as np

from asap_ros.imaging.files import ImageError, ImageFile, inspect
from asap_ros.imaging.pixel_formats import CameraPicture, PixelFormat

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image
    from std_msgs.msg import Header

LAYOUTS = {
    'rgb8': PixelFormat.RGB,
    'bgr8': PixelFormat.BGR,
    'rgba8': PixelFormat.RGBA,
    'bgra8': PixelFormat.BGRA,
    'mono8': PixelFormat.GREY,
    'yuv422': PixelFormat.UYVY,
    'uyvy': PixelFormat.UYVY,
    'yuv422_yuy2': PixelFormat.YUYV,
    'yuyv': PixelFormat.YUYV,
    'bayer_rggb8': PixelFormat.BAYER_RGGB,
    'bayer_bggr8': PixelFormat.BAYER_BGGR,
    'bayer_gbrg8': PixelFormat.BAYER_GBRG,
    'bayer_grbg8': PixelFormat.BAYER_GRBG,
}
"""The encodings of sensor_msgs/Image that are read without cv_bridge."""

_ENCODED = {'mono8': PixelFormat.GREY, 'rgb8': PixelFormat.RGB}
_COLOUR_SCALES = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_GREY_SCALES = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def decode(message: Image) -> CameraPicture:
    """Return the picture in a raw image message, a read-only view of its data: nothing is copied.

    Rows may be padded to any step. ``is_bigendian`` says nothing about encodings of 8 bits.
    An encoding outside LAYOUTS goes through cv_bridge, which must then be installed (it honours
    ``is_bigendian`` and scales 16 bits to 8), and comes back as RGB.

    Raises ImageError, which says what and how much: zero-sized, data shorter than height x
    step, step shorter than a row, an odd width of a YUV 4:2:2 picture, a Bayer mosaic below
    3x3, an encoding that cannot be read.
    """
    height, width, step = message.height, message.width, message.step
    if height < 1 or width < 1:
        raise ImageError(f'image of {width}x{height} pixels: zero-sized')
    data = memoryview(message.data)
    if data.nbytes < height * step:
        raise ImageError(
            f'image data cut off: height {height} x step {step} needs {height * step} bytes, '
            f'the message holds {data.nbytes}'
        )
    if message.encoding not in LAYOUTS:
        return _through_cv_bridge(message)
    layout = LAYOUTS[message.encoding]
    if step < width * layout.channels:
        raise ImageError(
            f'step {step} is shorter than a row: width {width} x {layout.channels} bytes of '
            f'{message.encoding} needs {width * layout.channels}'
        )
    _check_size(layout, height, width)
    shape = layout.shape(height, width)
    strides = (step, layout.channels, 1)[: len(shape)]
    pixels = np.ndarray(shape, np.uint8, buffer=data, strides=strides)
    pixels.flags.writeable = False
    return CameraPicture(pixels, layout, height, width)


def decode_compressed(
    message: CompressedImage, at_least: tuple[int, int] | None = None
) -> CameraPicture:
    """Return the picture in a compressed image message: JPEG, PNG or WebP, 8 bits a channel.

    What the data are is read from the data. From ``format``, as compressed_image_transport
    writes it (``jpeg``, or ``rgb8; jpeg compressed bgr8``), come two things the file cannot
    say: a Bayer encoding in front means that the grey file is a mosaic (unless ``compressed
    mono8`` follows: then it was made grey before), and ``compressed rgb`` that red and blue are
    exchanged in the file, which is how image_transport reads it too.
    A grey file gives grey pixels, so a label mask comes out as its class ids. An orientation
    in EXIF is not applied: camera_info speaks of the pixels as they were stored.

    ``at_least`` = (height, width) allows a JPEG to be decoded at a half, a quarter or an eighth
    of its size, the smallest that is not below ``at_least`` and divides both sides, so that
    geometry scales exactly. The decoder then leaves out the finer frequencies of each block,
    which takes less than half the time; pixels differ from area-averaged ones by about 0.2 of
    255 on average. The picture's ``height`` and ``width`` stay those of the whole file.

    Raises ImageError: empty, cut off, damaged, no such file type, compressedDepth, 16 bits,
    too large (see files.MAX_PIXELS).
    """
    stated = f'compressed image with format {message.format!r}'
    if 'compressedDepth' in message.format:
        raise ImageError(f'{stated}: that is a depth image; a camera picture is needed')
    data = bytes(memoryview(message.data))
    try:
        file = inspect(data)
    except ImageError as error:
        raise ImageError(f'{stated}: {error}') from None
    layout = _layout_of(file, message.format)
    _check_size(layout, file.height, file.width)
    scale = 1
    if at_least is not None and file.kind == 'jpeg' and not layout.is_bayer:
        scale = _reduction((file.height, file.width), at_least)
    scales = _GREY_SCALES if file.grey else _COLOUR_SCALES
    flags = scales[scale] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f'{stated}: OpenCV cannot decode the {file.kind}: {error}') from error
    if pixels is None:
        raise ImageError(f'{stated}: the {file.kind} is damaged, OpenCV cannot decode it')
    if pixels.shape != layout.shape(file.height // scale, file.width // scale):
        raise ImageError(
            f'{stated}: the {file.kind} states {file.width}x{file.height} pixels and decodes '
            f'at 1/{scale} to an array of {pixels.shape}'
        )
    return CameraPicture(pixels, layout, file.height, file.width)


def encode(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """Return an image message of uint8 ``pixels``, its header the one given.

    ``mono8`` takes (H, W), ``rgb8`` takes (H, W, 3). Raises ImageError for anything else.
    """
    from sensor_msgs.msg import Image

    if encoding not in _ENCODED:
        raise ImageError(f'encoding {encoding!r} is not published: {", ".join(_ENCODED)} are')
    layout = _ENCODED[encoding]
    shape = layout.shape(*pixels.shape[:2]) if pixels.ndim >= 2 else None
    if pixels.dtype != np.uint8 or pixels.shape != shape or pixels.size == 0:
        raise ImageError(f'{encoding} is not an array of {pixels.dtype} {pixels.shape}')
    message = Image(header=header)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.step = message.width * layout.channels
    message.data = _byte_array(np.ascontiguousarray(pixels))
    return message


def encode_png(mask: np.ndarray, header: Header) -> CompressedImage:
    """Return the lossless twin of a mono8 image of uint8 ``mask`` (H, W), its header the given.

    ``format`` is what compressed_image_transport writes for mono8, so that its subscribers
    (RViz, rqt) give mono8 back. Raises ImageError where the mask is not uint8 (H, W).
    """
    from sensor_msgs.msg import CompressedImage

    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        raise ImageError(f'a mask is uint8 (H, W), not {mask.dtype} {mask.shape}')
    message = CompressedImage(header=header, format='mono8; png compressed ')
    message.data = _byte_array(cv2.imencode('.png', mask)[1])
    return message


def _byte_array(contiguous: np.ndarray) -> array:
    """Return the bytes as the one type that a message takes without looking at each of them."""
    octets = array('B')
    octets.frombytes(contiguous.data)
    return octets


def _check_size(layout: PixelFormat, height: int, width: int) -> None:
    if layout.is_yuv422 and width % 2:
        raise ImageError(
            f'{layout.label} image of width {width}: two pixels share a colour, '
            'so the width must be even'
        )
    if layout.is_bayer and min(height, width) < 3:
        raise ImageError(
            f'{layout.label} mosaic of {width}x{height} pixels: at least 3x3 are needed'
        )


def _layout_of(file: ImageFile, stated: str) -> PixelFormat:
    if file.grey:
        source = LAYOUTS.get(stated.partition(';')[0].strip(), PixelFormat.GREY)
        mosaic = source.is_bayer and 'compressed mono' not in stated
        return source if mosaic else PixelFormat.GREY
    return PixelFormat.RGB if 'compressed rgb' in stated else PixelFormat.BGR


def _reduction(full: tuple[int, int], at_least: tuple[int, int]) -> int:
    """Return 8, 4, 2 or 1: the largest divisor of ``full`` that leaves ``at_least``."""
    return next(
        scale
        for scale in (8, 4, 2, 1)
        if scale == 1
        or all(have % scale == 0 and have // scale >= need for have, need in zip(full, at_least))
    )


def _through_cv_bridge(message: Image) -> CameraPicture:
    encoding, shape = message.encoding, (message.height, message.width, 3)
    try:
        from cv_bridge import CvBridge

        rgb = CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except ImportError as error:
        raise ImageError(
            f'encoding {encoding!r} needs cv_bridge, which cannot be imported ({error}); '
            f'install it, or let the camera publish one of {", ".join(LAYOUTS)}'
        ) from error
    except Exception as error:  # its compiled half lets through whatever Boost and OpenCV throw
        raise ImageError(
            f'cv_bridge cannot turn encoding {encoding!r} into rgb8: {error}'
        ) from error
    if rgb.shape != shape or rgb.dtype != np.uint8:
        raise ImageError(
            f'cv_bridge made {rgb.dtype} {rgb.shape} of a {encoding!r} image where uint8 '
            f'{shape} was due'
        )
    return CameraPicture(rgb, PixelFormat.RGB, message.height, message.width)
