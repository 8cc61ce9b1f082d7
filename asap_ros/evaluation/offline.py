"""A recorded drive through network and road model without ROS: every frame once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from asap_ros.bags import frames, images, message_builders
from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.frames import RecordedFrame
from asap_ros.bags.reader import BagError
from asap_ros.bags.recorded_drive import RecordedDrive
from asap_ros.bags.warnings import Warnings
from asap_ros.bags.writer import ResultBag
from asap_ros.evaluation import ground_truth
from asap_ros.evaluation.observation import Observation
from asap_ros.evaluation.report import EvaluatedDrive, EvaluatedRun, FrameCounts
from asap_ros.evaluation.session import EvaluationContext, EvaluationSession, SessionResults
from asap_ros.imaging import overlay
from asap_ros.imaging.files import ImageError
from asap_ros.imaging.pixel_formats import CameraPicture
from asap_ros.labels import LabelSet
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.road.free_space import boundary_points
from asap_ros.road.road_model import Road
from asap_ros.road.road_pipeline import RoadPipeline
from asap_ros.segmentation.pipeline import Pipeline, resample

MaskResult = tuple[np.ndarray, 'np.ndarray | None', dict[str, float]]
"""A mask uint8 (h, w), its confidence uint8 of the same grid or None, and stages in ms."""


@dataclass(frozen=True)
class MaskSource:
    """What makes the masks that are evaluated: a network, or a topic of the bag.

    ``labels`` of the masks; ``facts`` of the engine; ``size`` (height, width) of the masks;
    ``run`` takes a frame and its picture, and raises BagError or ImageError where it cannot.
    """

    labels: LabelSet
    facts: Mapping[str, str]
    size: tuple[int, int]
    run: Callable[[RecordedFrame, CameraPicture], MaskResult]


def network(pipeline: Pipeline, min_confidence: float) -> MaskSource:
    """Return the network behind the pipeline that the node uses, and as the node uses it."""

    def run(_: RecordedFrame, picture: CameraPicture) -> MaskResult:
        seen = pipeline.run(picture)
        return *resample(seen, seen.mask.shape, min_confidence), seen.timings

    return MaskSource(pipeline.labels, pipeline.engine_facts(), pipeline.size, run)


def recorded_masks(topic: str, labels: LabelSet, size: tuple[int, int]) -> MaskSource:
    """Return masks of a topic of the bag in the place of a network.

    They are brought to ``size`` (height, width); a frame without a mask of its stamp fails.
    """

    def run(frame: RecordedFrame, _: CameraPicture) -> MaskResult:
        if frame.mask is None:
            raise BagError(
                f'there is no mask on {topic} for the frame at {frame.stamp_ns / 1e9:.3f} s'
            )
        return overlay.resize_mask(images.mask(frame.mask), size), None, {}

    return MaskSource(labels, {'model': f'masks from {topic}'}, size, run)


class Chain:
    """A frame's picture to mask, free space and corridor, as the node does it."""

    def __init__(
        self,
        segmenter: MaskSource,
        vehicle: CalibrationAndOdometry,
        parameters: SegmenterParameters,
    ):
        """Begin a drive."""
        self._segmenter, self._vehicle = segmenter, vehicle
        self._road = RoadPipeline(
            segmenter.labels, parameters.road_options(), vehicle.cameras, vehicle
        )
        self._size: tuple[int, int] | None = None
        self.warnings = Warnings()
        """What kept frames from having a road, and how the camera changed."""

    def run(self, frame: RecordedFrame, picture: CameraPicture) -> tuple[Road, dict[str, float]]:
        """Return the road of a frame, its mask with it, and the stages in ms.

        Raises BagError or ImageError where there is no mask.
        """
        mask, confidence, timings = self._segmenter.run(frame, picture)
        start = time.perf_counter()
        image = images.source_image(frame, picture)
        if self._size not in (None, image.size):
            self.warnings.add(
                f'images change from {self._size[1]}x{self._size[0]} to '
                f'{image.size[1]}x{image.size[0]} at {frame.stamp_ns / 1e9:.3f} s'
            )
        self._size = image.size
        road = self._road.process(
            image, mask, confidence, self._vehicle.calibration(frame.stamp_ns)
        )
        if road.fault:
            self.warnings.count('frames without a road', road.fault)
        took = (time.perf_counter() - start) * 1e3
        stages = {**timings, 'road': took}
        return road, {**stages, 'total': sum(stages.values())}


def evaluate(
    drive: RecordedDrive,
    segmenter: MaskSource,
    context: EvaluationContext,
    parameters: SegmenterParameters,
    folder: Path,
    quiet: bool = False,
) -> SessionResults:
    """Run every frame of a drive through the chain and write the results to ``folder``.

    A frame that cannot be decoded counts as failed and the next one follows. Ctrl-C ends the
    run early; what there is by then is written, and the report says that it is not complete.
    ``quiet`` leaves out the progress bar.
    """
    bag, topics, vehicle = drive.bag, drive.topics, drive.vehicle
    processed = 0
    complete = True
    unreadable = Warnings()  # of frames, each of which has failed
    companions = Warnings(*vehicle.warnings)  # and of what belongs to a frame
    chain = Chain(segmenter, vehicle, parameters)
    output = ResultBag(folder)
    try:
        with EvaluationSession(
            folder, context, topics.image.count, frames.rate(bag, topics)
        ) as session:
            bar = tqdm(
                frames.camera_frames(bag, topics, unreadable),
                bag.name,
                topics.image.count,
                unit='frame',
                dynamic_ncols=True,
                disable=quiet,
            )
            try:
                for frame in bar:
                    try:
                        begin = time.perf_counter()
                        picture = images.picture(frame.image, segmenter.size)
                        decoded = (time.perf_counter() - begin) * 1e3
                        road, timings = chain.run(frame, picture)
                    except (BagError, ImageError) as error:
                        unreadable.add(str(error))
                        continue
                    timings = {'decode': decoded, **timings, 'total': decoded + timings['total']}
                    session.add(
                        Observation(
                            frame.stamp_ns,
                            images.rgb(picture),
                            road.mask,
                            timings,
                            road.geometry if vehicle.calibrated else None,
                            road.space,
                            images.reference(frame, companions),
                            *ground_truth.metric_truth(frame, picture.width, companions),
                        )
                    )
                    _write(output, frame, road, parameters.base_frame)
                    processed += 1
            except KeyboardInterrupt:
                complete = False
            bar.close()
            warnings = [*unreadable, *companions, *chain.warnings]
            for sentence in [*warnings, *([bag.damage] if bag.damage else [])]:
                print(f'warning: {bag.name}: {sentence}', file=sys.stderr)
            sent = processed + len(unreadable)
            counts = FrameCounts(topics.image.count, sent, sent, processed, failed=len(unreadable))
            source = EvaluatedDrive(str(bag.path), topics.image.name, 'offline', damage=bag.damage)
            results = session.finish(
                EvaluatedRun(source, counts, segmenter.facts, complete, warnings)
            )
        output.close()
        return results
    finally:
        output.discard()


def _write(output: ResultBag, frame: RecordedFrame, road: Road, base_frame: str) -> None:
    """Put the results of a frame into the bag of results, at the frame's own time."""
    stamp, time_ns = frame.stamp_ns, frame.image.time_ns
    frame_id = frame.image.value.header.frame_id
    output.put(
        '/segmenter/mask/compressed',
        time_ns,
        message_builders.label_mask(road.mask, stamp, frame_id),
    )
    output.put(
        '/segmenter/road_geometry',
        time_ns,
        message_builders.road_geometry(road.geometry, stamp, base_frame),
    )
    output.put('/segmenter/path', time_ns, message_builders.path(road.geometry, stamp, base_frame))
    if road.space is not None:
        output.put(
            '/segmenter/free_space/boundary',
            time_ns,
            message_builders.boundary(boundary_points(road.space), stamp, base_frame),
        )
