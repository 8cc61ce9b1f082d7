"""One frame after another: from the camera's message to all that is published for it."""

from __future__ import annotations

import time
import traceback
from collections import deque

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from asap_ros.imaging import message_codec, overlay
from asap_ros.imaging.message_codec import ImageError
from asap_ros.nodes import message_conversions, parameters, road_publisher
from asap_ros.nodes.frame_result import FrameResult, Invalid, Labelled
from asap_ros.nodes.publishers import Publishers
from asap_ros.nodes.road_publisher import RoadPublisher
from asap_ros.road.drawing import draw_road
from asap_ros.road.pose import CameraError
from asap_ros.road.road_model import Road
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.frame_statistics import Counts, Latencies
from asap_ros.segmentation.pipeline import Pipeline, resample

MAX_AHEAD = 0.1
"""Seconds that a stamp may lie in the future, for the clocks of two computers, before it counts as
wrong."""

RATE_WINDOW = 5.0
"""Seconds over which the rate of frames is taken."""


class FrameProcessor:
    """Labels the frames of one activation and publishes a result for each one.

    ``camera_info``: the latest one, whoever receives it sets it. ``fault``: why the latest frame
    was not labelled; ``calibration_fault``: why it has no ``~/mask/camera_info``;
    ``stamp_fault``: what is wrong with its stamp; empty where there is none. All work is done in the thread that calls ``process``.
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
        self._parameters = parameters.read(node)
        self._times: deque[float] = deque()
        self._image_size: tuple[int, int] | None = None
        self._announced: float | None = None
        self.camera_info: CameraInfo | None = None
        self.fault = self.calibration_fault = self.stamp_fault = ''

    def process(self, message: Image | CompressedImage) -> None:
        """Process one frame and publish what came of it."""
        start = time.perf_counter()
        timings: dict[str, float] = {}
        self._parameters = parameters.read(self._node)  # one set for the whole frame
        self.announce_labels()
        result = self._label(message, timings)
        self.fault = result.fault if isinstance(result, Invalid) else ''
        begin = time.perf_counter()
        self._publish(message.header, result)
        road = self._find_road(message.header, result, timings)
        if road is not None:
            self._road.publish(message.header, road, self._outputs.send)
        if isinstance(result, Labelled):
            self._outputs.send(
                'overlay',
                lambda: message_codec.encode(self._draw(result, road), 'rgb8', message.header),
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
        threshold = self._parameters.min_confidence
        if threshold != self._announced:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._outputs.labels.publish(
                message_conversions.label_info(self._pipeline.labels, threshold, header)
            )
            self._announced = threshold

    def rate(self) -> float:
        """Return frames per second over the last RATE_WINDOW."""
        since = time.perf_counter() - RATE_WINDOW
        while self._times and self._times[0] <= since:
            self._times.popleft()
        return len(self._times) / RATE_WINDOW

    def _label(self, message: Image | CompressedImage, timings: dict[str, float]) -> FrameResult:
        """Return the frame's labels, or why it has none; count it and log what went wrong."""
        max_age = self._parameters.max_age
        age = self._age(message.header)
        self.stamp_fault = ''
        if max_age and age > max_age:
            self._counts.stale += 1
            if message_conversions.nanoseconds(message.header.stamp) == 0:
                fault = 'the stamp of the frames is 0: their publisher must set header.stamp'
            else:
                fault = f'frames are stale: {age:.3f} s old on arrival, max_age is {max_age} s'
            return Invalid(self._grid(), road_publisher.STALE, fault)
        if age < -MAX_AHEAD:
            self.stamp_fault = (
                f'the stamps of the frames are {-age:.3f} s in the future: set the clocks of '
                'camera and computer by one source, or use_sim_time alike on both sides'
            )
            self._node.get_logger().warning(self.stamp_fault, throttle_duration_sec=10.0)
        try:
            result = self._run_network(message, timings)
        except (ImageError, EngineError) as error:
            fault = f'frame failed: {error}'
            self._node.get_logger().error(fault, throttle_duration_sec=1.0)
        except Exception as error:  # whatever it is, whoever waits for this frame is told
            fault = f'internal error: {error!r}'
            self._node.get_logger().error(traced(error))
        else:
            self._counts.processed += 1
            return result
        self._counts.failed += 1
        return Invalid(self._grid(), road_publisher.FAILED, fault)

    def _run_network(
        self, message: Image | CompressedImage, timings: dict[str, float]
    ) -> Labelled:
        """Return the frame's labels; ImageError or EngineError where it cannot be labelled."""
        begin = time.perf_counter()
        if isinstance(message, CompressedImage):
            picture = message_codec.decode_compressed(message, at_least=self._pipeline.size)
        else:
            picture = message_codec.decode(message)
        timings['decode'] = (time.perf_counter() - begin) * 1e3
        segmented = self._pipeline.run(picture)
        timings |= segmented.timings
        self._image_size = (picture.height, picture.width)
        mask, confidence = resample(segmented, self._grid(), self._parameters.min_confidence)
        return Labelled(mask, confidence, self._image_size, segmented)

    def _grid(self) -> tuple[int, int]:
        """Return (height, width) of the mask; the camera's is that of its latest sound frame."""
        if self._image_size and self._parameters.mask_resolution == 'camera':
            return self._image_size
        return self._pipeline.size

    def _publish(self, header: Header, result: FrameResult) -> None:
        send = self._outputs.send
        send('mask', lambda: message_codec.encode(result.mask, 'mono8', header))
        send('confidence', lambda: message_codec.encode(result.confidence, 'mono8', header))
        send('mask/compressed', lambda: message_codec.encode_png(result.mask, header))
        if self.camera_info is not None:
            self._publish_camera_info(header, result, self.camera_info)

    def _publish_camera_info(self, header: Header, result: FrameResult, info: CameraInfo) -> None:
        image = result.image if isinstance(result, Labelled) else None
        try:
            scaled = message_conversions.scaled_camera_info(info, image, result.mask.shape, header)
        except CameraError as error:
            self.calibration_fault = str(error)
            self._node.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self.calibration_fault = ''
        self._outputs.send('mask/camera_info', lambda: scaled)

    def _find_road(
        self, header: Header, result: FrameResult, timings: dict[str, float]
    ) -> Road | None:
        """Return what is known of the road; None where nobody listens. The masks are out by then.

        An overlay alone asks for it only from a calibrated camera: a user of masks needs none.
        """
        drawn = self.camera_info is not None and self._outputs.wanted(('overlay',))
        if not drawn and not self._outputs.wanted(road_publisher.OUTPUTS):
            return None
        if isinstance(result, Invalid):
            return self._road.without_labels(result.mask, result.reason)
        begin = time.perf_counter()
        try:
            return self._road.process(
                header, result.mask, result.confidence, self.camera_info, result.image
            )
        except Exception as error:  # whoever waits for this frame's road is told
            self.report_crash(error)
            return self._road.without_labels(result.mask, road_publisher.FAILED)
        finally:
            timings['road'] = (time.perf_counter() - begin) * 1e3

    def _draw(self, frame: Labelled, road: Road | None) -> np.ndarray:
        """Return the frame tinted by class, with the road where that was asked for."""
        labels = self._pipeline.labels
        picture = overlay.blend(
            frame.segmented.frame, frame.mask, labels, self._parameters.overlay_opacity
        )
        if road is None:
            return picture
        return draw_road(picture, road.geometry, labels, road.camera, road.space)

    def _age(self, header: Header) -> float:
        """Return seconds since the header's stamp, by the node's clock."""
        now = self._node.get_clock().now().nanoseconds
        return (now - message_conversions.nanoseconds(header.stamp)) / 1e9


def traced(error: Exception) -> str:
    """Return an error with its trace, as the log takes one that nobody expected."""
    return ''.join(traceback.format_exception(error))
