"""One drive to be evaluated, as data that any process can work on, and the working on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path

from asap_ros import labels
from asap_ros.bags import topics
from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.recorded_drive import RecordedDrive
from asap_ros.bags.topic_names import ANY, TopicNames
from asap_ros.bags.writer import ResultBag
from asap_ros.evaluation import ground_truth, offline
from asap_ros.evaluation.offline import MaskSource
from asap_ros.evaluation.report import EvaluatedDrive, EvaluatedRun, FrameCounts
from asap_ros.evaluation.session import EvaluationContext, EvaluationSession
from asap_ros.labels import LabelSet
from asap_ros.parameters.loading import load
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine_selection import EngineOptions
from asap_ros.segmentation.pipeline import Pipeline
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from asap_ros.version import version


@dataclass(frozen=True)
class EvaluationRequest:
    """How drives are evaluated; the fields are the command line's (``evaluate --help``)."""

    model: str = 'asap_mobilenet_v2_driving'
    engine: str = 'onnxruntime'
    size: tuple[int, int] = (512, 1024)
    threads: int = 0
    wanted: TopicNames = ANY
    reference_labels: str = 'cityscapes'
    params_file: str = ''
    hood_fraction: float | None = None

    @property
    def parameters(self) -> SegmenterParameters:
        """The node's parameters that this stands for; OSError or ParameterError."""
        path = Path(self.params_file) if self.params_file else None
        return load(path, hood_fraction=self.hood_fraction).parameters

    def configuration(self) -> dict[str, object]:
        """Return the request, and what it runs on, for the report."""
        unused = ('wanted', 'model', 'engine', 'threads') if self.wanted.masks else ('wanted',)
        told = {key: value for key, value in asdict(self).items() if key not in unused}
        told['size'] = '{}x{}'.format(*self.size)
        told |= {f'{key}_topic': value for key, value in asdict(self.wanted).items() if value}
        return {
            **told,
            'software': version(),
            'python': platform.python_version(),
            'machine': f'{platform.machine()}, {os.cpu_count()} processors',
        }


@dataclass(frozen=True)
class DriveJob:
    """A bag and the folder that its results go to."""

    bag: str
    folder: str
    request: EvaluationRequest


class Ending(Enum):
    """How the work on a drive ended.

    REFUSED is a bag that is none that can be evaluated, or not with what was said of it;
    INTERRUPTED a drive ended by the user, whose report is of what was done until then.
    """

    EVALUATED = 'evaluated'
    REFUSED = 'refused'
    FAILED = 'failed'
    INTERRUPTED = 'interrupted'


@dataclass(frozen=True)
class DriveOutcome:
    """What became of a job: its report and files, and why the bag was refused where it was.

    A bag that was refused has a report that says so, None where not even that could be written.
    ``error`` says why a drive was refused or failed.
    """

    job: DriveJob
    document: dict | None
    files: tuple[str, ...] = ()
    ending: Ending = Ending.EVALUATED
    error: str = ''


def work(job: DriveJob, quiet: bool = True) -> DriveOutcome:
    """Evaluate one drive. A bag that cannot be judged makes an outcome that says why.

    Raises OSError, ValueError or RuntimeError where the network or the request is at fault,
    which no other bag would better.
    """
    request = job.request
    segmenter = segmenter_of(request)
    try:
        with Bag(job.bag) as bag:
            found = topics.find(bag, request.wanted)
            vehicle = CalibrationAndOdometry(bag, found, request.parameters)
            inputs = [] if request.wanted.masks else [model_file.locate(request.model)]
            drive = RecordedDrive(bag, found, vehicle)
            context = ground_truth.evaluation_context(
                drive,
                segmenter.labels,
                request.parameters,
                request.reference_labels,
                request.configuration(),
                inputs,
            )
            results = offline.evaluate(
                drive,
                segmenter,
                context,
                request.parameters,
                Path(job.folder),
                quiet,
            )
    except (BagError, OSError, ValueError) as error:
        source = EvaluatedDrive(job.bag, '', 'offline')
        return refused(job, str(error), segmenter.labels, source, segmenter.facts)
    files = tuple(map(str, results.files))
    if not results.document['complete']:
        return DriveOutcome(job, results.document, files, Ending.INTERRUPTED)
    if not results.document['frames']['processed']:
        sentence = f'not one frame of {job.bag} could be read'
        return DriveOutcome(job, results.document, files, Ending.FAILED, sentence)
    return DriveOutcome(job, results.document, files)


def segmenter_of(request: EvaluationRequest) -> MaskSource:
    """Return what makes the masks; opened once a process. Raises ModelError or EngineError."""
    if request.wanted.masks:
        return offline.recorded_masks(
            request.wanted.masks, labels.load(request.reference_labels), request.size
        )
    pipeline = _pipeline(request.model, request.engine, request.size, request.threads)
    return offline.network(pipeline, request.parameters.min_confidence)


@lru_cache(maxsize=1)
def _pipeline(model: str, engine: str, size: tuple[int, int], threads: int) -> Pipeline:
    options = EngineOptions(engine, threads=threads, plan=PlanOptions(size=size))
    return Pipeline.open(model, options)


def refused(
    job: DriveJob,
    error: str,
    masks: LabelSet,
    source: EvaluatedDrive,
    facts: Mapping[str, str] | None = None,
) -> DriveOutcome:
    """Write the report of a bag that cannot be evaluated, if there is such a bag.

    ``error`` says why; ``masks`` are the labels that its masks would have had.
    """
    if not Path(job.bag).exists():
        return DriveOutcome(job, None, (), Ending.REFUSED, error)
    context = EvaluationContext(masks, configuration=job.request.configuration())
    folder = Path(job.folder)
    with EvaluationSession(folder, context, 0, 10.0) as session:
        results = session.finish(
            EvaluatedRun(replace(source, damage=error), FrameCounts(0, 0, 0, 0), facts)
        )
    ResultBag(folder).close()  # without a message: takes that of an earlier run away
    files = tuple(map(str, results.files))
    return DriveOutcome(job, results.document, files, Ending.REFUSED, error)
