"""What the live node publishes for sound frames, and when."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from rclpy.serialization import serialize_message

from asap_ros.imaging import overlay
from asap_ros.segmentation.frame_statistics import Counts
from support.stand import ALL, SIZE, camera_info, pixels

FRAME = tiny_model.frame(*SIZE)
MASK = tiny_model.expected_mask(FRAME)
CONFIDENCE = cv2.resize(
    tiny_model.expected_confidence(FRAME), SIZE[::-1], interpolation=cv2.INTER_LINEAR
)


def only(messages):
    (message,) = messages
    return message


def test_every_output_carries_the_header_of_its_frame(stand):
    bench = stand().start(*ALL)
    bench.calibrate(camera_info())
    headers = []
    for number in range(3):
        frame = bench.frame(number)
        headers.append(serialize_message(frame.header))
        bench.send(frame)
    for name in set(ALL) - {'label_info'}:
        found = [serialize_message(m.header) for m in bench.heard[name]]
        assert found == headers, name


@pytest.mark.parametrize(
    'sec, nanosec, frame_id',
    [(0, 0, ''), (2**31 - 1, 999_999_999, 'left/camera_optical'), (-5, 3, 'before 1970')],
)
def test_any_header_is_copied(stand, sec, nanosec, frame_id):
    bench = stand().start('mask', 'timings')
    frame = bench.frame()
    frame.header.stamp.sec, frame.header.stamp.nanosec = sec, nanosec
    frame.header.frame_id = frame_id
    bench.send(frame)
    assert only(bench.heard['mask']).header == frame.header


def test_mask_and_confidence(stand):
    bench = stand().start('mask', 'confidence', 'timings')
    bench.send(bench.frame())
    for name, expected in (('mask', MASK), ('confidence', CONFIDENCE)):
        message = only(bench.heard[name])
        assert (message.encoding, message.step) == ('mono8', SIZE[1])
        np.testing.assert_array_equal(pixels(message), expected)


def test_frames_after_one_another(stand):
    bench = stand().start('mask', 'timings')
    for number in range(5):
        bench.send(bench.frame(number))
        np.testing.assert_array_equal(
            pixels(bench.heard['mask'][-1]),
            tiny_model.expected_mask(tiny_model.frame(*SIZE, seed=number)),
        )


def test_mask_camera_info(stand):
    bench = stand(network_height=32, network_width=64).start('mask/camera_info', 'timings')
    bench.calibrate(camera_info())
    bench.send(bench.frame())
    found = only(bench.heard['mask/camera_info'])
    assert (found.height, found.width) == (32, 64)
    np.testing.assert_allclose(found.k, [50, 0, 31.75, 0, 55, 15.75, 0, 0, 1])
    np.testing.assert_allclose(found.p, [50, 0, 31.75, 0, 0, 55, 15.75, 0, 0, 0, 1, 0])


def test_no_mask_camera_info_without_camera_info(stand):
    bench = stand().start('mask', 'mask/camera_info', 'timings')
    bench.send(bench.frame(), without=('mask/camera_info',))
    assert len(bench.heard['mask']) == 1 and not bench.heard['mask/camera_info']


def test_label_info_reaches_a_late_subscriber(stand):
    bench = stand(min_confidence=0.25).start('mask', 'timings')
    bench.send(bench.frame())
    bench.listen('label_info')
    bench.wait(lambda: bench.heard['label_info'], 'label_info')
    found = only(bench.heard['label_info'])
    assert [(c.class_id, c.class_name) for c in found.class_map] == [
        *enumerate(tiny_model.LABELS.names),
        (255, 'unlabelled'),
    ]
    assert found.threshold == 0.25


def test_label_info_follows_the_threshold(stand):
    bench = stand().start('mask', 'timings', 'label_info')
    bench.wait(lambda: bench.heard['label_info'], 'label_info')
    bench.set('min_confidence', 0.5)
    bench.send(bench.frame())
    bench.wait(lambda: len(bench.heard['label_info']) == 2, 'the new label_info')
    assert [m.threshold for m in bench.heard['label_info']] == [0.0, 0.5]
    bench.send(bench.frame(1))
    assert len(bench.heard['label_info']) == 2


def test_lossless_twin(stand):
    bench = stand().start('mask/compressed', 'timings')
    bench.send(bench.frame())
    message = only(bench.heard['mask/compressed'])
    assert 'png' in message.format
    found = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, MASK)


def test_overlay(stand):
    bench = stand(overlay_opacity=1.0).start('overlay', 'timings')
    bench.send(bench.frame())
    np.testing.assert_array_equal(
        pixels(bench.heard['overlay'][-1]), tiny_model.LABELS.colours[MASK]
    )
    bench.set('overlay_opacity', 0.0)
    bench.send(bench.frame())
    message = bench.heard['overlay'][-1]
    assert (message.encoding, message.step) == ('rgb8', 3 * SIZE[1])
    np.testing.assert_array_equal(pixels(message), FRAME)


def test_overlay_is_made_only_for_subscribers(stand, monkeypatch):
    made = []
    blend = overlay.blend
    monkeypatch.setattr(overlay, 'blend', lambda *a: made.append(1) or blend(*a))
    bench = stand().start('mask', 'timings')
    bench.send(bench.frame())
    assert not made
    bench.listen('overlay')
    bench.send(bench.frame())
    assert len(made) == len(bench.heard['overlay']) == 1


@pytest.mark.parametrize('outputs', [(), ('timings',)])
def test_nothing_is_computed_for_nobody(stand, monkeypatch, outputs):
    bench = stand().start(*outputs)
    monkeypatch.setattr(bench.pipeline, 'run', pytest.fail)
    monkeypatch.setattr('asap_ros.imaging.message_codec.decode', pytest.fail)
    for number in range(3):
        bench.offer(bench.frame(number))
    assert bench.counts == Counts(received=3, dropped=3)


def test_nothing_is_computed_once_the_last_subscriber_has_left(stand):
    bench = stand().start('mask', 'timings')
    bench.send(bench.frame())
    bench.ignore('mask')
    bench.offer(bench.frame(1))
    assert bench.counts == Counts(received=2, processed=1, dropped=1)


def test_grid_of_the_camera(stand):
    bench = stand(network_height=32, network_width=64, mask_resolution='camera').start(
        'mask', 'confidence', 'mask/camera_info', 'timings'
    )
    info = camera_info()
    bench.calibrate(info)
    bench.send(bench.frame())
    small = cv2.resize(FRAME, (64, 32), interpolation=cv2.INTER_AREA)
    expected = tiny_model.expected_mask(small).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(pixels(only(bench.heard['mask'])), expected)
    assert pixels(only(bench.heard['confidence'])).shape == SIZE
    found = only(bench.heard['mask/camera_info'])
    np.testing.assert_allclose([*found.k, *found.p], [*info.k, *info.p])
    bench.set('mask_resolution', 'network')
    bench.send(bench.frame(1))
    assert pixels(bench.heard['mask'][-1]).shape == (32, 64)


def test_pixels_below_the_least_confidence_are_unlabelled(stand):
    bench = stand(min_confidence=0.5).start('mask', 'confidence', 'timings')
    bench.send(bench.frame())
    unsure = CONFIDENCE < 127.5
    assert 0.2 < unsure.mean() < 0.8
    np.testing.assert_array_equal(pixels(bench.heard['mask'][-1]), np.where(unsure, 255, MASK))
    np.testing.assert_array_equal(pixels(bench.heard['confidence'][-1]), CONFIDENCE)
    bench.set('min_confidence', 0.0)
    bench.send(bench.frame())
    np.testing.assert_array_equal(pixels(bench.heard['mask'][-1]), MASK)


def test_compressed_input(stand):
    bench = stand(compressed=True).start('mask', 'timings')
    frame = bench.jpeg_frame(5)
    bench.send(frame)
    message = only(bench.heard['mask'])
    assert message.header == frame.header
    assert (pixels(message) == 4).all()


def test_rate_limit(stand):
    bench = stand(max_rate=0.001).start('mask', 'timings')  # one frame in 1000 s
    bench.send(bench.frame())
    for number in (1, 2):
        bench.offer(bench.frame(number))
    assert bench.counts == Counts(received=3, processed=1, dropped=2)
    bench.set('max_rate', 0.0)
    bench.send(bench.frame(3))
    assert bench.counts == Counts(received=4, processed=2, dropped=2)


def test_only_the_newest_frame_is_processed(stand, monkeypatch):
    bench = stand().start('mask', 'timings')
    engine = bench.engine
    busy, go_on, infer = threading.Event(), threading.Event(), engine.infer

    def slow(frames):
        busy.set()
        assert go_on.wait(20.0)
        return infer(frames)

    monkeypatch.setattr(engine, 'infer', slow)
    bench.raw.publish(bench.frame(0))
    bench.wait(busy.is_set, 'the first frame to be taken')
    for number in (1, 2, 3):  # all arrive while the first is in work: the executor is free
        bench.offer(bench.frame(number))
    assert bench.counts == Counts(received=4, dropped=2)
    go_on.set()
    bench.wait(lambda: len(bench.heard['timings']) == 2, 'the answers')
    assert [m.header for m in bench.heard['mask']] == [bench.header(0), bench.header(3)]
    assert bench.counts == Counts(received=4, processed=2, dropped=2)


def test_timings_and_counts(stand):
    bench = stand().start('mask', 'timings')
    for number in range(2):
        bench.send(bench.frame(number))
    found = bench.heard['timings'][-1]
    assert (found.received, found.processed) == (2, 2)
    assert (found.dropped, found.stale, found.failed) == (0, 0, 0)
    parts = [found.decode, found.preprocess, found.infer, found.publish]
    assert all(part >= 0.0 for part in parts) and np.isnan(found.road)
    assert found.total >= sum(parts) * 0.999
    assert found.age > 1e12  # the stamp is of 1970


def test_diagnostics_state_what_is_in_use(stand, tiny_file):
    bench = stand().start('mask', 'timings')
    bench.send(bench.frame())
    values = {v.key: v.value for v in bench.status('engine', 'tiny on onnxruntime').values}
    assert values == bench.node.engine_facts()
    values = {v.key: v.value for v in bench.status('latency', 'total p50').values}
    assert {'infer_p50_ms', 'total_p95_ms', 'age_p99_ms'} <= set(values)
    status = bench.status('frames', 'frames/s')
    assert status.level == b'\x00'
    assert {v.key: v.value for v in status.values}['processed'] == '1'
