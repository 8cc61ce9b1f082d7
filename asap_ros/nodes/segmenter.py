"""The lifecycle node ``segmenter``: wiring between ROS and the pipeline, and nothing else."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from asap_ros.nodes import diagnostics, message_conversions, parameters, road_publisher
from asap_ros.nodes.frame_processor import FrameProcessor, traced
from asap_ros.nodes.latest_item_worker import LatestItemWorker
from asap_ros.nodes.publishers import Publishers
from asap_ros.nodes.road_publisher import RoadPublisher
from asap_ros.road.calibration import doubt_rectified
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.frame_statistics import Counts, Latencies
from asap_ros.segmentation.model_file import ModelError
from asap_ros.segmentation.pipeline import Pipeline


def newest_only() -> QoSProfile:
    """Return SensorDataQoS (REP-2003) with a queue of one: only the newest frame is worth it.

    One profile a subscription, since qos_overrides are written into the object.
    """
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Segmenter(LifecycleNode):
    """Subscribes to a camera, runs the pipeline off the executor's thread, publishes results."""

    def __init__(self, **options):
        """Declare the parameters; everything else waits for *configure*."""
        super().__init__('segmenter', **options)
        parameters.declare(self)
        self._pipeline: Pipeline | None = None
        self._road: RoadPublisher | None = None
        self._outputs: Publishers | None = None
        self._processor: FrameProcessor | None = None
        self._worker: LatestItemWorker | None = None
        self._inputs: list = []
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
            self._pipeline = Pipeline.open(
                values['model'],
                values['engine'],
                values['provider'],
                (values['network_height'], values['network_width']),
                values['threads'],
                values['precision'],
                self._note_engine,
                cache=values['engine_cache'],
                allow_fallback=values['allow_fallback'],
                build=True,
            )
            self._road = RoadPublisher(self, self._pipeline.labels, values)
        except (ModelError, EngineError, ValueError) as error:
            return self._not_configured(str(error))
        except Exception as error:  # rclpy would swallow it without a word
            return self._not_configured(traced(error))
        self.get_logger().info(
            ', '.join(f'{name} {value}' for name, value in self.engine_facts().items())
        )
        self._outputs = Publishers(self)
        return TransitionCallbackReturn.SUCCESS

    def _not_configured(self, why: str) -> TransitionCallbackReturn:
        self.get_logger().error(f'not configured: {why}')
        self._release_outputs()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the label set, start the worker, subscribe; FAILURE, logged, if it cannot."""
        result = super().on_activate(state)
        self._reset_statistics()
        self._processor = FrameProcessor(
            self, self._pipeline, self._road, self._outputs, self._counts, self._latencies
        )
        self._processor.announce_labels()
        self._worker = LatestItemWorker(self._processor.process, self._processor.report_crash)
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
            (CompressedImage, 'image/compressed')
            if self._value('compressed')
            else (Image, 'image')
        )
        self._inputs.append(
            self.create_subscription(
                kind,
                topic,
                self._receive,
                newest_only(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )
        self._inputs.append(
            self.create_subscription(CameraInfo, 'camera_info', self._calibrate, newest_only())
        )

    def _release_inputs(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        if self._worker is not None:
            self._worker.stop()

    def _release_outputs(self) -> None:
        for held in (self._outputs, self._road, self._pipeline):
            if held is not None:
                held.close()
        self._pipeline = self._road = self._outputs = self._processor = self._worker = None

    # ---- frames ----------------------------------------------------------------------------

    def _receive(self, message: Image | CompressedImage) -> None:
        """Hand the newest frame to the worker; runs on the executor's thread."""
        self._counts.received += 1
        now = time.monotonic()
        self._last_received = now
        stamp = message_conversions.nanoseconds(message.header.stamp)
        if stamp < self._last_stamp:
            self.get_logger().warning(
                f'stamps go back by {(self._last_stamp - stamp) / 1e9:.3f} s: the clock jumped, '
                'a bag began again, or two cameras share the topic',
                throttle_duration_sec=1.0,
            )
        self._last_stamp = stamp
        rate = self._value('max_rate')
        if not self._outputs.wanted() or rate and now - self._last_offered < 1.0 / rate:
            self._counts.dropped += 1
            return
        self._last_offered = now
        self._counts.dropped += self._worker.offer(message)

    def _calibrate(self, message: CameraInfo) -> None:
        self._processor.camera_info = message

    # ---- helpers ---------------------------------------------------------------------------

    def engine_facts(self) -> dict[str, str] | None:
        """Return what runs the network, None while nothing is configured."""
        return self._pipeline.engine_facts() if self._pipeline else None

    def _note_engine(self, good: bool, text: str) -> None:
        """Log what became of the engine; called from the threads that run and build it."""
        (self.get_logger().info if good else self.get_logger().warning)(text)

    def _value(self, name: str):
        return self.get_parameter(name).value

    def _reset_statistics(self) -> None:
        self._counts, self._latencies = Counts(), Latencies()
        self._last_received = time.monotonic()
        self._last_offered = 0.0
        self._last_stamp = 0
        self._last_clock = 0

    def _diagnose(self) -> None:
        """Publish the three statuses, once a second by the steady clock."""
        silence = time.monotonic() - self._last_received
        patience = self._value('silence')
        why = ''
        clock = self.get_clock().now().nanoseconds
        # Before its first message a simulated clock says 0.
        paused, self._last_clock = clock == self._last_clock > 0, clock
        if self._inputs and silence > patience and paused:
            why = '/clock stands still: the bag is paused or has ended'
        elif self._inputs and silence > patience:
            image = self._inputs[0]
            kind = diagnostics.COMPRESSED if self._value('compressed') else diagnostics.RAW
            why = diagnostics.why_no_frames(self, image.topic_name, kind, image.qos_profile)
            self.get_logger().warning(
                f'no frame for {silence:.1f} s: {why}', throttle_duration_sec=10.0
            )
        frames = diagnostics.FrameReport(
            active=bool(self._inputs),
            wanted=self._outputs is not None and self._outputs.wanted(),
            silence=silence,
            patience=patience,
        )
        if self._processor is not None:
            frames = replace(
                frames,
                rate=self._processor.rate(),
                last_fault=self._processor.fault,
                calibration_fault=self._calibration_fault(),
            )
        self._diagnostics.publish(
            diagnostics.array(
                self.get_name(),
                self.get_clock().now().to_msg(),
                {
                    'engine': diagnostics.engine_status(self.engine_facts()),
                    'frames': diagnostics.frame_status(frames, self._counts, why),
                    'latency': diagnostics.latency_status(self._latencies, self._value('max_age')),
                },
            )
        )

    def _calibration_fault(self) -> str:
        """Return why the latest frame has no calibration, or where roads are wanted no camera.

        A camera that may not be what it is said to be counts too, and is logged once.
        """
        if self._processor.calibration_fault or not self._outputs.wanted(road_publisher.OUTPUTS):
            return self._processor.calibration_fault
        info, doubt = self._processor.camera_info, ''
        if info is not None and self._inputs and self._value('rectified'):
            doubt = doubt_rectified(self._inputs[0].topic_name, info.d)
        if doubt:
            self.get_logger().warning(doubt, once=True)
        return self._road.fault or doubt


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


if __name__ == '__main__':
    sys.exit(main())
