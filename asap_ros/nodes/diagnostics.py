"""What /diagnostics says of the segmenter: the engine in use, the frames, why none come."""

from __future__ import annotations

from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diagnostic_updater import DiagnosticStatusWrapper
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from std_msgs.msg import Header

from asap_ros.segmentation.frame_statistics import Counts, Latencies

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
ENGINE_LEVELS = {
    'chosen': DiagnosticStatus.OK,
    'building': DiagnosticStatus.OK,
    'fallback': DiagnosticStatus.WARN,
    'stopped': DiagnosticStatus.ERROR,
}


def why_no_frames(node: Node, topic: str, message_type: str, qos: QoSProfile) -> str:
    """Return why nothing arrives on ``topic`` (a resolved name), in one sentence."""
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        twin, hint = _twin(topic, message_type)
        if twin and node.get_publishers_info_by_topic(twin):
            return f'no publisher on {topic}, but there is one on {twin}: {hint}'
        return (
            f'no publisher on {topic}: is the camera driver running, and is the topic '
            'remapped (image_topic:=…)?'
        )
    kinds = sorted({p.topic_type for p in publishers})
    if message_type not in kinds:
        return f'{topic} carries {", ".join(kinds)}, {message_type} is needed'
    reasons = []
    for publisher in publishers:
        compatible, reason = qos_check_compatible(publisher.qos_profile, qos)
        if compatible != QoSCompatibility.ERROR:
            return (
                f'{topic} has a publisher of the right type and QoS that sends nothing: '
                'is the camera streaming?'
            )
        reasons.append(reason)
    return (
        f'the QoS of the publisher of {topic} does not fit ({reasons[0].strip()}): '
        'change it there, or here through qos_overrides'
    )


def _twin(topic: str, message_type: str) -> tuple[str, str]:
    if message_type == RAW:
        return f'{topic}/compressed', 'set the parameter compressed to true'
    raw, found, _ = topic.rpartition('/compressed')
    return (raw, 'set the parameter compressed to false') if found else ('', '')


@dataclass(frozen=True)
class FrameReport:
    """What the frame status of an active node is made of.

    ``seconds_without_frame`` since the last frame or the start, ``no_frame_timeout`` from when
    on that is an error; ``wanted``: somebody subscribes to an output; ``rate`` in frames/s; the
    faults are sentences about the latest frame, empty where there is none.
    """

    wanted: bool
    seconds_without_frame: float
    no_frame_timeout: float
    rate: float = 0.0
    last_fault: str = ''
    stamp_fault: str = ''
    calibration_fault: str = ''

    @property
    def timed_out(self) -> bool:
        """Return whether no frame has come for too long."""
        return self.seconds_without_frame > self.no_frame_timeout


def array(node: str, stamp: Time, statuses: dict[str, DiagnosticStatus]) -> DiagnosticArray:
    """Return the message that holds a node's statuses by their short names."""
    for name, status in statuses.items():
        status.name, status.hardware_id = f'{node}: {name}', 'none'
    return DiagnosticArray(header=Header(stamp=stamp), status=list(statuses.values()))


def frame_status(
    report: FrameReport | None, counts: Counts, why: str = ''
) -> DiagnosticStatusWrapper:
    """Return the status ``frames``: level, one sentence, the counts.

    ``report`` is None while the node is not active; ``why`` says why no frame comes.
    """
    status = DiagnosticStatusWrapper()
    if report is None:
        status.summary(DiagnosticStatus.STALE, 'not active')
    elif report.timed_out:
        status.summary(
            DiagnosticStatus.ERROR, f'no frame for {report.seconds_without_frame:.1f} s: {why}'
        )
    elif report.last_fault:
        status.summary(DiagnosticStatus.ERROR, report.last_fault)
    elif report.stamp_fault:
        status.summary(DiagnosticStatus.WARN, report.stamp_fault)
    elif report.calibration_fault:
        status.summary(DiagnosticStatus.WARN, report.calibration_fault)
    elif not report.wanted:
        status.summary(DiagnosticStatus.OK, 'idle: nobody subscribes to an output')
    else:
        status.summary(DiagnosticStatus.OK, f'{report.rate:.1f} frames/s')
    for name, value in vars(counts).items():
        status.add(name, str(value))
    status.add('frames_per_second', f'{report.rate if report else 0.0:.2f}')
    return status


def engine_status(facts: dict[str, str] | None) -> DiagnosticStatusWrapper:
    """Return the status ``engine``: what is actually in use, and why not what was wanted."""
    status = DiagnosticStatusWrapper()
    if facts is None:
        status.summary(DiagnosticStatus.STALE, 'no network loaded')
        return status
    says = f'{facts["model"]} on {facts["name"]}, {facts["provider"]}, {facts["precision"]}'
    state = facts['state']
    if state == 'building':
        says += f'; building a better engine, {facts["build_progress"]}: {facts["build_phase"]}'
    elif state != 'chosen':
        says += f'; {facts["message"]}'
    status.summary(ENGINE_LEVELS[state], says)
    for name, value in facts.items():
        status.add(name, value)
    return status


def latency_status(latencies: Latencies, max_age: float) -> DiagnosticStatusWrapper:
    """Return the status ``latency``: p50, p95, p99 a stage; WARN where p95 of age is too much.

    ``max_age`` in seconds, 0 for any.
    """
    status = DiagnosticStatusWrapper()
    table = latencies.percentiles()
    if not table:
        status.summary(DiagnosticStatus.OK, 'no frame yet')
    elif max_age and table['age']['p95'] > max_age * 1e3:
        status.summary(
            DiagnosticStatus.WARN,
            f'p95 of the age is {table["age"]["p95"]:.0f} ms, max_age {max_age * 1e3:.0f}',
        )
    else:
        status.summary(DiagnosticStatus.OK, f'total p50 {table["total"]["p50"]:.1f} ms')
    for stage, values in table.items():
        for name, value in values.items():
            status.add(f'{stage}_{name}_ms', f'{value:.2f}')
    return status
