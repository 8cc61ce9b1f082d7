"""The lifecycle node ``segmenter``: wiring between ROS and the pipeline, and nothing else."""

from __future__ import annotations

import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_updater import DiagnosticStatusWrapper
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from asap_ros import diagnostics, images, messages, overlay, parameters, road_outputs
from asap_ros.engine.base import EngineError
from asap_ros.engine.model_file import ModelError
from asap_ros.images import ImageError
from asap_ros.labels import IGNORED
from asap_ros.messages import CalibrationError
from asap_ros.msg import StageTimings
from asap_ros.newest import NewestWorker
from asap_ros.pipeline import Perception, Pipeline
from asap_ros.road.geometry import Status
from asap_ros.road_outputs import RoadOutputs
from asap_ros.statistics import Counts, Latencies

RESULTS = QoSProfile(depth=5)
LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
OUTPUTS = {
    'mask': Image, 'confidence': Image, 'mask/camera_info': CameraInfo,
    'mask/compressed': CompressedImage, 'overlay': Image, 'timings': StageTimings,
    **road_outputs.OUTPUTS}
"""What is published for every frame, below ``~/``."""
REASONS = tuple(name for name in OUTPUTS if name != 'timings')
"""Outputs that are a reason to run the network."""


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


def newest_only() -> QoSProfile:
    """Return SensorDataQoS (REP-2003) with a queue of one: only the newest frame is worth it.

    One profile a subscription, since qos_overrides are written into the object.
    """
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Segmenter(LifecycleNode):
    """Subscribes to a camera, runs the pipeline off the executor's thread, publishes answers."""

    def __init__(self, **options):
        """Declare the parameters; everything else waits for *configure*."""
        super().__init__('segmenter', **options)
        parameters.declare(self)
        self._pipeline: Pipeline | None = None
        self._road: RoadOutputs | None = None
        self._outputs: dict = {}
        self._inputs: list = []
        self._worker = NewestWorker(self._answer, self._report_crash)
        self._reset_statistics()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # Steady: under use_sim_time a clock that stands still must not silence the diagnosis.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnosing = self.create_timer(1.0, self._diagnose, clock=self._steady)

    # ---- lifecycle -------------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate; where configuring fails, stay unconfigured and say why.

        The node does this itself because whoever would drive it by transition events may miss
        the one event that counts while discovery is still going on.
        """
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and prove the network; FAILURE, with the reason in the log, where it cannot."""
        try:
            values = parameters.read(self)
            pipeline = Pipeline.open(
                values['model'], values['engine'], values['provider'],
                (values['network_height'], values['network_width']), values['threads'])
            self._road = RoadOutputs(self, pipeline.labels, values)
            self._pipeline = pipeline
        except (ModelError, EngineError, ValueError) as error:
            self.get_logger().error(f'not configured: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error('not configured: ' + _traced(error))
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(', '.join(
            f'{name} {value}' for name, value in self.engine_facts().items()))
        for name, kind in OUTPUTS.items():
            self._outputs[name] = self.create_lifecycle_publisher(kind, f'~/{name}', RESULTS)
        self._labels = self.create_lifecycle_publisher(LabelInfo, '~/label_info', LATCHED)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the label set, start the worker, subscribe; FAILURE, logged, if it cannot."""
        result = super().on_activate(state)
        self._reset_statistics()
        self._announce_labels()
        self._worker.start()
        try:
            self._subscribe()
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(f'not activated: {error}')
            self.on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and let the frame in work finish."""
        self._release_inputs()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the network and the publishers."""
        self._release_outputs()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything from any state."""
        self._release_inputs()
        self._release_outputs()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything, so that *configure* can begin anew."""
        self.get_logger().error('a transition failed; the node is unconfigured')
        return self.on_shutdown(state)

    def _subscribe(self) -> None:
        kind, topic = (
            (CompressedImage, 'image/compressed') if self._value('compressed')
            else (Image, 'image'))
        self._inputs.append(self.create_subscription(
            kind, topic, self._receive, newest_only(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies()))
        self._inputs.append(self.create_subscription(
            CameraInfo, 'camera_info', self._calibrate, newest_only()))

    def _release_inputs(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        self._worker.stop()

    def _release_outputs(self) -> None:
        for publisher in [*self._outputs.values(), *([self._labels] if self._outputs else [])]:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = {}
        if self._road is not None:
            self._road.close()
        self._pipeline = self._road = None

    # ---- frames ----------------------------------------------------------------------------

    def _receive(self, message: Image | CompressedImage) -> None:
        """Hand the newest frame to the worker; runs on the executor's thread."""
        self._counts.received += 1
        now = time.monotonic()
        self._last_received = now
        stamp = messages.nanoseconds(message.header.stamp)
        if stamp < self._last_stamp:
            self.get_logger().warning(
                f'stamps go back by {(self._last_stamp - stamp) / 1e9:.3f} s: the clock jumped, '
                'a bag began again, or two cameras share the topic', throttle_duration_sec=1.0)
        self._last_stamp = stamp
        rate = self._value('max_rate')
        if not self._wanted() or rate and now - self._last_offered < 1.0 / rate:
            self._counts.dropped += 1
            return
        self._last_offered = now
        self._counts.dropped += self._worker.offer(message)

    def _calibrate(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _answer(self, message: Image | CompressedImage) -> None:
        """Process one frame and publish its answer; runs on the worker's thread."""
        start = time.perf_counter()
        timings: dict[str, float] = {}
        self._announce_labels()
        max_age = self._value('max_age')
        age = self._age(message.header)
        if max_age and age > max_age:
            self._counts.stale += 1
            answer = self._invalid(
                f'frames are stale: {age:.3f} s old on arrival, max_age is {max_age} s',
                road_outputs.STALE)
        else:
            try:
                answer = self._perceive(message, timings)
                self._counts.processed += 1
                self._fault = ''
            except (ImageError, EngineError) as error:
                self._counts.failed += 1
                answer = self._invalid(f'frame failed: {error}', road_outputs.FAILED)
                self.get_logger().error(self._fault, throttle_duration_sec=1.0)
            except Exception as error:  # whatever it is, whoever waits for this frame is told
                self._counts.failed += 1
                answer = self._invalid(f'internal error: {error!r}', road_outputs.FAILED)
                self.get_logger().error(_traced(error))
        begin = time.perf_counter()
        self._publish(message.header, answer)
        self._publish_road(message.header, answer, timings)
        end = time.perf_counter()
        timings |= {'publish': (end - begin) * 1e3 - timings.get('road', 0.0),
                    'total': (end - start) * 1e3, 'age': self._age(message.header) * 1e3}
        self._latencies.add(timings)
        self._last_answers.append(end)
        self._send('timings', lambda: messages.stage_timings(
            timings, self._counts, message.header))

    def _perceive(self, message: Image | CompressedImage, timings: dict[str, float]) -> Answer:
        begin = time.perf_counter()
        if isinstance(message, CompressedImage):
            picture = images.decode_compressed(message, at_least=self._pipeline.size)
        else:
            picture = images.decode(message)
        timings['decode'] = (time.perf_counter() - begin) * 1e3
        perception = self._pipeline.run(picture)
        timings |= perception.timings
        self._image = (picture.height, picture.width)
        grid = self._grid()
        mask = overlay.resize_mask(perception.mask, grid)
        confidence = cv2.resize(perception.confidence, grid[::-1], interpolation=cv2.INTER_LINEAR)
        least = self._value('min_confidence')
        if least > 0.0:
            mask = np.where(confidence < least * 255.0, np.uint8(IGNORED), mask)
        return Answer(mask, confidence, self._image, perception)

    def _invalid(self, fault: str, why: Status) -> Answer:
        """Return the answer to a frame that cannot be trusted: nothing known, nowhere."""
        self._fault = fault
        grid = self._grid()
        return Answer(np.full(grid, IGNORED, np.uint8), np.zeros(grid, np.uint8), None, None, why)

    def _grid(self) -> tuple[int, int]:
        """Return (height, width) of the mask; the camera's is that of its latest sound frame."""
        if self._image and self._value('mask_resolution') == 'camera':
            return self._image
        return self._pipeline.size

    def _publish(self, header: Header, answer: Answer) -> None:
        self._send('mask', lambda: images.encode(answer.mask, 'mono8', header))
        self._send('confidence', lambda: images.encode(answer.confidence, 'mono8', header))
        self._send('mask/compressed', lambda: images.encode_png(answer.mask, header))
        if answer.perception is not None:
            self._send('overlay', lambda: images.encode(
                overlay.blend(answer.perception.frame, answer.mask, self._pipeline.labels,
                              self._value('overlay_opacity')), 'rgb8', header))
        if self._camera_info is not None:
            self._publish_camera_info(header, answer)

    def _publish_camera_info(self, header: Header, answer: Answer) -> None:
        info = self._camera_info
        try:
            info = messages.scaled_camera_info(
                info, answer.image or messages.image_size(info), answer.mask.shape, header)
        except CalibrationError as error:
            self._calibration_fault = str(error)
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        self._calibration_fault = ''
        self._send('mask/camera_info', lambda: info)

    def _publish_road(self, header: Header, answer: Answer, timings: dict[str, float]) -> None:
        """Publish what is known of the road, if anybody listens; the masks are out by then."""
        if not self._wanted(road_outputs.OUTPUTS):
            return
        road = self._road.without_labels(answer.mask, answer.why)
        if answer.perception is not None:
            begin = time.perf_counter()
            try:
                road = self._road.analyse(
                    header, answer.mask, answer.confidence, self._camera_info, answer.image)
            except Exception as error:  # whoever waits for this frame's road is told
                road = self._road.without_labels(answer.mask, road_outputs.FAILED)
                self._report_crash(error)
            timings['road'] = (time.perf_counter() - begin) * 1e3
        self._road.publish(header, road, self._send)

    # ---- helpers ---------------------------------------------------------------------------

    def engine_facts(self) -> dict[str, str] | None:
        """Return what runs the network, None while nothing is configured."""
        return self._pipeline.engine_facts() if self._pipeline else None

    def _send(self, name: str, make: Callable) -> None:
        """Publish on ``~/name`` what ``make`` returns, if anybody listens."""
        if self._outputs[name].get_subscription_count():
            self._outputs[name].publish(make())

    def _announce_labels(self) -> None:
        """Publish what the ids mean, again where the threshold stated with them has changed."""
        threshold = self._value('min_confidence')
        if threshold != self._announced:
            header = Header(stamp=self.get_clock().now().to_msg())
            self._labels.publish(messages.label_info(self._pipeline.labels, threshold, header))
            self._announced = threshold

    def _wanted(self, names: Iterable[str] = REASONS) -> bool:
        return any(self._outputs[name].get_subscription_count() for name in names)

    def _value(self, name: str):
        return self.get_parameter(name).value

    def _age(self, header: Header) -> float:
        """Return seconds since the header's stamp, by the node's clock."""
        now = self.get_clock().now().nanoseconds
        return (now - messages.nanoseconds(header.stamp)) / 1e9

    def _reset_statistics(self) -> None:
        self._counts, self._latencies = Counts(), Latencies()
        self._last_received = time.monotonic()
        self._last_offered = 0.0
        self._last_stamp = 0
        self._last_answers: deque[float] = deque()
        self._image: tuple[int, int] | None = None
        self._announced: float | None = None
        self._fault = self._calibration_fault = ''
        self._camera_info: CameraInfo | None = None

    def _report_crash(self, error: Exception) -> None:
        """Tell an error of publishing, which nobody expected; the worker goes on."""
        if not self.context.ok():  # Ctrl-C while a frame was in work: there is nobody to tell
            return
        self._fault = f'internal error: {error!r}'
        self.get_logger().error(_traced(error))

    def _diagnose(self) -> None:
        """Publish the three statuses, once a second by the steady clock."""
        silence = time.monotonic() - self._last_received
        patience = self._value('silence')
        why = ''
        if self._inputs and silence > patience:
            image = self._inputs[0]
            kind = diagnostics.COMPRESSED if self._value('compressed') else diagnostics.RAW
            why = diagnostics.why_no_frames(self, image.topic_name, kind, image.qos_profile)
            self.get_logger().warning(
                f'no frame for {silence:.1f} s: {why}', throttle_duration_sec=10.0)
        since = time.perf_counter() - 5.0
        while self._last_answers and self._last_answers[0] <= since:
            self._last_answers.popleft()
        road = bool(self._outputs) and self._wanted(road_outputs.OUTPUTS)
        road_fault = self._road.fault if road else ''
        frames = diagnostics.FrameReport(
            active=bool(self._inputs), wanted=bool(self._outputs) and self._wanted(),
            silence=silence, patience=patience, rate=len(self._last_answers) / 5.0,
            last_fault=self._fault, calibration_fault=self._calibration_fault or road_fault)
        statuses = {
            'engine': diagnostics.engine_status(
                DiagnosticStatusWrapper(), self.engine_facts()),
            'frames': diagnostics.frame_status(
                DiagnosticStatusWrapper(), frames, self._counts, why),
            'latency': diagnostics.latency_status(
                DiagnosticStatusWrapper(), self._latencies, self._value('max_age'))}
        array = DiagnosticArray(header=Header(stamp=self.get_clock().now().to_msg()))
        for name, status in statuses.items():
            status.name = f'{self.get_name()}: {name}'
            status.hardware_id = 'none'
            array.status.append(status)
        self._diagnostics.publish(array)


def main(arguments: list[str] | None = None) -> int:
    """Run the node until Ctrl-C or shutdown; 1 where a parameter given to it is impossible."""
    rclpy.init(args=arguments)
    node = None
    try:
        node = Segmenter()
        if node.get_parameter('autostart').value:
            node.start()
        rclpy.spin(node)
    except ParameterException as error:
        print(f'segmenter: {error}', file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.on_shutdown(None)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _traced(error: Exception) -> str:
    return ''.join(traceback.format_exception(error))


if __name__ == '__main__':
    sys.exit(main())
