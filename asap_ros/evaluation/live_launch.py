"""A recorded drive through the launched node at its pace, for ``evaluate --live``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from asap_ros import labels
from asap_ros.bags import topics
from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.topic_names import DRIVE_OPTIONS
from asap_ros.evaluation.drive_job import DriveJob, DriveOutcome, Ending, refused
from asap_ros.evaluation.report import EvaluatedDrive
from asap_ros.parameters import parameter_file
from asap_ros.parameters.loading import NODE, load
from asap_ros.parameters.parameter_file import RosValue
from asap_ros.segmentation import model_file

FILES = (
    'report.html',
    'report.json',
    'frames.csv',
    'overlay.webm',
    'overlay.mp4',
    'contact_sheet.png',
    'results',
)


def command(job: DriveJob, rate: float, params: Path) -> list[str]:
    """Return the launch that evaluates a drive, with the node's parameters in a file."""
    request = job.request
    arguments = {
        'bag': job.bag,
        'out': job.folder,
        'lockstep': 'false',
        'rate': str(rate),
        'model': request.model,
        'engine': request.engine,
        'reference_labels': request.reference_labels,
        'params_file': str(params),
        **{o.name: getattr(request.wanted, o.field) for o in DRIVE_OPTIONS if o.field},
    }
    given = [f'{name}:={value}' for name, value in arguments.items() if value]
    return ['ros2', 'launch', 'asap_ros', 'replay.launch.py', *given]


def parameters(job: DriveJob) -> str:
    """Return a parameter file: what that of the request gives the node, and what it sets itself.

    Raises OSError or ParameterError where the node would refuse it.
    """
    request = job.request
    values: dict[str, RosValue] = {}
    if request.params_file:
        path = Path(request.params_file)
        load(path)  # refuses what the node would
        values |= parameter_file.read(path).values(NODE)
    values |= {
        'network_height': request.size[0],
        'network_width': request.size[1],
        'threads': request.threads,
    }
    if request.hood_fraction is not None:
        values['hood_fraction'] = request.hood_fraction
    return parameter_file.dump(NODE, values)


def work(job: DriveJob, rate: float) -> DriveOutcome:
    """Play a drive to a node that is launched for it, and return what the replay reports.

    Ctrl-C goes to the launch, which then writes what there is. Raises RuntimeError where there
    is no ros2 command, ModelError where there is no such model, ParameterError where the node would
    refuse its parameters.
    """
    if not shutil.which('ros2'):
        raise RuntimeError(
            '--live needs the ros2 command: source the setup.bash of ROS 2 and of '
            'the workspace, or run it by tools/ros'
        )
    model_file.locate(job.request.model)
    given = parameters(job)
    try:
        with Bag(job.bag) as bag:
            topics.find(bag, job.request.wanted)
    except BagError as error:
        return refused(
            job,
            str(error),
            labels.load(job.request.reference_labels),
            EvaluatedDrive(job.bag, '', 'paced', rate),
        )
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / 'report.json'
    report.unlink(missing_ok=True)  # what stands there afterwards is of this run
    params = folder / 'segmenter.param.yaml'
    params.write_text(given)
    # A group of its own: the launch and its nodes then hear of Ctrl-C once, from here, also where
    # it was a SIGTERM to this process alone.
    process = subprocess.Popen(command(job, rate, params), start_new_session=True)
    ending = Ending.EVALUATED
    try:
        process.wait()
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
    if not report.exists():
        sentence = (
            f'the launch ended with {process.returncode} and without a report; its output above '
            'says why'
        )
        return DriveOutcome(job, None, (), Ending.FAILED, sentence)
    files = tuple(str(folder / name) for name in FILES if (folder / name).exists())
    return DriveOutcome(job, json.loads(report.read_text()), files, ending)
