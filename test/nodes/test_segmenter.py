"""What the live node publishes for sound frames, and when."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from rclpy.serialization import serialize_message

from asap_ros.imaging import overlay
from asap_ros.segmentation.frame_statistics import Counts
from support.live_segmenter import ALL, SIZE, camera_info, pixels

FRAME = tiny_model.frame(*SIZE)
MASK = tiny_model.expected_mask(FRAME)
CONFIDENCE = cv2.resize(
    tiny_model.expected_confidence(FRAME), SIZE[::-1], interpolation=cv2.INTER_LINEAR
)


def only(messages):
    (message,) = messages
    return message


def test_every_output_carries_the_header_of_its_frame(make_segmenter):
    segmenter = make_segmenter().start(*ALL)
    segmenter.calibrate(camera_info())
    headers = []
    for number in range(3):
        frame = segmenter.frame(number)
        headers.append(serialize_message(frame.header))
        segmenter.send(frame)
    for name in set(ALL) - {'label_info'}:
        found = [serialize_message(m.header) for m in segmenter.heard[name]]
        assert found == headers, name


@pytest.mark.parametrize(
    'sec, nanosec, frame_id',
    [(0, 0, ''), (2**31 - 1, 999_999_999, 'left/camera_optical'), (-5, 3, 'before 1970')],
)
def test_any_header_is_copied(make_segmenter, sec, nanosec, frame_id):
    segmenter = make_segmenter().start('mask', 'timings')
    frame = segmenter.frame()
    frame.header.stamp.sec, frame.header.stamp.nanosec = sec, nanosec
    frame.header.frame_id = frame_id
    segmenter.send(frame)
    assert only(segmenter.heard['mask']).header == frame.header


def test_mask_and_confidence(make_segmenter):
    segmenter = make_segmenter().start('mask', 'confidence', 'timings')
    segmenter.send(segmenter.frame())
    for name, expected in (('mask', MASK), ('confidence', CONFIDENCE)):
        message = only(segmenter.heard[name])
        assert (message.encoding, message.step) == ('mono8', SIZE[1])
        np.testing.assert_array_equal(pixels(message), expected)


def test_frames_after_one_another(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings')
    for number in range(5):
        segmenter.send(segmenter.frame(number))
        np.testing.assert_array_equal(
            pixels(segmenter.heard['mask'][-1]),
            tiny_model.expected_mask(tiny_model.frame(*SIZE, seed=number)),
        )


def test_mask_camera_info(make_segmenter):
    segmenter = make_segmenter(network_height=32, network_width=64).start(
        'mask/camera_info', 'timings'
    )
    segmenter.calibrate(camera_info())
    segmenter.send(segmenter.frame())
    found = only(segmenter.heard['mask/camera_info'])
    assert (found.height, found.width) == (32, 64)
    np.testing.assert_allclose(found.k, [50, 0, 31.75, 0, 55, 15.75, 0, 0, 1])
    np.testing.assert_allclose(found.p, [50, 0, 31.75, 0, 0, 55, 15.75, 0, 0, 0, 1, 0])


def test_no_mask_camera_info_without_camera_info(make_segmenter):
    segmenter = make_segmenter().start('mask', 'mask/camera_info', 'timings')
    segmenter.send(segmenter.frame(), without=('mask/camera_info',))
    assert len(segmenter.heard['mask']) == 1 and not segmenter.heard['mask/camera_info']


def test_label_info_reaches_a_late_subscriber(make_segmenter):
    segmenter = make_segmenter(min_confidence=0.25).start('mask', 'timings')
    segmenter.send(segmenter.frame())
    segmenter.listen('label_info')
    segmenter.wait(lambda: segmenter.heard['label_info'], 'label_info')
    found = only(segmenter.heard['label_info'])
    assert [(c.class_id, c.class_name) for c in found.class_map] == [
        *enumerate(tiny_model.LABELS.names),
        (255, 'unlabelled'),
    ]
    assert found.threshold == 0.25


def test_label_info_follows_the_threshold(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings', 'label_info')
    segmenter.wait(lambda: segmenter.heard['label_info'], 'label_info')
    segmenter.set('min_confidence', 0.5)
    segmenter.send(segmenter.frame())
    segmenter.wait(lambda: len(segmenter.heard['label_info']) == 2, 'the new label_info')
    assert [m.threshold for m in segmenter.heard['label_info']] == [0.0, 0.5]
    segmenter.send(segmenter.frame(1))
    assert len(segmenter.heard['label_info']) == 2


def test_lossless_twin(make_segmenter):
    segmenter = make_segmenter().start('mask/compressed', 'timings')
    segmenter.send(segmenter.frame())
    message = only(segmenter.heard['mask/compressed'])
    assert 'png' in message.format
    found = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, MASK)


def test_overlay(make_segmenter):
    segmenter = make_segmenter(overlay_opacity=1.0).start('overlay', 'timings')
    segmenter.send(segmenter.frame())
    np.testing.assert_array_equal(
        pixels(segmenter.heard['overlay'][-1]), tiny_model.LABELS.colours[MASK]
    )
    segmenter.set('overlay_opacity', 0.0)
    segmenter.send(segmenter.frame())
    message = segmenter.heard['overlay'][-1]
    assert (message.encoding, message.step) == ('rgb8', 3 * SIZE[1])
    np.testing.assert_array_equal(pixels(message), FRAME)


def test_overlay_is_made_only_for_subscribers(make_segmenter, monkeypatch):
    made = []
    blend = overlay.blend
    monkeypatch.setattr(overlay, 'blend', lambda *a: made.append(1) or blend(*a))
    segmenter = make_segmenter().start('mask', 'timings')
    segmenter.send(segmenter.frame())
    assert not made
    segmenter.listen('overlay')
    segmenter.send(segmenter.frame())
    assert len(made) == len(segmenter.heard['overlay']) == 1


@pytest.mark.parametrize('outputs', [(), ('timings',)])
def test_nothing_is_computed_for_nobody(make_segmenter, monkeypatch, outputs):
    segmenter = make_segmenter().start(*outputs)
    monkeypatch.setattr(segmenter.pipeline, 'run', pytest.fail)
    monkeypatch.setattr('asap_ros.imaging.message_codec.decode', pytest.fail)
    for number in range(3):
        segmenter.offer(segmenter.frame(number))
    assert segmenter.counts == Counts(received=3, dropped=3)


def test_nothing_is_computed_once_the_last_subscriber_has_left(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings')
    segmenter.send(segmenter.frame())
    segmenter.ignore('mask')
    segmenter.offer(segmenter.frame(1))
    assert segmenter.counts == Counts(received=2, processed=1, dropped=1)


def test_grid_of_the_camera(make_segmenter):
    segmenter = make_segmenter(
        network_height=32, network_width=64, mask_resolution='camera'
    ).start('mask', 'confidence', 'mask/camera_info', 'timings')
    info = camera_info()
    segmenter.calibrate(info)
    segmenter.send(segmenter.frame())
    small = cv2.resize(FRAME, (64, 32), interpolation=cv2.INTER_AREA)
    expected = tiny_model.expected_mask(small).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(pixels(only(segmenter.heard['mask'])), expected)
    assert pixels(only(segmenter.heard['confidence'])).shape == SIZE
    found = only(segmenter.heard['mask/camera_info'])
    np.testing.assert_allclose([*found.k, *found.p], [*info.k, *info.p])
    segmenter.set('mask_resolution', 'network')
    segmenter.send(segmenter.frame(1))
    assert pixels(segmenter.heard['mask'][-1]).shape == (32, 64)


def test_pixels_below_the_least_confidence_are_unlabelled(make_segmenter):
    segmenter = make_segmenter(min_confidence=0.5).start('mask', 'confidence', 'timings')
    segmenter.send(segmenter.frame())
    unsure = CONFIDENCE < 127.5
    assert 0.2 < unsure.mean() < 0.8
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][-1]), np.where(unsure, 255, MASK))
    np.testing.assert_array_equal(pixels(segmenter.heard['confidence'][-1]), CONFIDENCE)
    segmenter.set('min_confidence', 0.0)
    segmenter.send(segmenter.frame())
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][-1]), MASK)


def test_compressed_input(make_segmenter):
    segmenter = make_segmenter(compressed=True).start('mask', 'timings')
    frame = segmenter.jpeg_frame(5)
    segmenter.send(frame)
    message = only(segmenter.heard['mask'])
    assert message.header == frame.header
    assert (pixels(message) == 4).all()


def test_rate_limit(make_segmenter):
    segmenter = make_segmenter(max_rate=0.001).start('mask', 'timings')  # one frame in 1000 s
    segmenter.send(segmenter.frame())
    for number in (1, 2):
        segmenter.offer(segmenter.frame(number))
    assert segmenter.counts == Counts(received=3, processed=1, dropped=2)
    segmenter.set('max_rate', 0.0)
    segmenter.send(segmenter.frame(3))
    assert segmenter.counts == Counts(received=4, processed=2, dropped=2)


def test_rate_limit_on_a_machine_that_has_just_booted(make_segmenter, monkeypatch):
    booted, monotonic = time.monotonic() - 5.0, time.monotonic
    monkeypatch.setattr(time, 'monotonic', lambda: monotonic() - booted)
    segmenter = make_segmenter(max_rate=0.001).start('mask', 'timings')
    segmenter.send(segmenter.frame())
    assert segmenter.counts == Counts(received=1, processed=1)


def test_only_the_newest_frame_is_processed(make_segmenter, monkeypatch):
    segmenter = make_segmenter().start('mask', 'timings')
    engine = segmenter.engine
    busy, go_on, infer = threading.Event(), threading.Event(), engine.infer

    def slow(frames):
        busy.set()
        assert go_on.wait(20.0)
        return infer(frames)

    monkeypatch.setattr(engine, 'infer', slow)
    segmenter.raw.publish(segmenter.frame(0))
    segmenter.wait(busy.is_set, 'the first frame to be taken')
    for number in (1, 2, 3):  # all arrive while the first is in work: the executor is free
        segmenter.offer(segmenter.frame(number))
    assert segmenter.counts == Counts(received=4, dropped=2)
    go_on.set()
    segmenter.wait(lambda: len(segmenter.heard['timings']) == 2, 'the answers')
    assert [m.header for m in segmenter.heard['mask']] == [
        segmenter.header(0),
        segmenter.header(3),
    ]
    assert segmenter.counts == Counts(received=4, processed=2, dropped=2)


def test_timings_and_counts(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings')
    for number in range(2):
        segmenter.send(segmenter.frame(number))
    found = segmenter.heard['timings'][-1]
    assert (found.received, found.processed) == (2, 2)
    assert (found.dropped, found.stale, found.failed) == (0, 0, 0)
    parts = [found.decode, found.preprocess, found.infer, found.publish]
    assert all(part >= 0.0 for part in parts) and np.isnan(found.road)
    assert found.total >= sum(parts) * 0.999
    assert found.age > 1e12  # the stamp is of 1970


def test_diagnostics_state_what_is_in_use(make_segmenter, tiny_file):
    segmenter = make_segmenter().start('mask', 'timings')
    segmenter.send(segmenter.frame())
    values = {v.key: v.value for v in segmenter.status('engine', 'tiny on onnxruntime').values}
    assert values == segmenter.node.engine_facts()
    values = {v.key: v.value for v in segmenter.status('latency', 'total p50').values}
    assert {'infer_p50_ms', 'total_p95_ms', 'age_p99_ms'} <= set(values)
    status = segmenter.status('frames', 'frames/s')
    assert status.level == b'\x00'
    assert {v.key: v.value for v in status.values}['processed'] == '1'
