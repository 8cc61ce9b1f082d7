"""Judge network and road geometry on recorded drives: every frame once, or live at their pace."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from asap_ros.bags.topics import TopicNames
from asap_ros.cli.arguments import resolution
from asap_ros.evaluation import (
    acceptance,
    compare,
    drive_job,
    live_launch,
    live_scoring,
    report,
    summary,
)
from asap_ros.evaluation.compare import CompareError
from asap_ros.evaluation.drive_job import DriveJob, DriveOutcome, EvaluationRequest

EXAMPLES = """examples:
  evaluate drives/monday --out out/monday
      one drive with the default network: report.html, report.json, frames.csv, overlay video,
      contact sheet, results bag
  evaluate drives/* --out out/all --model models/mine.onnx --workers 4
      many drives, four at a time: a folder each below out/all, summary.json and index.html
  evaluate drives/* --out /data/out --scheduler tcp://head:8786
      the same on a Dask cluster whose machines see the same folders
  evaluate drives/monday --out out/road --masks-from /ground_truth/mask
      road geometry alone, on masks out of the bag
  evaluate drives/monday --out out/live --live
      through the launched node at the recorded pace, with its drops and its latency
  evaluate --compare out/before/report.json out/after/report.json --limit road.availability=0.05
      what got better and worse; exit status 1 where something got worse by more than its limit
"""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line; it exits with 2 where that makes no sense."""
    parser = argparse.ArgumentParser(
        'evaluate',
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'bags',
        nargs='*',
        type=Path,
        metavar='BAG',
        help='a rosbag2 folder, or its .mcap or .db3 file',
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='where the results go')
    judged = parser.add_argument_group('what is judged')
    judged.add_argument(
        '--model',
        default=EvaluationRequest.model,
        help='a shipped model or the path of an ONNX file (%(default)s)',
    )
    judged.add_argument(
        '--engine',
        default=EvaluationRequest.engine,
        help='onnxruntime, tensorrt, tensorrt_rtx or auto (%(default)s)',
    )
    judged.add_argument(
        '--size',
        type=resolution,
        default=EvaluationRequest.size,
        metavar='HEIGHTxWIDTH',
        help='network resolution, multiples of 32 (512x1024)',
    )
    judged.add_argument('--threads', type=int, default=0, help='of the engine, 0: its choice')
    judged.add_argument(
        '--masks-from',
        default='',
        metavar='TOPIC',
        help="label masks of the bag in place of a network's",
    )
    judged.add_argument(
        '--params-file',
        default='',
        metavar='YAML',
        help="the node's parameters: hood, vehicle width, base frame, mounting",
    )
    judged.add_argument(
        '--hood-fraction',
        type=float,
        metavar='SHARE',
        help="of the image's rows, from the bottom, that show the vehicle",
    )
    topics = parser.add_argument_group('topics, found by type and name where not given')
    topics.add_argument('--image-topic', default='', metavar='TOPIC', help='the camera')
    topics.add_argument(
        '--reference-topic', default='', metavar='TOPIC', help='label masks to compare with'
    )
    topics.add_argument(
        '--reference-labels',
        default=EvaluationRequest.reference_labels,
        metavar='SET',
        help='label set of masks and truth in the bag (%(default)s)',
    )
    topics.add_argument(
        '--odometry-topic',
        default='',
        metavar='TOPIC',
        help="the vehicle's motion, nav_msgs/Odometry",
    )
    topics.add_argument(
        '--road-topic', default='', metavar='TOPIC', help='the true road, asap_ros/RoadGeometry'
    )
    topics.add_argument(
        '--free-space-topic',
        default='',
        metavar='TOPIC',
        help='the true free space, PointCloud2 with a point per image column',
    )
    many = parser.add_argument_group('how it is run')
    many.add_argument(
        '--workers', type=int, default=0, metavar='N', help='drives at a time, on this machine'
    )
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
        '--rate', type=float, default=1.0, help='pace with --live, 1 as recorded (%(default)s)'
    )
    gate = parser.add_argument_group('comparing two reports')
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
        help='how much worse a figure may get; others by 0.02 of a share, or 2 %%',
    )
    given = parser.parse_args(argv)
    fault = _fault(given)
    if fault:
        parser.error(fault)
    return given


def _fault(given: argparse.Namespace) -> str:
    """Return what is wrong with a command line as a whole, or nothing."""
    if given.compare:
        return 'give bags to evaluate or reports to --compare, not both' if given.bags else ''
    if not given.bags or not given.out:
        return 'which drive, and where to? Give BAG... and --out DIR'
    if given.workers < 0:
        return f'--workers must be 1 or more, not {given.workers}'
    if given.workers and given.scheduler:
        return '--workers starts processes here, --scheduler uses a cluster: give one of them'
    if given.live and (given.workers or given.scheduler):
        return '--live measures time: it takes one drive after another, without --workers'
    if given.live and given.masks_from:
        return '--masks-from takes the place of the network, which --live is about'
    if not given.rate > 0:
        return f'--rate must be above 0, not {given.rate}'
    return ''


def request_of(given: argparse.Namespace) -> EvaluationRequest:
    """Return what the command line asks of every drive, its paths good on any machine."""
    model = given.model
    if model.endswith('.onnx'):
        model = str(Path(model).expanduser().absolute())
    threads = given.threads
    if given.workers and not threads:
        threads = max(1, (os.cpu_count() or 1) // given.workers)
    return EvaluationRequest(
        model,
        given.engine,
        given.size,
        threads,
        TopicNames(
            given.image_topic,
            given.reference_topic,
            given.masks_from,
            given.odometry_topic,
            given.road_topic,
            given.free_space_topic,
        ),
        given.reference_labels,
        str(Path(given.params_file).absolute()) if given.params_file else '',
        given.hood_fraction,
    )


def folders(bags: Sequence[Path], out: Path) -> list[Path]:
    """Return each bag's result folder: ``out`` for one, folders of their names for several.

    A name that comes twice gets a number.
    """
    if len(bags) == 1:
        return [out]
    taken: list[Path] = []
    for bag in bags:
        name = bag.resolve().stem if bag.is_file() else bag.resolve().name
        candidate, number = out / name, 2
        while candidate in taken:
            candidate, number = out / f'{name}_{number}', number + 1
        taken.append(candidate)
    return taken


def outcomes(todo: Sequence[DriveJob], given: argparse.Namespace) -> Iterator[DriveOutcome]:
    """Yield what becomes of every job, as it becomes known.

    Raises what ``jobs.work`` raises, ClusterError, and ImportError without ``distributed``.
    """
    if given.live:
        for job in todo:
            yield live_launch.work(job, given.rate)
    elif not given.workers and not given.scheduler:
        for job in todo:
            yield drive_job.work(job, quiet=False)
    else:
        yield from _spread(todo, given)


def _spread(todo: Sequence[DriveJob], given: argparse.Namespace) -> Iterator[DriveOutcome]:
    """Yield the outcomes of jobs that processes here or elsewhere work on."""
    from asap_ros.evaluation import cluster  # distributed is needed for this alone

    done: set[str] = set()
    try:
        with (
            cluster.connect(given.scheduler, given.workers) as client,
            tqdm(total=len(todo), unit='drive', dynamic_ncols=True) as bar,
        ):
            for job, result in cluster.each(client, drive_job.work, todo):
                done.add(job.folder)
                bar.update()
                if isinstance(result, BaseException):
                    result = DriveOutcome(job, None, error=f'{type(result).__name__}: {result}')
                yield result
    finally:
        for job in todo:
            if job.folder not in done:
                _tidy(Path(job.folder))


def _tidy(folder: Path) -> None:
    """Remove what a worker that was ended has left half-written."""
    for path in folder.glob('.*.partial*') if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def run(given: argparse.Namespace) -> int:
    """Evaluate the drives of a command line and return the exit status."""
    bags = [bag.absolute() for bag in given.bags]
    request = request_of(given)
    todo = [
        DriveJob(str(bag), str(folder.absolute()), request)
        for bag, folder in zip(bags, folders(bags, given.out))
    ]
    finished: list[DriveOutcome] = []
    interrupted = False
    try:
        for outcome in outcomes(todo, given):
            finished.append(outcome)
            _tell(outcome)
            if outcome.document and not outcome.document['complete']:
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
    if interrupted:
        print('ended early: the figures are those of what was done until then')
    if len(todo) > 1 and finished:
        _summarise(finished, todo, given.out)
    return exit_code(finished, interrupted or len(finished) < len(todo))


def exit_code(finished: Sequence[DriveOutcome], interrupted: bool) -> int:
    """Return 0 where every frame was processed, 2 where a drive could not be, else 1."""
    if any(outcome.error for outcome in finished):
        return 2
    short = any(live_scoring.exit_code(outcome.document) for outcome in finished)
    return 1 if short or interrupted else 0


def _tell(outcome: DriveOutcome) -> None:
    """Print what became of a drive."""
    name = Path(outcome.job.bag).name
    if outcome.error:
        tqdm.write(f'evaluate: {name}: {outcome.error}', sys.stderr)
    else:
        tqdm.write(f'{name}: {report.headline(outcome.document)}')
        tqdm.write('  ' + acceptance.sentence(outcome.document['verdict']))
    for file in outcome.files:
        tqdm.write(f'  {file}')


def _summarise(finished: Sequence[DriveOutcome], todo: Sequence[DriveJob], out: Path) -> None:
    """Write summary.json and index.html over all drives, in the order of the command line."""
    order = {job.folder: k for k, job in enumerate(todo)}
    finished = sorted(finished, key=lambda outcome: order[outcome.job.folder])
    good = [(o.job.folder, o.document) for o in finished if o.document and not o.error]
    failed = [(o.job.bag, o.error) for o in finished if o.error]
    document = summary.summarise(good, failed)
    out.mkdir(parents=True, exist_ok=True)
    report.write(document, out / 'summary.json')
    print(f'summary: {summary.write_page(out / "index.html", document)}')
    print(f'summary: {out / "summary.json"}')


def gate(given: argparse.Namespace) -> int:
    """Compare two reports and return 1 where B is worse than A by more than is allowed."""
    (first, a), (second, b) = (compare.load(path) for path in given.compare)
    changes = compare.compare(a, b, compare.limits(given.limit))
    if not changes:
        raise CompareError('the reports have no figure in common')
    print(compare.text(changes, *map(str, given.compare)))
    for document, letter in ((first, 'A'), (second, 'B')):
        if not document['complete']:
            print(f'note: {letter} was ended before its last frame')
    if first['segmentation']['reference'] != second['segmentation']['reference']:
        print('note: the two were compared with different references')
    if min(len(a), len(b)) < compare.FEW:
        print(f'note: under {compare.FEW} frames these intervals are narrower than they should be')
    worse = [c.path for c in changes if c.worse]
    print(
        f'\nworse beyond the limits: {", ".join(worse)}'
        if worse
        else '\nnothing got worse beyond its limit'
    )
    return 1 if worse else 0


def main(argv: list[str] | None = None) -> int:
    """Evaluate drives or compare two reports, as the command line says.

    Returns 0 if every frame was processed, 1 if some were not or the run was ended, 2 if a drive
    or the network could not be read at all. For comparisons: 1 if something got worse.
    """
    given = arguments(argv)
    # ``timeout`` and service managers end a run as Ctrl-C does: with what there is by then.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return gate(given) if given.compare else run(given)
    except KeyboardInterrupt:
        print('evaluate: ended before anything was done', file=sys.stderr)
        return 1
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == '__main__':
    sys.exit(main())
