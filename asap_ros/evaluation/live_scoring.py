"""Judging a live run after it has ended, when that takes no time from the segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asap_ros.bags import frames, images
from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.frames import RecordedFrame
from asap_ros.bags.reader import BagError
from asap_ros.bags.recorded_drive import RecordedDrive
from asap_ros.bags.warnings import Warnings
from asap_ros.evaluation import ground_truth
from asap_ros.evaluation.live_results import LiveResults
from asap_ros.evaluation.observation import Observation
from asap_ros.evaluation.progress import Progress
from asap_ros.evaluation.report import EvaluatedDrive, EvaluatedRun
from asap_ros.evaluation.session import EvaluationContext, EvaluationSession, SessionResults
from asap_ros.imaging.files import ImageError
from asap_ros.imaging.pixel_formats import CameraPicture
from asap_ros.labels import LabelSet
from asap_ros.road.free_space import FreeSpace, find_free_space, hood_rows
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.pose import CameraError

SHOWN = (240, 480)
"""(height, width) at which frames are at least decoded for the pictures."""


@dataclass(frozen=True)
class LiveRun:
    """What a live segmenter made of a drive.

    ``engine`` are its engine's facts, None if it told none; ``complete`` is False for a drive
    ended early; ``rate`` is the pace it was played at, None for lockstep.
    """

    results: LiveResults
    labels: LabelSet
    engine: Mapping[str, str] | None
    complete: bool
    rate: float | None


def score(
    drive: RecordedDrive,
    run: LiveRun,
    context: EvaluationContext,
    folder: Path,
    warnings: Warnings,
) -> SessionResults:
    """Hold what came back against references and truth, and write the results to ``folder``.

    ``warnings`` are those of playing the drive; what cannot be read now is added to them.
    """
    bag, topics, vehicle = drive.bag, drive.topics, drive.vehicle
    lockstep = run.rate is None
    sent = len(run.results)
    progress = Progress('scoring', sent)
    warnings.add(*vehicle.warnings)
    with EvaluationSession(folder, context, sent, frames.rate(bag, topics)) as session:
        done = 0
        # Headers that cannot be read were named when the drive was played.
        for frame in frames.camera_frames(bag, topics, warnings=Warnings()):
            if frame.stamp_ns not in run.results:
                continue
            result = run.results[frame.stamp_ns]
            try:
                picture = images.picture(frame.image, SHOWN)
            except (BagError, ImageError) as error:  # the segmenter could not see it either
                warnings.add(f'frame at {frame.stamp_ns / 1e9:.3f} s: {error}')
                continue
            session.add(
                Observation(
                    frame.stamp_ns,
                    images.rgb(picture),
                    result.mask,
                    result.timings,
                    result.geometry if vehicle.calibrated else None,
                    _space(frame, picture, result.mask, vehicle, context),
                    images.reference(frame, warnings),
                    *ground_truth.metric_truth(frame, picture.width, warnings),
                )
            )
            done += 1
            progress.step(done)
        progress.end()
        unsent = topics.image.count - sent if run.complete else 0
        counts = run.results.counts(topics.image.count, unsent, lockstep)
        source = EvaluatedDrive(
            str(bag.path),
            topics.image.name,
            'lockstep' if lockstep else 'paced',
            run.rate,
            bag.damage,
        )
        return session.finish(EvaluatedRun(source, counts, run.engine, run.complete, [*warnings]))


def _space(
    frame: RecordedFrame,
    picture: CameraPicture,
    mask: np.ndarray | None,
    vehicle: CalibrationAndOdometry,
    context: EvaluationContext,
) -> FreeSpace | None:
    """Return the free space that the node finds in a mask of its own, None without a camera.

    What it publishes of it leaves out which image column a point belongs to.
    """
    if mask is None:
        return None
    try:
        camera = vehicle.camera(images.source_image(frame, picture), mask.shape)
    except CameraError:  # the node's own answer, which is scored, says so for every frame
        return None
    hood = hood_rows(camera.width, camera.height, context.options)
    return find_free_space(
        LabelledFrame(mask, None, camera), context.labels, context.options, hood
    )


def exit_code(document: dict) -> int:
    """Return 0 for a drive that was worked off, 1 for one that was not.

    In lockstep every frame must have been processed; at the recorded pace frames may be dropped,
    but none may fail.
    """
    counts = document['frames']
    if not document['complete'] or counts['failed'] or not counts['processed']:
        return 1
    lockstep = document['source']['mode'] == 'lockstep'
    return 1 if lockstep and counts['processed'] < counts['recorded'] else 0
