"""What a drive's results are judged by: its references, its truth, its odometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asap_ros import labels
from asap_ros.bags import message_readers
from asap_ros.bags.frames import RecordedFrame
from asap_ros.bags.message_readers import TrueSpace
from asap_ros.bags.reader import BagError, Topic
from asap_ros.bags.recorded_drive import RecordedDrive
from asap_ros.bags.topics import TRUTH
from asap_ros.bags.warnings import Warnings
from asap_ros.evaluation.report import MaskReference, MetricReference
from asap_ros.evaluation.session import EvaluationContext
from asap_ros.labels import LabelSet
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.road.geometry import RoadGeometry


def evaluation_context(
    drive: RecordedDrive,
    masks: LabelSet,
    parameters: SegmenterParameters,
    truth_labels: str,
    configuration: Mapping[str, object],
    inputs: Sequence[Path] = (),
) -> EvaluationContext:
    """Return what a drive's results are compared with.

    ``masks`` are the labels of the masks, ``truth_labels`` names those of the bag's masks and
    truth; ``inputs`` are files that went in beside the bag's. Raises LabelError or
    FileNotFoundError for a label set that there is not.
    """
    topics, reference = drive.topics, None
    if topics.reference and topics.reference_kind:
        reference = MaskReference(
            topics.reference.name, labels.load(truth_labels), topics.reference_kind
        )
    return EvaluationContext(
        labels=masks,
        reference=reference,
        true_space=_truth(topics.true_space),
        true_road=_truth(topics.true_road),
        truth_labels=labels.load(truth_labels) if topics.true_space else None,
        odometry=drive.vehicle.odometry,
        driven=MetricReference(topics.odometry.name, 'odometry') if topics.odometry else None,
        options=parameters.road_options(),
        configuration=configuration,
        inputs=[*drive.bag.files, *inputs],
    )


def metric_truth(
    frame: RecordedFrame, columns: int, warnings: Warnings
) -> tuple[RoadGeometry | None, TrueSpace | None]:
    """Return the frame's true road and true free space, None for what there is not.

    ``columns`` is the width of the image. What cannot be read is as if it had not been
    recorded; ``warnings`` names it.
    """
    road = space = None
    try:
        if frame.true_road is not None:
            road = message_readers.geometry_of(frame.true_road.value)
        if frame.true_space is not None:
            space = message_readers.true_space_of(frame.true_space.value, columns)
    except (BagError, ValueError) as error:
        warnings.add(str(error))
    return road, space


def _truth(topic: Topic | None) -> MetricReference | None:
    """Return how far a topic of metric truth is to be believed."""
    if topic is None:
        return None
    kind = 'ground truth' if topic.name.startswith(TRUTH) else 'predictions'
    return MetricReference(topic.name, kind)
