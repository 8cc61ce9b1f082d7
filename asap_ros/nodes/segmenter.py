"""The lifecycle node ``segmenter``: wiring between ROS and the pipeline, and nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from asap_ros.nodes import diagnostics, parameters, road_publisher
from asap_ros.nodes.camera_subscriber import CameraSubscriber
from asap_ros.nodes.frame_processor import FrameProcessor, traced
from asap_ros.nodes.lifecycle_services import refuse_impossible_transitions
from asap_ros.nodes.publishers import Publishers
from asap_ros.nodes.road_publisher import RoadPublisher
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.segmentation.engine import EngineError, Severity
from asap_ros.segmentation.frame_statistics import Counts, Latencies
from asap_ros.segmentation.model_file import ModelError
from asap_ros.segmentation.pipeline import Pipeline


@dataclass(frozen=True)
class Configuration:
    """What *configure* has made, for as long as the node is configured."""

    pipeline: Pipeline
    road: RoadPublisher
    publishers: Publishers

    def close(self) -> None:
        """Let go of the publishers, the inputs of the road and the network."""
        for held in (self.publishers, self.road, self.pipeline):
            held.close()


class Segmenter(LifecycleNode):
    """Subscribes to a camera, runs the pipeline off the executor's thread, publishes results."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for *configure*."""
        super().__init__('segmenter', **options)
        refuse_impossible_transitions(self)
        parameters.declare(self)
        self._configuration: Configuration | None = None
        self._camera: CameraSubscriber | None = None
        self._logged_doubts: set[str] = set()
        self._reset_statistics()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # Steady: under use_sim_time a clock that stands still must not silence the diagnosis.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(1.0, self._publish_diagnostics, clock=self._steady)

    # ---- lifecycle -------------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate; where configuring fails, stay unconfigured and say why.

        The node does this itself because whoever would drive it by transition events may miss
        the one event that counts while discovery is still going on.
        """
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and verify the network; FAILURE, with the reason in the log, where it cannot."""
        try:
            self._configuration = self._configure(parameters.read(self))
        except (ModelError, EngineError, ValueError) as error:
            self.get_logger().error(f'not configured: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(f'not configured: {traced(error)}')
            return TransitionCallbackReturn.FAILURE
        facts = self._configuration.pipeline.engine_facts()
        self.get_logger().info(', '.join(f'{name} {value}' for name, value in facts.items()))
        return TransitionCallbackReturn.SUCCESS

    def _configure(self, values: SegmenterParameters) -> Configuration:
        """Return what the parameters ask for; where one part fails, the others are closed."""
        with ExitStack() as made:
            pipeline = Pipeline.open(values.model, values.engine_options(), self._on_engine_event)
            made.callback(pipeline.close)
            road = RoadPublisher(self, pipeline.labels, values)
            made.callback(road.close)
            configuration = Configuration(pipeline, road, Publishers(self))
            made.pop_all()
        return configuration

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the label set and subscribe; FAILURE, with the reason in the log, if it cannot."""
        assert self._configuration is not None  # by the life cycle
        result = super().on_activate(state)
        self._reset_statistics()
        pipeline, road = self._configuration.pipeline, self._configuration.road
        publishers = self._configuration.publishers
        processor = FrameProcessor(self, pipeline, road, publishers, self._counts, self._latencies)
        processor.announce_labels()
        try:
            self._camera = CameraSubscriber(self, processor, publishers, self._counts)
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(f'not activated: {error}')
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and let the frame in work finish."""
        self._close_camera()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the network and the publishers."""
        self._close_configuration()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything from any state."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything, so that *configure* can begin anew."""
        self.get_logger().error('a transition failed; the node is unconfigured')
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Let go of everything, and of the node itself."""
        self._close()
        super().destroy_node()

    def _close(self) -> None:
        self._close_camera()
        self._close_configuration()

    def _close_camera(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _close_configuration(self) -> None:
        if self._configuration is not None:
            self._configuration.close()
            self._configuration = None

    # ---- diagnostics -----------------------------------------------------------------------

    def engine_facts(self) -> dict[str, str] | None:
        """Return what runs the network, None while nothing is configured."""
        return self._configuration.pipeline.engine_facts() if self._configuration else None

    def _on_engine_event(self, severity: Severity, text: str) -> None:
        """Log what became of the engine; called from the threads that run and build it."""
        # One call for each: rclpy keeps the severity of a place in the code.
        if severity is Severity.ERROR:
            self.get_logger().error(text)
        elif severity is Severity.WARNING:
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)

    def _reset_statistics(self) -> None:
        self._counts, self._latencies = Counts(), Latencies()
        self._last_clock = 0

    def _publish_diagnostics(self) -> None:
        """Publish the three statuses, once a second by the steady clock."""
        now = self.get_clock().now()
        # Before its first message a simulated clock says 0.
        clock_stands_still = now.nanoseconds == self._last_clock > 0
        self._last_clock = now.nanoseconds
        # By its name: before *configure* the others may be impossible, and diagnostics go on.
        max_age: float = self.get_parameter('max_age').value
        frames, why = None, ''
        if self._configuration is not None and self._camera is not None:
            frames = self._frame_report(self._configuration, self._camera)
            if frames.timed_out and clock_stands_still:
                why = '/clock stands still: the bag is paused or has ended'
            elif frames.timed_out:
                why = self._camera.why_no_images()
                self.get_logger().warning(
                    f'no frame for {frames.seconds_without_frame:.1f} s: {why}',
                    throttle_duration_sec=10.0,
                )
        self._diagnostics.publish(
            diagnostics.array(
                self.get_name(),
                now.to_msg(),
                {
                    'engine': diagnostics.engine_status(self.engine_facts()),
                    'frames': diagnostics.frame_status(frames, self._counts, why),
                    'latency': diagnostics.latency_status(self._latencies, max_age),
                },
            )
        )

    def _frame_report(
        self, configuration: Configuration, camera: CameraSubscriber
    ) -> diagnostics.FrameReport:
        return diagnostics.FrameReport(
            wanted=configuration.publishers.wanted(),
            seconds_without_frame=camera.seconds_without_image(),
            no_frame_timeout=parameters.read(self).silence,
            rate=camera.processor.rate(),
            last_fault=camera.processor.fault,
            stamp_fault=camera.processor.stamp_fault,
            calibration_fault=self._calibration_fault(configuration, camera),
        )

    def _calibration_fault(self, configuration: Configuration, camera: CameraSubscriber) -> str:
        """Return why the latest frame has no calibration, or where roads are wanted no camera.

        A camera that may not be what it is said to be counts too, and is logged once.
        """
        fault = camera.processor.calibration_fault
        if fault or not configuration.publishers.wanted(road_publisher.OUTPUTS):
            return fault
        doubts = camera.calibration_doubts()
        for doubt in doubts:
            if doubt not in self._logged_doubts:
                self._logged_doubts.add(doubt)
                self.get_logger().warning(doubt)
        return configuration.road.fault or '; '.join(doubts)
