"""The launch file as a user starts it: from camera frames to masks, and its endings."""

from __future__ import annotations

import os
import signal

import numpy as np
import psutil
import pytest

from support import tiny_model
from support.paths import ROOT

pytest.importorskip('rclpy', reason='needs the ROS environment')

import time
from pathlib import Path

import launch_pytest
import rclpy
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Log
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from asap_ros.imaging import message_codec
from support.launched_segmenter import FRONT, TIMEOUT, PeerNode, launched
from support.live_segmenter import LATCHED, SIZE, pixels

LAUNCH_FILE = str(ROOT / 'launch' / 'segment.launch.py')
PARAMETERS = f"""
/**:
  ros__parameters:
    network_height: {SIZE[0]}
    network_width: {SIZE[1]}
    threads: 1
    max_age: 0.0
"""


@pytest.fixture(scope='module')
def params_file(tmp_path_factory):
    path = tmp_path_factory.mktemp('parameters') / 'small.yaml'
    path.write_text(PARAMETERS)
    return path


def description(**arguments):
    """Return the launch of a segmenter below /front, apart from other tests' nodes."""
    arguments |= {
        'namespace': 'front',
        'image_topic': '/front/image_raw',
        'camera_info_topic': '/front/camera_info',
    }
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                AnyLaunchDescriptionSource(LAUNCH_FILE),
                launch_arguments=[(name, str(value)) for name, value in arguments.items()],
            )
        ]
    )


@launch_pytest.fixture
def segmenter(tiny_file, params_file):
    return description(model=tiny_file, params_file=params_file)


@launch_pytest.fixture
def without_model(tmp_path, params_file):
    return description(model=tmp_path / 'nothing.onnx', params_file=params_file)


@launch_pytest.fixture
def not_started(tiny_file, params_file):
    return description(model=tiny_file, params_file=params_file, autostart=False)


class Camera(PeerNode):
    """A camera in this process, and what it asks of a segmenter in another."""

    def __init__(self, context):
        super().__init__('camera', context)
        self.masks = []
        self.publisher = self.create_publisher(Image, '/front/image_raw', 1)
        self.create_subscription(Image, '/front/segmenter/mask', self.masks.append, 5)
        self.states = self.create_client(GetState, '/front/segmenter/get_state')

    def state(self):
        """Return the segmenter's lifecycle state."""
        self.wait(self.states.service_is_ready, 'the segmenter')
        future = self.states.call_async(GetState.Request())
        self.wait(future.done, 'its state')
        return future.result().current_state.label

    def see(self, number):
        """Return the mask that answers a frame, which is sent until the segmenter hears it."""
        header = Header(frame_id='front/optical')
        header.stamp.sec, header.stamp.nanosec = 1000 + number, number
        frame = message_codec.encode(tiny_model.frame(*SIZE, seed=number), 'rgb8', header)
        self.repeat(
            lambda: self.publisher.publish(frame),
            lambda: any(mask.header == header for mask in self.masks),
            'a mask',
        )
        return next(mask for mask in self.masks if mask.header == header)


@pytest.fixture
def camera():
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    nodes = []

    def make():
        nodes.append(Camera(context))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()
    rclpy.try_shutdown(context=context)


@pytest.mark.launch(fixture=segmenter)
def test_masks_of_a_launched_segmenter(camera):
    front = camera()
    front.wait(
        lambda: (
            front.publisher.get_subscription_count()
            and front.count_publishers('/front/segmenter/mask')
        ),
        'the active segmenter',
    )
    assert front.state() == 'active'
    for number in range(3):
        expected = tiny_model.expected_mask(tiny_model.frame(*SIZE, seed=number))
        np.testing.assert_array_equal(pixels(front.see(number)), expected)


@pytest.mark.launch(fixture=without_model)
def test_segmenter_without_its_model_stays_unconfigured_and_says_why(camera):
    asker, said = camera(), []
    asker.create_subscription(Log, '/rosout', lambda message: said.append(message.msg), LATCHED)
    asker.wait(
        lambda: any(
            'not configured: ' in text and 'nothing.onnx is not there' in text for text in said
        ),
        'the reason',
    )
    assert asker.state() == 'unconfigured'


@pytest.mark.launch(fixture=not_started)
def test_autostart_can_be_left_out(camera):
    asker = camera()
    assert asker.state() == 'unconfigured'
    for _ in range(20):
        asker.executor_.spin_once(timeout_sec=0.05)
    assert asker.state() == 'unconfigured'


@pytest.mark.slow
@pytest.mark.parametrize('whole_group', [False, True], ids=['launch alone', 'as a terminal does'])
def test_ctrl_c_ends_everything(tmp_path, tiny_file, params_file, camera, whole_group):
    with launched(tmp_path, f'model:={tiny_file}', f'params_file:={params_file}', *FRONT) as (
        process,
        log,
    ):
        one = camera()
        one.wait(
            lambda: (
                one.publisher.get_subscription_count()
                and one.count_publishers('/front/segmenter/mask')
            ),
            'the active segmenter',
        )
        one.see(1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        if whole_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0, log.read_text()
        assert not psutil.wait_procs(children, timeout=0)[1]
        assert 'Traceback' not in log.read_text()
        assert 'process has died' not in log.read_text()


@pytest.mark.parametrize(
    'argument', ['compressed:=maybe', 'autostart:=perhaps', 'use_sim_time:=2']
)
def test_argument_that_is_no_boolean_is_refused(tmp_path, argument):
    with launched(tmp_path, argument) as (process, log):
        assert process.wait(TIMEOUT) == 1
    name, value = argument.split(':=')
    assert f'{name}' in log.read_text() and f"'{value}'" in log.read_text()


def test_a_parameter_file_that_is_not_there_ends_the_launch(tmp_path):
    with launched(tmp_path, 'params_file:=~/no/such.yaml') as (process, log):
        assert process.wait(TIMEOUT) == 1
    assert f'there is no file {Path.home()}/no/such.yaml' in log.read_text()


def test_what_of_a_parameter_file_has_no_effect_is_named(tmp_path, monkeypatch, tiny_file):
    (tmp_path / 'mine.yaml').write_text(
        'camera_segmenter: {ros__parameters: {threads: 1}}\n'
        'segmenter: {ros__parameters: {network_hight: 64}}\n'
    )
    monkeypatch.setenv('HOME', str(tmp_path))
    arguments = ('params_file:=~/mine.yaml', f'model:={tiny_file}', 'autostart:=false')
    with launched(tmp_path, *arguments) as (process, log):
        wait_for(lambda: log.read_text().count('network_hight') >= 2, log)
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)
    said = log.read_text()
    assert 'is network_height meant?' in said and 'camera_segmenter' in said


def wait_for(done, log):
    end = time.monotonic() + TIMEOUT
    while not done():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
