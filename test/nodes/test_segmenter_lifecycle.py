"""The node's states: what each one holds, refuses and gives back."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from asap_ros.imaging import message_codec
from asap_ros.nodes import segmenter as node_module
from asap_ros.nodes.camera_subscriber import CameraSubscriber
from asap_ros.segmentation.frame_statistics import Counts
from support.live_segmenter import SIZE, TIMEOUT, pixels

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
MASK = tiny_model.expected_mask(tiny_model.frame(*SIZE))


def state(segmenter):
    return segmenter.node._state_machine.current_state[1]


def topics(segmenter):
    """Return what the segmenter publishes and subscribes to below its own name and as input."""
    names = segmenter.node.get_publisher_names_and_types_by_node('segmenter', '/')
    inputs = segmenter.node.get_subscriber_names_and_types_by_node('segmenter', '/')
    return (
        {name for name, _ in names if name.startswith('/segmenter/mask')},
        {name for name, _ in inputs if name in ('/image', '/camera_info')},
    )


def test_model_that_is_not_there(make_segmenter, capfd, tmp_path):
    segmenter = make_segmenter(tmp_path / 'nothing.onnx')
    assert segmenter.node.trigger_configure() == FAILURE
    assert state(segmenter) == 'unconfigured'
    assert 'not configured: ' in (err := capfd.readouterr().err)
    assert 'nothing.onnx is not there' in err
    assert segmenter.node.engine_facts() is None
    assert segmenter.status('engine', 'no network loaded').level == b'\x03'


def test_truncated_model_until_it_is_whole(make_segmenter, capfd, tmp_path):
    path = tiny_model.write(tmp_path / 'cut.onnx')
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    segmenter = make_segmenter(path)
    for _ in range(2):
        assert segmenter.node.trigger_configure() == FAILURE
        assert 'cut.onnx is damaged or not an ONNX network' in capfd.readouterr().err
    path.write_bytes(whole)
    segmenter.start('mask', 'timings')
    segmenter.send(segmenter.frame())
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][0]), MASK)


def test_model_that_fails_its_golden_frame(make_segmenter, capfd, tmp_path):
    wrong = np.zeros(SIZE, np.uint8)
    segmenter = make_segmenter(
        tiny_model.write(tmp_path / 'wrong.onnx', tiny_model.entries(wrong))
    )
    assert segmenter.node.trigger_configure() == FAILURE
    assert state(segmenter) == 'unconfigured'
    assert 'of the golden frame of' in capfd.readouterr().err


@pytest.mark.parametrize(
    'parameters, says',
    [
        (
            {'engine': 'abacus'},
            "engine: 'abacus' is not one of auto, tensorrt, tensorrt_rtx, onnxruntime",
        ),
        ({'provider': 'npu'}, "provider: 'npu' is not one of auto, cpu, cuda"),
        ({'mask_resolution': 'double'}, "mask_resolution: 'double' is not one of network, camera"),
        ({'model': 'mars'}, "there is no model 'mars'"),
    ],
)
def test_parameter_that_does_not_hold(make_segmenter, capfd, parameters, says):
    segmenter = (
        make_segmenter(**parameters)
        if 'model' not in parameters
        else make_segmenter(parameters['model'])
    )
    assert segmenter.node.trigger_configure() == FAILURE
    assert says in capfd.readouterr().err


def test_an_error_that_nobody_expected_is_told(make_segmenter, capfd, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError('nobody knows')

    monkeypatch.setattr(node_module.Pipeline, 'open', fail)
    segmenter = make_segmenter()
    assert segmenter.node.trigger_configure() == FAILURE
    assert 'RuntimeError: nobody knows' in capfd.readouterr().err
    monkeypatch.undo()
    segmenter.start()


def test_inputs_that_cannot_be_had_leave_the_node_inactive(make_segmenter, capfd):
    segmenter = make_segmenter(**{'qos_overrides./image.subscription.reliability': 'sometimes'})
    before = threading.active_count()
    assert segmenter.node.trigger_configure() == SUCCESS
    assert segmenter.node.trigger_activate() == FAILURE
    assert state(segmenter) == 'inactive'
    assert 'not activated: ' in (err := capfd.readouterr().err) and '`sometimes`' in err
    assert threading.active_count() == before and topics(segmenter)[1] == set()


def test_failed_transition_lets_go_of_everything(make_segmenter, capfd, monkeypatch):
    segmenter = make_segmenter().start('mask', 'timings')
    before = threading.active_count() - 1
    with monkeypatch.context() as patch:
        patch.setattr(CameraSubscriber, 'close', fail_once(patch))
        assert segmenter.node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert state(segmenter) == 'unconfigured'
    assert 'a transition failed' in capfd.readouterr().err
    assert topics(segmenter) == (set(), set()) and threading.active_count() == before
    segmenter.start('mask', 'timings')
    segmenter.send(segmenter.frame())
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][0]), MASK)


def fail_once(patch):
    """Return a method that gives its place back to the real one before it fails."""

    def fail(_):
        patch.undo()
        raise RuntimeError('nobody knows')

    return fail


def test_topics_of_each_state(make_segmenter):
    outputs = {'/segmenter/mask', '/segmenter/mask/camera_info', '/segmenter/mask/compressed'}
    inputs = {'/image', '/camera_info'}
    segmenter = make_segmenter()
    assert topics(segmenter) == (set(), set())
    for transition, expected in (
        ('configure', (outputs, set())),
        ('activate', (outputs, inputs)),
        ('deactivate', (outputs, set())),
        ('cleanup', (set(), set())),
    ):
        assert getattr(segmenter.node, f'trigger_{transition}')() == SUCCESS
        segmenter.wait(lambda: topics(segmenter) == expected, transition)  # noqa: B023


def test_counts_begin_anew_with_each_activation(make_segmenter):
    segmenter = make_segmenter().start('mask', 'timings')
    segmenter.send(segmenter.frame())
    assert segmenter.node.trigger_deactivate() == SUCCESS
    assert segmenter.status('frames', 'not active')
    segmenter.activate()
    segmenter.send(segmenter.frame(1))
    assert segmenter.counts == Counts(received=1, processed=1)


def test_cycles_leave_nothing_behind(make_segmenter):
    segmenter = make_segmenter()
    before = threading.active_count()
    pipelines, publishers = [], []
    for number in range(3):
        segmenter.start('mask', 'timings')
        pipelines.append(weakref.ref(segmenter.pipeline))
        publishers.append(weakref.ref(segmenter.publisher('mask')))
        for again in range(2):
            segmenter.send(segmenter.frame(number))
            np.testing.assert_array_equal(
                pixels(segmenter.heard['mask'][-1]),
                tiny_model.expected_mask(tiny_model.frame(*SIZE, seed=number)),
            )
            assert segmenter.node.trigger_deactivate() == SUCCESS
            assert threading.active_count() == before
            if not again:
                segmenter.activate()
        assert segmenter.node.trigger_cleanup() == SUCCESS
    segmenter.spin(0.1)  # the executor holds the subscription that it served last
    gc.collect()
    assert [r() for r in pipelines + publishers] == [None] * 6


def test_deactivation_finishes_the_frame_in_work(make_segmenter, monkeypatch):
    segmenter = make_segmenter().start('mask', 'timings')
    engine = segmenter.engine
    busy, go_on, infer = threading.Event(), threading.Event(), engine.infer

    def slow(frames):
        busy.set()
        assert go_on.wait(TIMEOUT)
        return infer(frames)

    monkeypatch.setattr(engine, 'infer', slow)
    segmenter.offer(segmenter.frame())
    segmenter.wait(busy.is_set, 'the frame to be taken')
    threading.Timer(0.2, go_on.set).start()
    assert segmenter.node.trigger_deactivate() == SUCCESS
    assert segmenter.counts == Counts(received=1, processed=1)
    segmenter.wait(lambda: segmenter.heard['mask'], 'its mask')
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][0]), MASK)


@pytest.mark.parametrize('steps', [(), ('configure',), ('configure', 'activate')])
def test_shutdown_from_any_state(make_segmenter, steps):
    segmenter = make_segmenter()
    before = threading.active_count()
    for step in steps:
        assert getattr(segmenter.node, f'trigger_{step}')() == SUCCESS
    assert segmenter.node.trigger_shutdown() == SUCCESS
    assert state(segmenter) == 'finalized'
    assert threading.active_count() == before


def test_ctrl_c_in_the_middle_of_a_frame_says_nothing(tiny_file, capfd, monkeypatch):
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = node_module.Segmenter(
        context=context,
        parameter_overrides=[
            Parameter('model', value=str(tiny_file)),
            Parameter('max_age', value=0.0),
        ],
    )
    assert (node.trigger_configure(), node.trigger_activate()) == (SUCCESS, SUCCESS)
    engine, ended = node._configuration.pipeline._engine, threading.Event()
    infer = engine.infer

    def end_first(frames):
        context.shutdown()
        ended.set()
        return infer(frames)

    monkeypatch.setattr(engine, 'infer', end_first)
    node._camera._worker.offer(message_codec.encode(tiny_model.frame(*SIZE), 'rgb8', Header()))
    assert ended.wait(TIMEOUT)
    node.destroy_node()
    assert node._counts.processed == 1
    assert 'Traceback' not in (err := capfd.readouterr().err) and 'Failed' not in err


@pytest.mark.parametrize(
    'parameter, says',
    [
        ('network_height:=100', 'network_height'),
        ('max_age:=-1.0', 'max_age'),
        ('threads:=four', 'threads'),
        ('min_confidence:=.nan', 'min_confidence'),
    ],
)
def test_program_refuses_a_parameter_that_cannot_be_in_one_sentence(parameter, says):
    ended = subprocess.run(
        [sys.executable, '-m', 'asap_ros.cli.segmenter', '--ros-args', '-p', parameter],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith('segmenter: ') and says in ended.stderr
    assert 'Traceback' not in ended.stderr
