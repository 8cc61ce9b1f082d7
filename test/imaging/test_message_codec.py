"""Image messages become pictures of the right colours, without copies; bad ones are refused."""

from __future__ import annotations

import importlib.util
import struct
import sys
import zlib
from array import array
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('sensor_msgs.msg', reason='the ROS environment is needed: no sensor_msgs')

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from asap_ros.imaging.message_codec import (
    LAYOUTS,
    ImageError,
    decode,
    decode_compressed,
    encode,
    encode_png,
)
from asap_ros.imaging.pixel_formats import CameraPicture, PixelFormat, resize, to_rgb_at

HEIGHT, WIDTH = 24, 40
HEADER = Header(stamp=Time(sec=12, nanosec=345_678_901), frame_id='camera_optical')
BAYER = {
    'bayer_rggb8': 'RGGB',
    'bayer_bggr8': 'BGGR',
    'bayer_gbrg8': 'GBRG',
    'bayer_grbg8': 'GRBG',
}


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Three ramps of different directions: any exchange of channels or axes shows."""
    v, u = np.mgrid[:height, :width]
    ramps = [40 + 150 * u / width, 200 - 120 * v / height, 60 + 60 * (u / width + v / height)]
    return np.dstack(ramps).astype(np.uint8)


def noise(height: int = HEIGHT, width: int = WIDTH, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, channels), np.uint8)


def message(encoding: str, rows: np.ndarray, width: int, padding: int = 0) -> Image:
    """Return a raw message of ``rows``, uint8 (H, bytes a row), with padding after each row."""
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=201)
    result = Image(
        header=HEADER, height=rows.shape[0], width=width, encoding=encoding, step=padded.shape[1]
    )
    result.data = array('B', padded.tobytes())
    return result


def full_rgb(picture: CameraPicture) -> np.ndarray:
    return to_rgb_at(picture.pixels, picture.layout, picture.pixels.shape[:2])


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """ITU-R BT.601, luma 16 to 235, chroma 16 to 240 around 128."""
    luma, blue, red = (y - 16.0) * 255 / 219, (u - 128.0) * 255 / 224, (v - 128.0) * 255 / 224
    r = luma + 2 * (1 - 0.299) * red
    b = luma + 2 * (1 - 0.114) * blue
    g = luma - (0.299 * 2 * (1 - 0.299) * red + 0.114 * 2 * (1 - 0.114) * blue) / 0.587
    return np.dstack([r, g, b]).clip(0, 255)


def compressed(kind: str, pixels: np.ndarray, format: str, *options: int) -> CompressedImage:
    """Return ``pixels``, RGB or grey, as a file of ``kind`` in a message."""
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    result = CompressedImage(header=HEADER, format=format)
    result.data = array('B', cv2.imencode(f'.{kind}', bgr, options)[1].tobytes())
    return result


# Raw images: the colours


@pytest.mark.parametrize('padding', [0, 7, 64])
@pytest.mark.parametrize(
    'encoding, to_rgb',
    [
        ('rgb8', lambda p: p[..., :3]),
        ('bgr8', lambda p: p[..., 2::-1]),
        ('rgba8', lambda p: p[..., :3]),
        ('bgra8', lambda p: p[..., 2::-1]),
        ('mono8', lambda p: p[..., [0, 0, 0]]),
    ],
)
def test_interleaved_encodings_give_their_own_bytes(encoding, to_rgb, padding):
    pixels = noise(channels={'mono8': 1}.get(encoding, 4 if 'a8' in encoding else 3))
    picture = decode(message(encoding, pixels.reshape(HEIGHT, -1), WIDTH, padding))
    assert (picture.height, picture.width) == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(full_rgb(picture), to_rgb(pixels))


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize(
    'encoding, order',
    [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')],
)
def test_yuv_follows_the_formulas_of_bt601(encoding, order, padding):
    y, u, v = np.random.default_rng(5).integers(16, 236, (3, HEIGHT, WIDTH), np.uint8)
    planes = {'y': y, 'u': u[:, ::2], 'v': v[:, ::2]}
    rows = np.empty((HEIGHT, 2 * WIDTH), np.uint8)
    rows[:, order.index('y') :: 2] = y
    rows[:, order.index('u') :: 4], rows[:, order.index('v') :: 4] = planes['u'], planes['v']
    expected = yuv_to_rgb(y, *(np.repeat(planes[c], 2, axis=1) for c in 'uv'))
    result = full_rgb(decode(message(encoding, rows, WIDTH, padding)))
    assert np.abs(result - expected).max() <= 1.5


@pytest.mark.parametrize('size', [(24, 40), (23, 41)])
@pytest.mark.parametrize('encoding, pattern', BAYER.items())
def test_a_bayer_mosaic_of_ramps_gives_the_ramps_back(encoding, pattern, size):
    rgb = scene(*size)
    v, u = np.mgrid[: size[0], : size[1]]
    channel = np.array(['RGB'.index(c) for c in pattern]).reshape(2, 2)[v % 2, u % 2]
    mosaic = np.take_along_axis(rgb, channel[..., None], axis=2)[..., 0]
    result = full_rgb(decode(message(encoding, mosaic, size[1], 3)))
    inside = np.s_[1:-1, 1:-1]
    assert np.abs(result[inside].astype(int) - rgb[inside]).max() <= 2


def test_the_byte_order_says_nothing_about_eight_bits():
    rows = noise().reshape(HEIGHT, -1)
    little, big = message('rgb8', rows, WIDTH), message('rgb8', rows, WIDTH)
    big.is_bigendian = 1
    np.testing.assert_array_equal(decode(big).pixels, decode(little).pixels)


# Raw images: the memory


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', LAYOUTS)
def test_pixels_are_a_read_only_view_of_the_message(encoding, padding):
    layout = LAYOUTS[encoding]
    raw = message(encoding, noise(channels=layout.channels).reshape(HEIGHT, -1), WIDTH, padding)
    picture = decode(raw)
    assert picture.layout is layout
    assert picture.pixels.shape == layout.shape(HEIGHT, WIDTH)
    assert np.shares_memory(picture.pixels, np.frombuffer(raw.data, np.uint8))
    assert not picture.pixels.flags.writeable


def test_rgb_that_fits_the_network_reaches_it_without_a_copy():
    raw = message('rgb8', noise().reshape(HEIGHT, -1), WIDTH)
    picture = decode(raw)
    result = to_rgb_at(picture.pixels, picture.layout, (HEIGHT, WIDTH))
    assert np.shares_memory(result, np.frombuffer(raw.data, np.uint8))


@pytest.mark.parametrize('buffer', [bytes, memoryview, lambda data: np.array(data, np.uint8)])
def test_any_buffer_serves_as_data(buffer):
    raw = message('bgr8', noise().reshape(HEIGHT, -1), WIDTH, 4)

    class Lookalike:
        height, width, step, encoding = raw.height, raw.width, raw.step, raw.encoding
        data = buffer(raw.data)

    np.testing.assert_array_equal(decode(Lookalike).pixels, decode(raw).pixels)


# Raw images: what is refused


@pytest.mark.parametrize(
    'fields, words',
    [
        ({'height': 0}, f'image of {WIDTH}x0 pixels: zero-sized'),
        ({'width': 0}, f'image of 0x{HEIGHT} pixels: zero-sized'),
        ({'data': array('B', bytes(100))}, 'height 24 x step 120 needs 2880 bytes.* holds 100'),
        ({'data': array('B')}, 'needs 2880 bytes, the message holds 0'),
        ({'height': 25}, 'height 25 x step 120 needs 3000 bytes, the message holds 2880'),
        ({'step': 119}, 'step 119 is shorter than a row: width 40 x 3 .* needs 120'),
        ({'step': 0}, 'step 0 is shorter'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'data cut off'),
        ({'width': 2**32 - 1}, 'shorter than a row: width 4294967295'),
        ({'encoding': 'yuv422', 'width': 39}, 'width 39.*must be even'),
        ({'encoding': 'yuyv', 'width': 39}, 'width 39.*must be even'),
        ({'encoding': 'bayer_rggb8', 'width': 2}, 'mosaic of 2x24 pixels: at least 3x3'),
        ({'encoding': 'bayer_gbrg8', 'height': 2}, 'mosaic of 40x2 pixels: at least 3x3'),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(fields, words):
    raw = message('rgb8', noise().reshape(HEIGHT, -1), WIDTH)
    for name, value in fields.items():
        setattr(raw, name, value)
    with pytest.raises(ImageError, match=words):
        decode(raw)


@pytest.mark.parametrize('encoding', ['mono16', 'rgb16', '8UC3', 'nv12', 'RGB8', 'rubbish', ''])
def test_without_cv_bridge_another_encoding_is_an_error_that_names_both(encoding, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    raw = message(encoding, np.zeros((HEIGHT, 8 * WIDTH), np.uint8), WIDTH)
    with pytest.raises(ImageError, match=f"encoding '{encoding}' needs cv_bridge.*rgb8"):
        decode(raw)


def cv_bridge_that(convert) -> ModuleType:
    """Return a module cv_bridge whose CvBridge does ``convert``."""
    module = ModuleType('cv_bridge')
    module.CvBridge = type('CvBridge', (), {'imgmsg_to_cv2': staticmethod(convert)})
    return module


def test_with_cv_bridge_another_encoding_comes_back_as_rgb(monkeypatch):
    asked = []

    def convert(raw, encoding):
        asked.append((raw.encoding, encoding))
        return scene()

    monkeypatch.setitem(sys.modules, 'cv_bridge', cv_bridge_that(convert))
    picture = decode(message('mono16', np.zeros((HEIGHT, 2 * WIDTH), np.uint8), WIDTH))
    assert asked == [('mono16', 'rgb8')]
    assert picture.layout is PixelFormat.RGB
    np.testing.assert_array_equal(picture.pixels, scene())


def test_what_cv_bridge_raises_or_returns_amiss_is_an_image_error(monkeypatch):
    def raises(raw, encoding):
        raise RuntimeError('not a color format')

    raw = message('8UC2', np.zeros((HEIGHT, 2 * WIDTH), np.uint8), WIDTH)
    monkeypatch.setitem(sys.modules, 'cv_bridge', cv_bridge_that(raises))
    with pytest.raises(ImageError, match="cv_bridge cannot turn .*'8UC2'.*not a color format"):
        decode(raw)
    monkeypatch.setitem(sys.modules, 'cv_bridge', cv_bridge_that(lambda *_: scene()[:3]))
    with pytest.raises(ImageError, match=r'cv_bridge made uint8 \(3, 40, 3\)'):
        decode(raw)


@pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is None, reason='cv_bridge is not installed'
)
@pytest.mark.parametrize('encoding', sorted(set(LAYOUTS) - {'uyvy', 'yuyv'}))
def test_cv_bridge_sees_the_same_pixels(encoding):
    from cv_bridge import CvBridge

    channels = LAYOUTS[encoding].channels
    raw = message(encoding, noise(channels=channels).reshape(HEIGHT, -1), WIDTH, 4 * channels)
    expected = CvBridge().imgmsg_to_cv2(raw, 'rgb8')
    np.testing.assert_array_equal(full_rgb(decode(raw)), expected)


@settings(max_examples=500, deadline=None)
@given(
    encoding=st.one_of(st.sampled_from(sorted(LAYOUTS)), st.text(max_size=12)),
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    step=st.integers(0, 40),
    big=st.integers(0, 1),
    data=st.binary(max_size=400),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_no_image_message_raises_anything_but_image_error(
    encoding, height, width, step, big, data, size
):
    raw = Image(height=height, width=width, encoding=encoding, is_bigendian=big, step=step)
    raw.data = array('B', data)
    try:
        picture = decode(raw)
    except ImageError:
        return
    assert to_rgb_at(picture.pixels, picture.layout, size).shape == (*size, 3)


# Compressed images


@pytest.mark.parametrize(
    'kind, format, options',
    [
        ('png', 'png', ()),
        ('png', 'rgb8; png compressed bgr8', ()),
        ('webp', 'webp', (cv2.IMWRITE_WEBP_QUALITY, 101)),
        ('png', 'jpeg', ()),
        ('png', '', ()),
    ],
)
def test_lossless_files_come_back_as_they_were_whatever_the_format_says(kind, format, options):
    picture = decode_compressed(compressed(kind, noise(), format, *options))
    assert (picture.height, picture.width) == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(full_rgb(picture), noise())


@pytest.mark.parametrize(
    'format',
    [
        'jpeg',
        'jpg',
        'rgb8; jpeg compressed bgr8',
        'bgr8; jpeg compressed bgr8',
        'rgb8; jpeg compressed ',
    ],
)
def test_a_jpeg_comes_back_as_rgb(format):
    picture = decode_compressed(compressed('jpg', scene(), format))
    assert np.abs(full_rgb(picture).astype(int) - scene()).max() <= 8


def test_compressed_rgb_means_red_and_blue_exchanged_in_the_file():
    raw = compressed('png', noise()[..., ::-1], 'rgb8; png compressed rgb8')
    np.testing.assert_array_equal(full_rgb(decode_compressed(raw)), noise())


@pytest.mark.parametrize(
    'format, layout',
    [
        ('mono8; png compressed ', PixelFormat.GREY),
        ('mono8; png compressed mono8', PixelFormat.GREY),
        ('png', PixelFormat.GREY),
        ('bayer_gbrg8; png compressed ', PixelFormat.BAYER_GBRG),
        ('bayer_gbrg8; png compressed mono8', PixelFormat.GREY),
    ],
)
def test_a_grey_file_is_grey_unless_it_is_said_to_be_a_mosaic(format, layout):
    picture = decode_compressed(compressed('png', noise()[..., 0], format))
    assert picture.layout is layout
    np.testing.assert_array_equal(picture.pixels, noise()[..., 0])


def test_the_orientation_in_exif_is_not_applied():
    raw = compressed('jpg', scene(), 'jpeg')
    turned = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    data = raw.data.tobytes()
    segment = b'\xff\xe1' + struct.pack('>H', 2 + len(turned)) + turned
    raw.data = array('B', data[:2] + segment + data[2:])
    assert cv2.imdecode(np.frombuffer(raw.data, np.uint8), 1).shape == (WIDTH, HEIGHT, 3)
    assert decode_compressed(raw).pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    'full, at_least, expected',
    [
        ((128, 256), None, (128, 256)),
        ((128, 256), (128, 256), (128, 256)),
        ((128, 256), (65, 100), (128, 256)),
        ((128, 256), (64, 128), (64, 128)),
        ((128, 256), (50, 60), (64, 128)),
        ((128, 256), (32, 64), (32, 64)),
        ((128, 256), (1, 1), (16, 32)),
        ((130, 256), (16, 16), (65, 128)),
        ((129, 256), (16, 16), (129, 256)),
    ],
)
def test_a_jpeg_is_reduced_to_what_is_needed_where_geometry_stays_exact(full, at_least, expected):
    picture = decode_compressed(compressed('jpg', scene(*full), 'jpeg'), at_least)
    assert picture.pixels.shape == (*expected, 3)
    assert (picture.height, picture.width) == full


@pytest.mark.parametrize('at_least', [(64, 128), (32, 64), (16, 32)])
@pytest.mark.parametrize('grey', [False, True])
def test_a_reduced_jpeg_is_close_to_the_area_average_of_the_whole(at_least, grey):
    smooth = cv2.GaussianBlur(noise(128, 256), (0, 0), 4)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    raw = compressed('jpg', smooth[..., 0] if grey else smooth, 'jpeg')
    whole, reduced = decode_compressed(raw), decode_compressed(raw, at_least)
    assert reduced.pixels.shape[:2] == at_least and reduced.layout is whole.layout
    difference = np.abs(reduced.pixels.astype(int) - resize(whole.pixels, at_least))
    # A shift by one pixel of the whole picture would make 3.5 of it or more.
    assert difference.mean() <= 1.5 and difference.max() <= 10


@pytest.mark.parametrize('kind', ['png', 'webp'])
def test_only_a_jpeg_is_reduced_and_never_a_mosaic(kind):
    assert decode_compressed(compressed(kind, noise(), kind), (3, 5)).pixels.shape[0] == HEIGHT
    mosaic = compressed('jpg', noise()[..., 0], 'bayer_rggb8; jpeg compressed ')
    assert decode_compressed(mosaic, (3, 5)).pixels.shape == (HEIGHT, WIDTH)


def corrupted(raw: CompressedImage, data: bytes) -> CompressedImage:
    raw.data = array('B', data)
    return raw


@pytest.mark.parametrize('kind', ['jpg', 'png', 'webp'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_off_is_refused(kind, share):
    raw = compressed(kind, noise(), kind)
    with pytest.raises(ImageError, match=f"format '{kind}': .*(cut off|without)"):
        decode_compressed(corrupted(raw, raw.data.tobytes()[: int(share * len(raw.data))]))


@pytest.mark.parametrize(
    'format, data, words',
    [
        ('jpeg', b'', "format 'jpeg': the compressed image is empty"),
        ('h264', b'\0\0\0\x01\x67\x42', "format 'h264': the data begin with 00 00 00 01"),
        ('16UC1; compressedDepth png', bytes(12) + b'\x89PNG\r\n\x1a\n', 'that is a depth image'),
        ('32FC1; compressedDepth', b'', 'that is a depth image'),
    ],
)
def test_what_is_no_camera_picture_is_refused(format, data, words):
    with pytest.raises(ImageError, match=words):
        decode_compressed(corrupted(CompressedImage(format=format), data))


def test_a_complete_file_with_rubbish_inside_is_refused():
    raw = compressed('jpg', noise(), 'jpeg')
    data = raw.data.tobytes()
    tables = data.index(b'\xff\xc4')
    with pytest.raises(ImageError, match='OpenCV cannot decode'):
        decode_compressed(corrupted(raw, data[: tables + 4] + b'\xee' * 40 + data[tables + 44 :]))


@pytest.mark.parametrize('decoded', [np.zeros((3, 4, 3), np.uint8), noise()[..., 0]])
def test_a_decoder_that_disagrees_with_the_file_is_not_believed(decoded, monkeypatch):
    raw = compressed('png', noise(), 'png')
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: decoded)
    with pytest.raises(ImageError, match='states 40x24 pixels and decodes'):
        decode_compressed(raw)


def test_what_opencv_refuses_by_an_exception_is_an_image_error():
    size = struct.pack('>II', 2**21, 8)  # within the pixels allowed, wider than OpenCV's limit
    raw = compressed('png', noise(), 'png')
    data = raw.data.tobytes()
    header = b'IHDR' + size + data[24:29]
    checksum = struct.pack('>I', zlib.crc32(header))
    with pytest.raises(ImageError, match="format 'png': .*OpenCV cannot decode"):
        decode_compressed(corrupted(raw, data[:12] + header + checksum + data[33:]))


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(['jpg', 'png', 'webp']),
    format=st.text(max_size=20),
    at=st.floats(0, 1),
    patch=st.binary(max_size=12),
    at_least=st.none() | st.tuples(st.integers(1, 30), st.integers(1, 50)),
)
def test_no_damage_raises_anything_but_image_error(kind, format, at, patch, at_least):
    raw = compressed(kind, scene(), format)
    data = raw.data.tobytes()
    start = int(at * len(data))
    raw = corrupted(raw, data[:start] + patch + data[start + len(patch) :])
    try:
        picture = decode_compressed(raw, at_least)
    except ImageError:
        return
    assert to_rgb_at(picture.pixels, picture.layout, (8, 8)).shape == (8, 8, 3)


def test_real_frames_decode_and_halves_of_them_do_not(bags):
    highlevel = pytest.importorskip('rosbags.highlevel')
    with highlevel.AnyReader([bags / 'aachen_0']) as reader:
        frames = [
            reader.deserialize(raw, connection.msgtype)
            for connection, _, raw in reader.messages()
            if 'compressed' in connection.topic
        ]
    assert len(frames) == 60
    for frame in frames[::6]:
        picture = decode_compressed(frame, (512, 1024))
        assert (picture.height, picture.width) == (1024, 2048)
        assert picture.pixels.shape[0] == (512 if 'jpeg' in frame.format else 1024)
        frame.data = frame.data[: frame.data.size // 2]
        with pytest.raises(ImageError, match='cut off'):
            decode_compressed(frame, (512, 1024))


# What is published


@pytest.mark.parametrize(
    'encoding, pixels',
    [
        ('mono8', noise()[..., 0]),
        ('rgb8', noise()),
        ('rgb8', noise()[:, ::-1]),
        ('mono8', np.asfortranarray(noise()[..., 1])),
    ],
)
def test_an_encoded_image_decodes_to_itself_under_the_same_header(encoding, pixels):
    sent = encode(pixels, encoding, HEADER)
    assert sent.header == HEADER
    assert (sent.height, sent.width, sent.encoding) == (HEIGHT, WIDTH, encoding)
    assert sent.step * HEIGHT == len(sent.data) == pixels.size
    assert isinstance(sent.data, array) and sent.data.typecode == 'B'
    np.testing.assert_array_equal(decode(sent).pixels, pixels)


def test_a_mask_survives_png_under_the_same_header():
    mask = noise(channels=1)[..., 0] % 20
    sent = encode_png(mask, HEADER)
    assert sent.header == HEADER and isinstance(sent.data, array)
    assert sent.format.split(';')[0] == 'mono8' and 'png' in sent.format.split(';')[1]
    picture = decode_compressed(sent)
    assert picture.layout is PixelFormat.GREY
    np.testing.assert_array_equal(picture.pixels, mask)


@pytest.mark.parametrize(
    'pixels, encoding, words',
    [
        (noise(), 'bgr8', "'bgr8' is not published"),
        (noise(), 'mono8', r'mono8 is not an array of uint8 \(24, 40, 3\)'),
        (noise()[..., 0], 'rgb8', 'rgb8 is not an array'),
        (noise(channels=4), 'rgb8', 'rgb8 is not an array'),
        (noise().astype(np.float32), 'rgb8', 'rgb8 is not an array of float32'),
        (np.zeros((0, 4), np.uint8), 'mono8', 'mono8 is not an array'),
        (np.zeros(4, np.uint8), 'mono8', 'mono8 is not an array'),
    ],
)
def test_an_array_that_is_not_its_encoding_is_not_published(pixels, encoding, words):
    with pytest.raises(ImageError, match=words):
        encode(pixels, encoding, HEADER)


@pytest.mark.parametrize('mask', [noise(), np.zeros((4, 4), np.int32), np.zeros((0, 4), np.uint8)])
def test_only_a_mask_becomes_a_png(mask):
    with pytest.raises(ImageError, match='a mask is uint8'):
        encode_png(mask, HEADER)
