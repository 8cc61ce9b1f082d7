"""``ros2 launch`` of the segmenter as a terminal runs it, and a node that talks with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rclpy
from rclpy.node import Node

TIMEOUT = 30.0
FRONT = (
    'namespace:=front',
    'image_topic:=/front/image_raw',
    'camera_info_topic:=/front/camera_info',
)
"""Arguments that keep a launched segmenter apart from other tests' nodes."""


@contextlib.contextmanager
def launched(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Run ``ros2 launch asap_ros segment.launch.py`` and give it with the file of its output.

    What is left of it at the end is killed.
    """
    log = folder / 'launch.log'
    with log.open('w') as output:
        process = subprocess.Popen(
            ['ros2', 'launch', 'asap_ros', 'segment.launch.py', *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class PeerNode(Node):
    """A node of this process that is spun by whoever calls ``wait``."""

    def __init__(self, name: str, context: rclpy.Context):
        super().__init__(name, context=context)
        self.executor_ = rclpy.executors.SingleThreadedExecutor(context=context)
        self.executor_.add_node(self)

    def wait(self, done: Callable[[], object], what: str) -> None:
        """Spin until ``done``; AssertionError that names ``what`` after TIMEOUT."""
        end = time.monotonic() + TIMEOUT
        while not done():
            assert time.monotonic() < end, (
                f'waited in vain for {what}; nodes {self.get_node_names()}'
            )
            self.executor_.spin_once(timeout_sec=0.05)

    def repeat(self, publish: Callable[[], None], done: Callable[[], object], what: str) -> None:
        """Publish until ``done``: best effort loses until both ends know of each other."""
        timer = self.create_timer(0.5, publish)
        publish()
        self.wait(done, what)
        self.destroy_timer(timer)

    def close(self) -> None:
        """End the node."""
        self.executor_.shutdown()
        self.destroy_node()
