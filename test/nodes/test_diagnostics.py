from __future__ import annotations

import time

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from asap_ros.nodes import diagnostics
from asap_ros.nodes.diagnostics import COMPRESSED, RAW, FrameReport
from asap_ros.segmentation.frame_statistics import Counts, Latencies

OK, WARN, ERROR, STALE = b'\x00', b'\x01', b'\x02', b'\x03'
TIMEOUT = 30.0
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1)


@pytest.fixture
def camera():
    """A node as of another process: one participant cannot have two types on a topic."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Node('camera', context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.fixture
def asked(ros):
    """Ask a node of its own why no frames come, until the graph says what is expected."""
    node = Node('asked')

    def ask(says, topic='/front/image', kind=RAW, qos=BEST_EFFORT):
        end, why = time.monotonic() + TIMEOUT, ''
        while says not in why and time.monotonic() < end:
            why = diagnostics.why_no_frames(node, topic, kind, qos)
            time.sleep(0.02)
        assert says in why
        return why

    yield ask
    node.destroy_node()


def test_no_publisher(asked):
    asked('no publisher on /front/image: is the camera driver running')
    asked('no publisher on /front/image/compressed: is', '/front/image/compressed', COMPRESSED)
    asked('no publisher on /jpeg: is', '/jpeg', COMPRESSED)


def test_only_the_compressed_topic(asked, camera):
    camera.create_publisher(CompressedImage, '/front/image/compressed', 1)
    asked(
        'no publisher on /front/image, but there is one on /front/image/compressed: '
        'set the parameter compressed to true'
    )


def test_only_the_raw_topic(asked, camera):
    camera.create_publisher(Image, '/front/image', 1)
    asked(
        'but there is one on /front/image: set the parameter compressed to false',
        '/front/image/compressed',
        COMPRESSED,
    )


def test_wrong_type(asked, camera):
    camera.create_publisher(String, '/front/image', 1)
    asked('/front/image carries std_msgs/msg/String, sensor_msgs/msg/Image is needed')


def test_incompatible_reliability(asked, camera):
    camera.create_publisher(Image, '/front/image', BEST_EFFORT)
    why = asked('the QoS of the publisher of /front/image does not fit', qos=RELIABLE)
    assert 'reliab' in why.lower() and 'qos_overrides' in why


def test_incompatible_durability(asked, camera):
    camera.create_publisher(Image, '/front/image', RELIABLE)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert 'transient local' in asked('does not fit', qos=latched).lower()


def test_incompatible_deadline(asked, camera):
    camera.create_publisher(Image, '/front/image', 1)
    hurried = QoSProfile(depth=1, deadline=Duration(seconds=0.01))
    assert 'deadline' in asked('does not fit', qos=hurried).lower()


def test_publisher_that_is_silent(asked, camera):
    camera.create_publisher(Image, '/front/image', BEST_EFFORT)
    asked('/front/image has a publisher of the right type and QoS that sends nothing')


def test_one_fitting_publisher_among_others_is_enough(asked, camera):
    camera.create_publisher(Image, '/front/image', BEST_EFFORT)
    asked('does not fit', qos=RELIABLE)
    camera.create_publisher(Image, '/front/image', RELIABLE)
    asked('that sends nothing', qos=RELIABLE)


@pytest.mark.parametrize(
    'publisher, says',
    [
        (None, 'no publisher on /image'),
        ((CompressedImage, '/image/compressed'), 'set the parameter compressed to true'),
        ((String, '/image'), '/image carries std_msgs/msg/String'),
        ((Image, '/image'), 'sends nothing'),
    ],
)
def test_live_node_names_the_cause(make_segmenter, camera, capfd, publisher, says):
    segmenter = make_segmenter(silence=0.5)
    for silent in (segmenter.raw, segmenter.jpeg):
        segmenter.camera.destroy_publisher(silent)
    if publisher:
        camera.create_publisher(*publisher, 1)
        segmenter.wait(lambda: segmenter.node.count_publishers(publisher[1]), 'the publisher')
    assert segmenter.node.trigger_configure() == segmenter.node.trigger_activate()
    status = segmenter.status('frames', says)
    assert status.level == ERROR and status.message.startswith('no frame for ')
    assert says in capfd.readouterr().err


def test_live_node_with_qos_that_does_not_fit(make_segmenter):
    segmenter = make_segmenter(
        silence=0.5, **{'qos_overrides./image.subscription.reliability': 'reliable'}
    )
    segmenter.camera.destroy_publisher(segmenter.raw)
    segmenter.camera.create_publisher(Image, '/image', BEST_EFFORT)
    assert segmenter.node.trigger_configure() == segmenter.node.trigger_activate()
    assert segmenter.status('frames', 'does not fit').level == ERROR
    # What was asked for images holds for images alone, and for this node alone.
    assert [
        segmenter.camera.get_subscriptions_info_by_topic(topic)[0].qos_profile.reliability
        for topic in ('/image', '/camera_info')
    ] == [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT]


def test_live_node_finds_its_voice_again(make_segmenter):
    segmenter = make_segmenter(silence=0.5).start('mask', 'timings')
    segmenter.status('frames', 'sends nothing')
    segmenter.statuses.clear()
    segmenter.set('silence', 60.0)
    segmenter.send(segmenter.frame())
    assert segmenter.status('frames', 'frames/s').level == OK


def test_a_bag_that_is_paused_is_no_fault_of_the_camera(make_segmenter, camera, capfd):
    segmenter = make_segmenter(silence=0.5, use_sim_time=True)
    clock = camera.create_publisher(Clock, '/clock', 1)
    assert segmenter.node.trigger_configure() == segmenter.node.trigger_activate()

    def at(seconds):
        now = segmenter.node.get_clock()
        segmenter.wait(
            lambda: (
                now.now().nanoseconds == seconds * 10**9
                or clock.publish(Clock(clock=Time(sec=seconds)))
            ),
            'the time to come',
        )

    at(7)
    segmenter.status('frames', '/clock stands still')
    capfd.readouterr()
    segmenter.statuses.clear()
    assert segmenter.status('frames', '/clock stands still').level == ERROR
    assert 'no frame' not in capfd.readouterr().err
    segmenter.statuses.clear()
    at(8)
    segmenter.status('frames', 'sends nothing')


def report(**changes):
    values = {
        'wanted': True,
        'seconds_without_frame': 0.1,
        'no_frame_timeout': 3.0,
        'rate': 12.34,
        'last_fault': '',
        'calibration_fault': '',
    } | changes
    return diagnostics.frame_status(FrameReport(**values), Counts(5, 4, 3, 2, 1), 'nobody knows')


@pytest.mark.parametrize(
    'changes, level, says',
    [
        ({}, OK, '12.3 frames/s'),
        ({'wanted': False}, OK, 'idle: nobody subscribes to an output'),
        (
            {'seconds_without_frame': 9.0, 'last_fault': 'x'},
            ERROR,
            'no frame for 9.0 s: nobody knows',
        ),
        ({'last_fault': 'frame failed: x', 'calibration_fault': 'y'}, ERROR, 'frame failed: x'),
        ({'calibration_fault': 'y'}, WARN, 'y'),
    ],
)
def test_frames(changes, level, says):
    status = report(**changes)
    assert (status.level, status.message) == (level, says)
    assert {v.key: v.value for v in status.values} == {
        'received': '5',
        'processed': '4',
        'dropped': '3',
        'stale': '2',
        'failed': '1',
        'frames_per_second': '12.34',
    }


def test_frames_of_a_node_that_is_not_active():
    status = diagnostics.frame_status(None, Counts(5, 4, 3, 2, 1))
    assert (status.level, status.message) == (STALE, 'not active')
    values = {v.key: v.value for v in status.values}
    assert values['received'] == '5' and values['frames_per_second'] == '0.00'


def test_engine():
    assert diagnostics.engine_status(None).level == STALE
    facts = {
        'name': 'onnxruntime',
        'provider': 'CPUExecutionProvider',
        'precision': 'fp32',
        'model': 'tiny',
        'golden_agreement': '1.0000',
        'state': 'chosen',
        'message': '',
    }
    status = diagnostics.engine_status(facts)
    assert (status.level, status.message) == (
        OK,
        'tiny on onnxruntime, CPUExecutionProvider, fp32',
    )
    assert {v.key: v.value for v in status.values} == facts


@pytest.mark.parametrize(
    'age, max_age, level', [(100.0, 0.5, OK), (600.0, 0.5, WARN), (600.0, 0.0, OK)]
)
def test_latency(age, max_age, level):
    latencies = Latencies()
    latencies.add({'total': 20.0, 'age': age})
    status = diagnostics.latency_status(latencies, max_age)
    assert status.level == level
    values = {v.key: v.value for v in status.values}
    assert values['total_p50_ms'] == '20.00' and values['age_p99_ms'] == f'{age:.2f}'


def test_latency_before_the_first_frame():
    status = diagnostics.latency_status(Latencies(), 0.5)
    assert (status.level, status.message, list(status.values)) == (OK, 'no frame yet', [])
