"""The command line of ``evaluate`` and what it asks of every drive."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from asap_ros.bags.topic_names import DRIVE_OPTIONS, topic_names
from asap_ros.cli.arguments import (
    CommandParser,
    add_drive_options,
    add_hood_fraction,
    add_model,
    add_out,
    add_params_file,
    add_size,
    add_threads,
    at_least_one,
)
from asap_ros.cli.command import UsageError
from asap_ros.evaluation.drive_job import EvaluationRequest
from asap_ros.segmentation.engine_selection import ENGINES

DESCRIPTION = """Judge network and road geometry on recorded drives, every frame once or live at
their pace, or compare two reports."""
EXAMPLES = """
  %(prog)s drives/monday --out out/monday
      one drive with the default network: report.html, report.json, frames.csv, overlay video,
      contact sheet, results bag
  %(prog)s drives/* --out out/all --model models/mine.onnx --workers 4
      many drives, four at a time: a folder each below out/all, summary.json and index.html
  %(prog)s drives/* --out /data/out --scheduler tcp://head:8786
      the same on a Dask cluster whose machines see the same folders
  %(prog)s drives/monday --out out/road --masks-from /ground_truth/mask
      road geometry alone, on masks out of the bag
  %(prog)s drives/monday --out out/live --live
      through the launched node at the recorded pace, with its drops and its latency
  %(prog)s --compare out/before/report.json out/after/report.json \\
          --limit road.availability=0.05
      what got better and worse; exit status 1 where something got worse by more than its limit
"""


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('evaluate', DESCRIPTION, EXAMPLES)
    made.add_argument(
        'bags',
        nargs='*',
        type=Path,
        metavar='BAG',
        help='a rosbag2 folder, or its .mcap or .db3 file',
    )
    add_out(made, 'folder that the results go to', required=False)
    judged = made.add_argument_group('what is judged')
    add_model(judged, EvaluationRequest.model)
    judged.add_argument(
        '--engine',
        choices=ENGINES,
        default=EvaluationRequest.engine,
        help='what runs the network: %(choices)s',
        metavar='ENGINE',
    )
    add_size(judged, 'network resolution, multiples of 32', EvaluationRequest.size)
    add_threads(judged)
    judged.add_argument(
        '--masks-from',
        default='',
        metavar='TOPIC',
        help="label masks of the bag in place of a network's",
    )
    add_params_file(judged)
    add_hood_fraction(judged)
    add_drive_options(made.add_argument_group('topics of the bag'), DRIVE_OPTIONS)
    many = made.add_argument_group('how it is run')
    many.add_argument('--workers', type=at_least_one, metavar='N', help='drives at a time, here')
    many.add_argument(
        '--scheduler',
        default='',
        metavar='ADDRESS',
        help='of a Dask cluster, such as tcp://head:8786',
    )
    many.add_argument(
        '--live', action='store_true', help='through the launched node, one drive after another'
    )
    many.add_argument(
        '--rate', type=float, default=1.0, help='pace with --live, 1 as recorded', metavar='FACTOR'
    )
    gate = made.add_argument_group('comparing two reports')
    gate.add_argument(
        '--compare',
        nargs=2,
        type=Path,
        metavar=('A', 'B'),
        help='two report.json, each with its frames.csv beside it',
    )
    gate.add_argument(
        '--limit',
        action='append',
        default=[],
        metavar='FIGURE=AMOUNT',
        help='how much worse a figure may get (default 0.02 for a share, 2 %% for others)',
    )
    return made


def check(given: argparse.Namespace) -> None:
    """Raise UsageError for a command line that makes no sense as a whole."""
    fault = ''
    if given.compare:
        if given.bags:
            fault = 'give bags to evaluate or reports to --compare, not both'
    elif not given.bags or not given.out:
        fault = 'which drive, and where to? Give BAG... and --out PATH'
    elif given.workers and given.scheduler:
        fault = '--workers starts processes here, --scheduler uses a cluster: give one of them'
    elif given.live and (given.workers or given.scheduler):
        fault = '--live measures time: it takes one drive after another, without --workers'
    elif given.live and given.masks_from:
        fault = '--masks-from takes the place of the network, which --live is about'
    elif not given.rate > 0:
        fault = f'--rate must be above 0, not {given.rate}'
    if fault:
        raise UsageError(fault)


def request_of(given: argparse.Namespace) -> EvaluationRequest:
    """Return what the command line asks of every drive, its paths good on any machine."""
    model = given.model
    if model.endswith('.onnx'):
        model = str(Path(model).expanduser().absolute())
    threads = given.threads
    if given.workers and not threads:
        threads = max(1, (os.cpu_count() or 1) // given.workers)
    return EvaluationRequest(
        model=model,
        engine=given.engine,
        size=given.size,
        threads=threads,
        wanted=topic_names(vars(given), masks=given.masks_from),
        reference_labels=given.reference_labels,
        params_file=str(given.params_file.absolute()) if given.params_file else '',
        hood_fraction=given.hood_fraction,
    )
