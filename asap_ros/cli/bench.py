"""Measure the live node: each shipped model, stage by stage, as JSON on standard output."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import onnxruntime
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from asap_ros import labels
from asap_ros.cli import command, gpu_bench
from asap_ros.cli.arguments import CommandParser, add_model, add_size, add_threads, at_least_one
from asap_ros.imaging import message_codec
from asap_ros.msg import StageTimings
from asap_ros.nodes.segmenter import Segmenter
from asap_ros.road.benchmark import time_steps
from asap_ros.road.pose import pose_from_mounting
from asap_ros.road.projection import Camera
from asap_ros.road.rendering import render_road
from asap_ros.road.road_model import RoadModel
from asap_ros.segmentation import model_file
from asap_ros.segmentation.frame_statistics import STAGES, percentiles
from asap_ros.segmentation.model_file import ModelError

EXAMPLES = """
  %(prog)s --frames 100 --size 512x1024 > bench.json
      every shipped model through the live node
  %(prog)s --road > road.json
  %(prog)s --gpu --pictures drive/ > gpu.json
"""

CAMERA = (1024, 2048)
"""Height and width of the frames that are sent, rgb8."""
ROAD = (512, 1024)
"""Height and width of the masks that the road model is measured with."""
SIZES = ((512, 1024), (256, 512))
"""Resolutions of the network unless others are asked for."""
WARM_UP = 3
PATIENCE = 120.0
"""Seconds within which the node must answer a frame."""


class BenchError(RuntimeError):
    """The node could not be measured."""


class Feeder(Node):
    """Sends one frame at a time and keeps the stage times of its answers."""

    def __init__(self, frame: Image):
        super().__init__('bench')
        self._frame = frame
        self.timings: list[StageTimings] = []
        self._camera = self.create_publisher(Image, 'image', 1)
        self.create_subscription(StageTimings, '/segmenter/timings', self.timings.append, 5)
        for output in ('mask', 'confidence'):  # so that the node has them to make
            self.create_subscription(Image, f'/segmenter/{output}', lambda _: None, 5)

    def connected(self) -> bool:
        """Return whether the segmenter listens."""
        return self._camera.get_subscription_count() > 0

    def answered(self, number: int) -> bool:
        """Return whether the answer to a frame has come, the first being number 0."""
        return len(self.timings) > number

    def send(self) -> None:
        """Publish the frame, stamped with the present."""
        self._frame.header.stamp = self.get_clock().now().to_msg()
        self._camera.publish(self._frame)


def wait(executor: SingleThreadedExecutor, done: Callable[[], bool], what: str) -> None:
    """Spin until ``done``; BenchError that names ``what`` after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise BenchError(f'no {what} within {PATIENCE:.0f} s')
        executor.spin_once(timeout_sec=0.05)


def measure(model: str, size: tuple[int, int], frames: int, threads: int) -> dict:
    """Return the stage times of one model at one resolution, through the live node.

    ``outside_infer`` is all that the node does with a frame but the network itself.
    """
    node = Segmenter(
        parameter_overrides=[
            Parameter('model', value=model),
            Parameter('threads', value=threads),
            Parameter('network_height', value=size[0]),
            Parameter('network_width', value=size[1]),
            Parameter('max_age', value=0.0),
        ]
    )
    picture = cv2.resize(model_file.read(model_file.locate(model)).golden.frame, CAMERA[::-1])
    feeder = Feeder(message_codec.encode(picture, 'rgb8', Header(frame_id='camera')))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(feeder)
    try:
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise BenchError(f'the node does not start with {model} at {size[0]}x{size[1]}')
        wait(executor, feeder.connected, 'connection to the segmenter')
        label = f'{model} {size[0]}x{size[1]}'
        for number in tqdm(range(frames + WARM_UP), label, unit='frame', leave=False):
            feeder.send()
            wait(executor, partial(feeder.answered, number), 'answer to a frame')
        facts = node.engine_facts()
    finally:
        executor.shutdown()
        feeder.destroy_node()
        node.destroy_node()
    kept = feeder.timings[WARM_UP:]
    stages = {stage: [getattr(t, stage) for t in kept] for stage in STAGES if stage != 'road'}
    stages['outside_infer'] = [t.total - t.infer for t in kept]
    return {
        'model': model,
        'size': list(size),
        'frames': frames,
        'engine': facts,
        'ms': {stage: percentiles(values) for stage, values in stages.items()},
    }


def measure_road(frames: int) -> dict:
    """Return the times of the road model's steps on rendered bends, one core, no ROS."""
    cv2.setNumThreads(1)
    classes = labels.load('cityscapes')
    pose = pose_from_mounting(height=1.22, pitch=0.038)
    height, width = ROAD
    camera = Camera(
        1131.0,
        1131.0,
        (width - 1) / 2,
        (height - 1) / 2,
        width,
        height,
        pose.rotation,
        pose.translation,
    )
    rng = np.random.default_rng(0)
    masks = [
        render_road(camera, np.array([0.3, 0.02, bend, 0.0, 7.0]), classes, 1.0, rng)
        for bend in np.linspace(-0.01, 0.01, frames)
    ]
    confidence = np.full(ROAD, 230, np.uint8)
    times = time_steps(RoadModel(classes), masks, camera, confidence)
    return {
        'size': list(ROAD),
        'frames': frames,
        'ms': {step: percentiles(list(values)) for step, values in times.items()},
    }


def machine() -> dict:
    """Return what the figures were taken on."""
    return {
        'processor': platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'python': platform.python_version(),
        'onnxruntime': onnxruntime.__version__,
    }


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('bench', __doc__, EXAMPLES)
    made.add_argument(
        '--frames', type=at_least_one, default=50, metavar='N', help='measured frames'
    )
    add_model(made, None, ', may be given again (default every shipped one)', action='append')
    add_size(
        made,
        'network resolution, may be given again (default 512x1024 and 256x512)',
        None,
        action='append',
    )
    add_threads(made)
    made.add_argument(
        '--road',
        action='store_true',
        help='the steps of the road model alone, without the network',
    )
    made.add_argument(
        '--gpu', action='store_true', help='TensorRT engines alone, without the node: --gpu --help'
    )
    return made


def work(given: argparse.Namespace) -> None:
    """Measure what the command line asks for and print JSON."""
    if given.road:
        print(json.dumps({'machine': machine(), 'road': measure_road(given.frames)}, indent=2))
        return
    models = given.model or model_file.shipped()
    for model in models:
        model_file.locate(model)  # before the first of them is measured for minutes
    rclpy.init(args=[])
    try:
        results = [
            measure(model, size, given.frames, given.threads)
            for model in models
            for size in given.size or SIZES
        ]
    finally:
        rclpy.try_shutdown()
    print(json.dumps({'camera': list(CAMERA), 'machine': machine(), 'results': results}, indent=2))


def main(argv: list[str] | None = None) -> int:
    """Measure the live node with each shipped model, or the road model, or TensorRT engines."""
    given = sys.argv[1:] if argv is None else argv
    if '--gpu' in given:
        return gpu_bench.main([argument for argument in given if argument != '--gpu'], '--gpu')
    return command.run(
        parser(),
        work,
        given,
        mistyped=(ModelError,),
        failed=(BenchError,),
        stopped=gpu_bench.STOPPED,
    )


if __name__ == '__main__':
    sys.exit(main())
