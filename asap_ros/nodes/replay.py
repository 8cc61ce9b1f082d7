"""Play a recorded drive to a live segmenter, collect what it makes of it, and report."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from asap_ros import labels
from asap_ros.bags import frames, message_readers, topics
from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.reader import Bag, Message
from asap_ros.bags.recorded_drive import RecordedDrive
from asap_ros.bags.topic_names import topic_names
from asap_ros.bags.warnings import Warnings
from asap_ros.bags.writer import ResultBag
from asap_ros.evaluation import ground_truth, report
from asap_ros.evaluation.live_results import COUNTERS, LiveResults, engine_facts, label_set_of
from asap_ros.evaluation.live_scoring import LiveRun, score
from asap_ros.evaluation.progress import Progress
from asap_ros.evaluation.session import SessionResults
from asap_ros.imaging import message_codec
from asap_ros.imaging.files import ImageError
from asap_ros.labels import LabelSet
from asap_ros.msg import RoadGeometry, StageTimings
from asap_ros.nodes import output_recorder
from asap_ros.nodes.bag_player import BagPlayer
from asap_ros.nodes.replay_parameters import PARAMETERS
from asap_ros.parameters.loading import load
from asap_ros.version import version

NAME = 'replay'
LAST_WORDS = 0.3
"""Seconds for what the segmenter still says about the last frame, once its mask has come."""
UNCONFIGURED = 5.0
"""Seconds after which a segmenter that is still unconfigured will not configure any more."""


class ReplayError(RuntimeError):
    """A replay that cannot go on; the text says what it waited for or what is wrong."""


class ReplayParameterError(ReplayError):
    """A parameter of the replay that makes no sense."""


class Replay(Node):
    """Plays one camera of a bag under its recorded names and notes what the segmenter answers."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; ReplayParameterError where one makes no sense."""
        super().__init__(NAME, **options)
        for name, default, _ in PARAMETERS:
            self.declare_parameter(name, default)
        if not self.given('bag'):
            raise ReplayParameterError('parameter bag is empty: give the folder or file of a bag')
        for name in ('rate', 'startup_timeout', 'result_timeout'):
            if not self.given(name) > 0:
                raise ReplayParameterError(
                    f'parameter {name} must be above 0, not {self.given(name)}'
                )
        self.results = LiveResults()
        self.labels: LabelSet | None = None
        self.engine: dict[str, str] | None = None
        self.warnings = Warnings()
        self.stopped = self.interrupted = False
        self._state: int | None = None
        self._loop = SingleThreadedExecutor()
        self._loop.add_node(self)
        self._inputs: list[Subscription] = []

    def given(self, name: str) -> Any:
        """Return a parameter's value."""
        return self.get_parameter(name).value

    def run(self) -> SessionResults | None:
        """Play the drive and write the results; None where it was stopped before a frame went.

        Raises ReplayError, BagError, LabelError, PictureError or OSError.
        """
        params = self.given('params_file')
        node = self.resolve_service_name(self.given('segmenter'))  # expands as names of nodes do
        parameters = load(Path(params) if params else None, node).parameters
        folder = Path(self.given('out'))
        with Bag(self.given('bag')) as bag:
            drive = topics.find(bag, topic_names(self._given_values()))
            vehicle = CalibrationAndOdometry(bag, drive, parameters)
            # What cannot be judged should be known before the drive, not after it.
            labels.load(self.given('reference_labels'))
            if not drive.camera_info:
                self.warnings.add(
                    f'{bag.path} has no camera_info for {drive.image.name}: '
                    'masks only, nothing in metres'
                )
            player = BagPlayer(self, bag, drive)
            recorded = ResultBag(folder)
            try:
                self._wait_for_segmenter(player, recorded)
                if self.stopped or self.labels is None:
                    return None
                self._play(player, bag, drive)
                recorded.close()
            finally:
                recorded.discard()
            lockstep = self.given('lockstep')
            run = LiveRun(
                self.results,
                self.labels,
                self.engine,
                complete=not self.stopped,
                rate=None if lockstep else self.given('rate'),
            )
            recording = RecordedDrive(bag, drive, vehicle)
            context = ground_truth.evaluation_context(
                recording,
                self.labels,
                parameters,
                self.given('reference_labels'),
                {**self._given_values(), 'software': version()},
            )
            return score(recording, run, context, folder, self.warnings)

    def _given_values(self) -> dict[str, object]:
        """Return every parameter's value by its name."""
        return {name: self.given(name) for name, *_ in PARAMETERS}

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """End the drive here (a signal handler); the same signal again ends the process."""
        signal.signal(number, signal.SIG_DFL)
        print('replay: ending early; writing what there is (again to end at once)', flush=True)
        self.stopped = self.interrupted = True

    def _wait_for_segmenter(self, player: BagPlayer, recorded: ResultBag) -> None:
        """Return when the segmenter is active and receives, or when the replay is stopped."""
        name = self.given('segmenter')
        get_state = self.create_client(GetState, f'{name}/get_state')
        pending = None
        subscribed = False
        deadline = time.monotonic() + self.given('startup_timeout')
        refused = time.monotonic() + UNCONFIGURED
        while not self.stopped:
            if pending and pending.done():
                self._state, pending = pending.result().current_state.id, None
                if self._state != State.PRIMARY_STATE_UNCONFIGURED:
                    refused = time.monotonic() + UNCONFIGURED
                elif time.monotonic() > refused:
                    raise ReplayError('the segmenter could not be configured; its log says why')
            if not pending and get_state.service_is_ready():
                pending = get_state.call_async(GetState.Request())
            if self._state != State.PRIMARY_STATE_ACTIVE:
                missing = (
                    'node is not there (no service get_state)'
                    if self._state is None
                    else f'node is not active (lifecycle state {self._state})'
                )
            elif not player.has_subscribers:
                missing = f'node does not listen to {player.image_name}'
            elif not player.static_transforms_delivered():
                missing = 'node has not received /tf_static'
            elif not subscribed:
                self._inputs = output_recorder.subscribe(
                    self,
                    name,
                    self.given('record_all'),
                    recorded,
                    lambda: player.now_ns,
                    {
                        'mask': self._on_mask,
                        'timings': self._on_timings,
                        'road_geometry': self._on_road_geometry,
                        'label_info': self._on_label_info,
                        '/diagnostics': self._on_diagnostics,
                    },
                )
                subscribed = True
                continue
            elif not self.labels:
                missing = 'node has not published label_info'
            else:
                return
            if time.monotonic() > deadline:
                asked = self.resolve_service_name(get_state.srv_name).rpartition('/')[0]
                raise ReplayError(
                    f'waited {self.given("startup_timeout"):g} s in vain for '
                    f'{asked}: the {missing}'
                )
            player.publish_clock(player.now_ns)
            self._spin(0.1)

    def _play(self, player: BagPlayer, bag: Bag, drive: topics.DriveTopics) -> None:
        """Send every frame, in lockstep or at its pace, and wait for the last results."""
        lockstep = self.given('lockstep')
        progress = Progress('replay', drive.image.count)
        start: tuple[float, int] | None = None  # of the clock in s, of the bag in ns
        stamp = None
        for message in frames.play_order(bag, drive, self.warnings):
            start = start or (time.monotonic(), message.time_ns)
            if not lockstep:
                due = start[0] + (message.time_ns - start[1]) / 1e9 / self.given('rate')
                self._wait_until(player, due, message.time_ns)
            if self.stopped:
                break
            if not self._send(player, drive, message) or message.topic is not drive.image:
                continue
            stamp = message.stamp_ns
            if lockstep:
                self._wait_for(player, stamp)
            if self.stopped:
                break
            infer = self.results[stamp].timings.get('infer')
            progress.step(len(self.results), f'infer {infer:.0f} ms' if infer else '')
        if stamp is not None and not lockstep:
            self._wait_for(player, stamp)
        end = time.monotonic() + LAST_WORDS
        while time.monotonic() < end:
            self._spin(0.02)
        progress.end()

    def _send(self, player: BagPlayer, drive: topics.DriveTopics, message: Message) -> bool:
        """Publish a recorded message as it is; return False where its bytes are damaged."""
        try:
            value = player.deserialize(message)
            if message.topic is drive.image:
                self.results.add_sent(message.stamp_ns, time.monotonic())
        except Exception as error:  # rclpy has no common class for what damaged bytes cause
            self.warnings.add(f'{message.topic.name} at {message.time_ns / 1e9:.3f} s: {error}')
            return False
        player.publish(message, value)
        return True

    def _wait_for(self, player: BagPlayer, stamp: int) -> None:
        """Wait for the result of a frame; ends the drive where the segmenter has gone."""
        deadline = time.monotonic() + self.given('result_timeout')
        while not self.results[stamp].resolved and not self.stopped:
            if not player.has_subscribers:
                self.warnings.add(f'the segmenter went away after {len(self.results)} frames')
                self.stopped = True
            elif time.monotonic() > deadline:
                self.warnings.add(
                    f'frame at {stamp / 1e9:.3f} s: no result within '
                    f'{self.given("result_timeout"):g} s'
                )
                return
            self._spin(0.05)
        if not self.results[stamp].resolved:  # neither failed nor processed: ended before
            self.results.discard(stamp)

    def _wait_until(self, player: BagPlayer, due: float, bag_ns: int) -> None:
        """Serve results until the moment ``due`` comes, /clock going on at the bag's pace."""
        while not self.stopped and (left := due - time.monotonic()) > 0:
            player.publish_clock(bag_ns - int(left * 1e9 * self.given('rate')))
            self._spin(min(left, 0.01))

    def _spin(self, seconds: float) -> None:
        """Serve one callback, or none within that time."""
        self._loop.spin_once(seconds)

    def _on_mask(self, message: Image) -> None:
        now = time.monotonic()
        try:
            self.results.add_mask(_stamp_ns(message), message_codec.decode(message).pixels, now)
        except ImageError as error:
            self.warnings.add(f'mask at {_stamp_ns(message) / 1e9:.3f} s: {error}')

    def _on_road_geometry(self, message: RoadGeometry) -> None:
        self.results.add_geometry(_stamp_ns(message), message_readers.geometry_of(message))

    def _on_timings(self, message: StageTimings) -> None:
        self.results.add_timings(
            _stamp_ns(message),
            {name: getattr(message, name) for name in report.STAGES},
            {name: getattr(message, name) for name in COUNTERS},
        )

    def _on_label_info(self, message: LabelInfo) -> None:
        self.labels = label_set_of((c.class_id, c.class_name) for c in message.class_map)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        statuses = ((s.name, {v.key: v.value for v in s.values}) for s in message.status)
        self.engine = engine_facts(statuses, self.given('segmenter')) or self.engine


def _stamp_ns(message: Any) -> int:
    """Return a header's stamp in nanoseconds."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
