"""A frame's answer: from the camera's message to all that is published for it."""

from __future__ import annotations

import time
import traceback
from collections import deque
from dataclasses import dataclass

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from asap_ros.imaging import message_codec, overlay
from asap_ros.imaging.message_codec import ImageError
from asap_ros.labels import IGNORED
from asap_ros.nodes import message_conversions, road_publisher
from asap_ros.nodes.message_conversions import CalibrationError
from asap_ros.nodes.publishers import Publishers
from asap_ros.nodes.road_publisher import RoadPublisher
from asap_ros.road.drawing import draw_road
from asap_ros.road.geometry import Status
from asap_ros.road.road_model import Road
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.frame_statistics import Counts, Latencies
from asap_ros.segmentation.pipeline import Perception, Pipeline, on_grid

RATE_WINDOW = 5.0
"""Seconds over which the rate of answers is taken."""


@dataclass(frozen=True)
class Answer:
    """What goes out for one frame; uint8 (h, w) mask and confidence on one grid.

    ``perception`` is None where the frame was stale or could not be used: the mask is then 255
    and the confidence 0 everywhere, ``why`` there is no road. ``image``: (height, width) of the
    camera's image.
    """

    mask: np.ndarray
    confidence: np.ndarray
    image: tuple[int, int] | None
    perception: Perception | None
    why: Status = Status.OK


class FrameProcessor:
    """Answers the frames of one activation, each one, in the thread that calls ``answer``.

    ``camera_info``: the latest one, whoever receives it sets it. ``fault``: why the latest frame
    was not labelled; ``calibration_fault``: why it has no ``~/mask/camera_info``; empty where
    there is none.
    """

    def __init__(
        self,
        node: LifecycleNode,
        pipeline: Pipeline,
        road: RoadPublisher,
        outputs: Publishers,
        counts: Counts,
        latencies: Latencies,
    ):
        """Count into ``counts`` and ``latencies``, which are the activation's."""
        self._node, self._pipeline, self._road = node, pipeline, road
        self._outputs, self._counts, self._latencies = outputs, counts, latencies
        self._times: deque[float] = deque()
        self._image: tuple[int, int] | None = None
        self._announced: float | None = None
        self.camera_info: CameraInfo | None = None
        self.fault = self.calibration_fault = ''

    def answer(self, message: Image | CompressedImage) -> None:
        """Process one frame and publish its answer."""
        start = time.perf_counter()
        timings: dict[str, float] = {}
        self.announce_labels()
        max_age = self._value('max_age')
        age = self._age(message.header)
        if max_age and age > max_age:
            self._counts.stale += 1
            answer = self._invalid(
                f'frames are stale: {age:.3f} s old on arrival, max_age is {max_age} s',
                road_publisher.STALE,
            )
        else:
            try:
                answer = self._perceive(message, timings)
                self._counts.processed += 1
                self.fault = ''
            except (ImageError, EngineError) as error:
                self._counts.failed += 1
                answer = self._invalid(f'frame failed: {error}', road_publisher.FAILED)
                self._node.get_logger().error(self.fault, throttle_duration_sec=1.0)
            except Exception as error:  # whatever it is, whoever waits for this frame is told
                self._counts.failed += 1
                answer = self._invalid(f'internal error: {error!r}', road_publisher.FAILED)
                self._node.get_logger().error(traced(error))
        begin = time.perf_counter()
        self._publish(message.header, answer)
        road = self._find_road(message.header, answer, timings)
        if road is not None:
            self._road.publish(message.header, road, self._outputs.send)
        if answer.perception is not None:
            self._outputs.send(
                'overlay',
                lambda: message_codec.encode(self._draw(answer, road), 'rgb8', message.header),
            )
        end = time.perf_counter()
        timings |= {
            'publish': (end - begin) * 1e3 - timings.get('road', 0.0),
            'total': (end - start) * 1e3,
            'age': self._age(message.header) * 1e3,
        }
        self._latencies.add(timings)
        self._times.append(end)
        self._outputs.send(
            'timings',
            lambda: message_conversions.stage_timings(timings, self._counts, message.header),
        )

    def report_crash(self, error: Exception) -> None:
        """Tell an error of publishing, which nobody expected; the worker goes on."""
        if not self._node.context.ok():  # Ctrl-C while a frame was in work: nobody is there
            return
        self.fault = f'internal error: {error!r}'
        self._node.get_logger().error(traced(error))

    def announce_labels(self) -> None:
        """Publish what the ids mean, again where the threshold stated with them has changed."""
        threshold = self._value('min_confidence')
        if threshold != self._announced:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._outputs.labels.publish(
                message_conversions.label_info(self._pipeline.labels, threshold, header)
            )
            self._announced = threshold

    def rate(self) -> float:
        """Return answers per second over the last RATE_WINDOW."""
        since = time.perf_counter() - RATE_WINDOW
        while self._times and self._times[0] <= since:
            self._times.popleft()
        return len(self._times) / RATE_WINDOW

    def _perceive(self, message: Image | CompressedImage, timings: dict[str, float]) -> Answer:
        begin = time.perf_counter()
        if isinstance(message, CompressedImage):
            picture = message_codec.decode_compressed(message, at_least=self._pipeline.size)
        else:
            picture = message_codec.decode(message)
        timings['decode'] = (time.perf_counter() - begin) * 1e3
        perception = self._pipeline.run(picture)
        timings |= perception.timings
        self._image = (picture.height, picture.width)
        mask, confidence = on_grid(perception, self._grid(), self._value('min_confidence'))
        return Answer(mask, confidence, self._image, perception)

    def _invalid(self, fault: str, why: Status) -> Answer:
        """Return the answer to a frame that cannot be trusted: nothing known, nowhere."""
        self.fault = fault
        grid = self._grid()
        return Answer(np.full(grid, IGNORED, np.uint8), np.zeros(grid, np.uint8), None, None, why)

    def _grid(self) -> tuple[int, int]:
        """Return (height, width) of the mask; the camera's is that of its latest sound frame."""
        if self._image and self._value('mask_resolution') == 'camera':
            return self._image
        return self._pipeline.size

    def _publish(self, header: Header, answer: Answer) -> None:
        send = self._outputs.send
        send('mask', lambda: message_codec.encode(answer.mask, 'mono8', header))
        send('confidence', lambda: message_codec.encode(answer.confidence, 'mono8', header))
        send('mask/compressed', lambda: message_codec.encode_png(answer.mask, header))
        if self.camera_info is not None:
            self._publish_camera_info(header, answer)

    def _publish_camera_info(self, header: Header, answer: Answer) -> None:
        info = self.camera_info
        try:
            info = message_conversions.scaled_camera_info(
                info,
                answer.image or message_conversions.image_size(info),
                answer.mask.shape,
                header,
            )
        except CalibrationError as error:
            self.calibration_fault = str(error)
            self._node.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self.calibration_fault = ''
        self._outputs.send('mask/camera_info', lambda: info)

    def _find_road(self, header: Header, answer: Answer, timings: dict[str, float]) -> Road | None:
        """Return what is known of the road; None where nobody listens. The masks are out by then.

        An overlay alone asks for it only from a calibrated camera: a user of masks needs none.
        """
        drawn = self.camera_info is not None and self._outputs.wanted(('overlay',))
        if not drawn and not self._outputs.wanted(road_publisher.OUTPUTS):
            return None
        if answer.perception is None:
            return self._road.without_labels(answer.mask, answer.why)
        begin = time.perf_counter()
        try:
            return self._road.analyse(
                header, answer.mask, answer.confidence, self.camera_info, answer.image
            )
        except Exception as error:  # whoever waits for this frame's road is told
            self.report_crash(error)
            return self._road.without_labels(answer.mask, road_publisher.FAILED)
        finally:
            timings['road'] = (time.perf_counter() - begin) * 1e3

    def _draw(self, answer: Answer, road: Road | None) -> np.ndarray:
        """Return the frame tinted by class, with the road where that was asked for."""
        labels = self._pipeline.labels
        picture = overlay.blend(
            answer.perception.frame, answer.mask, labels, self._value('overlay_opacity')
        )
        if road is None:
            return picture
        return draw_road(picture, road.geometry, labels, road.camera, road.space)

    def _value(self, name: str):
        return self._node.get_parameter(name).value

    def _age(self, header: Header) -> float:
        """Return seconds since the header's stamp, by the node's clock."""
        now = self._node.get_clock().now().nanoseconds
        return (now - message_conversions.nanoseconds(header.stamp)) / 1e9


def traced(error: Exception) -> str:
    """Return an error with its trace, as the log takes one that nobody expected."""
    return ''.join(traceback.format_exception(error))
