"""What the live node does with bad input: it says which, counts it and goes on."""

from __future__ import annotations

import math
import threading
from array import array

import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.frame_statistics import Counts
from support.live_segmenter import SIZE, camera_info, pixels

MASK = tiny_model.expected_mask(tiny_model.frame(*SIZE))
NO_OVERLAY = ('overlay',)


def invalid(segmenter, header, size=SIZE):
    """Assert that the latest answer carries ``header`` and trusts no pixel."""
    for name, value in (('mask', 255), ('confidence', 0)):
        message = segmenter.heard[name][-1]
        assert message.header == header
        assert pixels(message).shape == size and (pixels(message) == value).all()


def sound(segmenter, number=9):
    """Assert that the next sound frame is answered as if nothing had happened."""
    segmenter.send(segmenter.frame(number))
    message = segmenter.heard['mask'][-1]
    assert message.header == segmenter.header(number)
    np.testing.assert_array_equal(
        pixels(message), tiny_model.expected_mask(tiny_model.frame(*SIZE, seed=number))
    )


@pytest.mark.parametrize(
    'changes, says',
    [
        ({'data': array('B', bytes(100))}, 'needs 24576 bytes, the message holds 100'),
        ({'data': array('B')}, 'the message holds 0'),
        ({'height': 65}, 'image data cut off'),
        ({'height': 0, 'width': 0, 'step': 0, 'data': array('B')}, 'zero-sized'),
        ({'width': 0}, 'zero-sized'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'image data cut off'),
        ({'step': 100}, 'step 100 is shorter than a row'),
        ({'encoding': ''}, "encoding ''"),
        ({'encoding': 'rgb9'}, "encoding 'rgb9'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_image(make_segmenter, capfd, changes, says):
    segmenter = make_segmenter().start('mask', 'confidence', 'overlay', 'timings')
    frame = segmenter.frame(1, **changes)
    segmenter.send(frame, without=NO_OVERLAY)
    invalid(segmenter, frame.header)
    assert not segmenter.heard['overlay']
    assert math.isnan(segmenter.heard['timings'][-1].infer)
    assert segmenter.counts == Counts(received=1, failed=1)
    assert says in capfd.readouterr().err
    status = segmenter.status('frames', says)
    assert status.level == b'\x02'
    sound(segmenter)
    assert segmenter.counts == Counts(received=2, processed=1, failed=1)
    assert segmenter.status('frames', 'frames/s').level == b'\x00'


@pytest.mark.parametrize('cut, says', [(0.5, 'cut off'), (0.02, ''), (0.0, 'empty')])
def test_jpeg_cut(make_segmenter, capfd, cut, says):
    segmenter = make_segmenter(compressed=True).start('mask', 'confidence', 'timings')
    whole = segmenter.jpeg_frame(1)
    data = bytes(whole.data)[: int(len(whole.data) * cut)]
    segmenter.send(CompressedImage(header=whole.header, format='jpeg', data=data))
    invalid(segmenter, whole.header)
    assert says in (err := capfd.readouterr().err) and 'compressed image' in err
    assert segmenter.status('frames', 'frame failed: compressed image').level == b'\x02'
    segmenter.send(segmenter.jpeg_frame(2))
    assert (pixels(segmenter.heard['mask'][-1]) == 4).all()
    assert segmenter.counts == Counts(received=2, processed=1, failed=1)


@pytest.mark.parametrize(
    'field, value, says',
    [
        ('k', math.nan, 'K must be finite'),
        ('k', 0.0, 'K must be finite'),
        ('p', math.nan, 'P must be finite'),
        ('p', 0.0, 'P must be finite'),
    ],
)
def test_camera_matrix_that_is_none(make_segmenter, capfd, field, value, says):
    segmenter = make_segmenter().start('mask', 'mask/camera_info', 'timings')
    info = camera_info()
    getattr(info, field)[0] = value
    segmenter.info.publish(info)  # a NaN differs from itself: what has arrived cannot be compared
    segmenter.wait(lambda: segmenter.camera_info, 'camera_info')
    segmenter.send(segmenter.frame(), without=('mask/camera_info',))
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][-1]), MASK)
    assert not segmenter.heard['mask/camera_info']
    assert says in capfd.readouterr().err
    assert segmenter.status('frames', says).level == b'\x01'
    segmenter.calibrate(camera_info())
    sound(segmenter)
    assert len(segmenter.heard['mask/camera_info']) == 1
    assert segmenter.status('frames', 'frames/s').level == b'\x00'


def test_camera_info_of_another_size(make_segmenter, capfd):
    segmenter = make_segmenter().start('mask', 'mask/camera_info', 'timings')
    segmenter.calibrate(camera_info(480, 640))
    segmenter.send(segmenter.frame(), without=('mask/camera_info',))
    says = 'camera_info is of 640x480 images, but the image is 128x64'
    assert not segmenter.heard['mask/camera_info'] and len(segmenter.heard['mask']) == 1
    assert says in capfd.readouterr().err
    assert segmenter.status('frames', says).level == b'\x01'
    segmenter.calibrate(camera_info())
    sound(segmenter)


def test_camera_info_without_size_beside_a_bad_image(make_segmenter):
    segmenter = make_segmenter().start('mask', 'confidence', 'mask/camera_info', 'timings')
    segmenter.calibrate(camera_info(0, 0))
    frame = segmenter.frame(1, encoding='rgb9')
    segmenter.send(frame, without=('mask/camera_info',))
    invalid(segmenter, frame.header)
    assert segmenter.counts == Counts(received=1, failed=1)


def test_invalid_answers_have_their_camera_info(make_segmenter):
    segmenter = make_segmenter().start('mask', 'confidence', 'mask/camera_info', 'timings')
    segmenter.calibrate(camera_info())
    frame = segmenter.frame(1, encoding='rgb9')
    segmenter.send(frame)
    invalid(segmenter, frame.header)
    assert segmenter.heard['mask/camera_info'][-1].header == frame.header


def test_invalid_answers_keep_the_grid_of_the_camera(make_segmenter):
    segmenter = make_segmenter(
        network_height=32, network_width=64, mask_resolution='camera'
    ).start('mask', 'confidence', 'timings')
    segmenter.send(segmenter.frame())
    frame = segmenter.frame(1, encoding='rgb9')
    segmenter.send(frame)
    invalid(segmenter, frame.header, SIZE)


def test_stamps_going_back(make_segmenter, capfd):
    segmenter = make_segmenter().start('mask', 'timings')
    for number in (5, 2, 3):
        segmenter.send(segmenter.frame(number))
    assert [m.header for m in segmenter.heard['mask']] == [segmenter.header(n) for n in (5, 2, 3)]
    assert capfd.readouterr().err.count('stamps go back by 3.000 s') == 1
    assert segmenter.counts == Counts(received=3, processed=3)


def test_frames_too_old_are_answered_as_invalid(make_segmenter):
    segmenter = make_segmenter(max_age=5.0).start('mask', 'confidence', 'overlay', 'timings')
    segmenter.send(segmenter.frame(), without=NO_OVERLAY)  # stamped 1970
    invalid(segmenter, segmenter.header())
    assert not segmenter.heard['overlay']
    assert segmenter.counts == Counts(received=1, stale=1)
    assert segmenter.status('frames', 'frames are stale').level == b'\x02'
    fresh = segmenter.frame(1)
    fresh.header.stamp = segmenter.camera.get_clock().now().to_msg()
    segmenter.send(fresh)
    assert (pixels(segmenter.heard['mask'][-1]) < 255).all()
    segmenter.set('max_age', 0.0)
    sound(segmenter)
    assert segmenter.counts == Counts(received=3, processed=2, stale=1)


def test_any_stamp_is_taken(make_segmenter):
    segmenter = make_segmenter(max_age=5.0).start('mask', 'confidence', 'timings')
    for sec, nanosec in ((-(2**31), 0), (0, 2**32 - 1)):
        frame = segmenter.frame(1)
        frame.header.stamp = Time(sec=sec, nanosec=nanosec)
        segmenter.send(frame)
        invalid(segmenter, frame.header)
    assert segmenter.counts == Counts(received=2, stale=2)


@pytest.mark.parametrize(
    'error, says',
    [
        (EngineError('out of memory'), 'frame failed: out of memory'),
        (RuntimeError('nobody knows'), "internal error: RuntimeError('nobody knows')"),
    ],
)
def test_engine_that_fails_on_a_frame(make_segmenter, capfd, monkeypatch, error, says):
    segmenter = make_segmenter().start('mask', 'confidence', 'timings')
    engine = segmenter.engine

    def fail(_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(engine, 'infer', fail)
        segmenter.send(segmenter.frame())
    invalid(segmenter, segmenter.header())
    assert str(error) in capfd.readouterr().err
    assert segmenter.status('frames', says).level == b'\x02'
    assert segmenter.counts == Counts(received=1, failed=1)
    sound(segmenter)


def test_output_that_cannot_be_made(make_segmenter, capfd, monkeypatch):
    segmenter = make_segmenter().start('mask')
    frame = segmenter.frame()
    with monkeypatch.context() as patch:
        patch.setattr('asap_ros.imaging.message_codec.encode', lambda *_: [][0])
        segmenter.send(frame, without=('mask',))
        segmenter.status('frames', 'internal error: IndexError')
    assert 'IndexError' in capfd.readouterr().err
    sound(segmenter)


def test_worker_survives_them_all(make_segmenter):
    segmenter = make_segmenter().start('mask', 'confidence', 'timings')
    worker = [t for t in threading.enumerate() if t.name == 'newest-worker']
    for number in range(20):
        segmenter.send(segmenter.frame(number, encoding='rgb9' if number % 2 else 'rgb8'))
    assert segmenter.counts == Counts(received=20, processed=10, failed=10)
    assert [t for t in threading.enumerate() if t.name == 'newest-worker'] == worker


@pytest.mark.parametrize('ahead, level', [(0.05, b'\x00'), (60.0, b'\x01')])
def test_stamps_in_the_future_are_processed_and_said(make_segmenter, ahead, level):
    segmenter = make_segmenter().start('mask', 'timings')
    now = segmenter.node.get_clock().now().nanoseconds
    frame = segmenter.frame()
    stamp = now + round(ahead * 1e9)
    frame.header.stamp.sec, frame.header.stamp.nanosec = divmod(stamp, 10**9)
    segmenter.send(frame)
    assert segmenter.counts.processed == 1
    says = 's in the future' if level == b'\x01' else ''
    status = segmenter.status('frames', says)
    assert status.level == level


def test_a_stamp_that_is_unset_is_called_so(make_segmenter):
    segmenter = make_segmenter(max_age=5.0).start('mask', 'timings')
    frame = segmenter.frame()
    frame.header.stamp.sec = frame.header.stamp.nanosec = 0
    segmenter.send(frame)
    assert segmenter.counts.stale == 1
    segmenter.status('frames', 'stamp of the frames is 0')
