"""Judge network and road geometry on recorded drives: every frame once, or live at their pace."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from asap_ros.bags.reader import BagError
from asap_ros.cli import command
from asap_ros.cli.command import FAILED, GOOD, INTERRUPTED, WRONG_USE
from asap_ros.cli.evaluate_arguments import check, parser, request_of
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
from asap_ros.evaluation.drive_job import DriveJob, DriveOutcome, Ending
from asap_ros.labels import LabelError
from asap_ros.parameters.definition import ParameterError
from asap_ros.segmentation.model_file import ModelError


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

    Raises what ``drive_job.work`` raises, ClusterError, and ImportError without ``distributed``.
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
            cluster.connect(given.scheduler, given.workers or 0) as client,
            tqdm(total=len(todo), unit='drive', dynamic_ncols=True) as bar,
        ):
            for job, result in cluster.each(client, drive_job.work, todo):
                done.add(job.folder)
                bar.update()
                if isinstance(result, BaseException):
                    error = f'{type(result).__name__}: {result}'
                    result = DriveOutcome(job, None, (), Ending.FAILED, error)
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
            if outcome.ending is Ending.INTERRUPTED:
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
    if len(todo) > 1 and finished:
        _summarise(finished, todo, given.out)
    if interrupted:
        print('ended early: the figures are those of what was done until then')
        return INTERRUPTED
    return exit_status(finished)


def exit_status(finished: Sequence[DriveOutcome]) -> int:
    """Return GOOD where every frame of every drive was processed.

    Else WRONG_USE where a bag was refused, and FAILED where frames or whole drives failed.
    """
    if any(outcome.ending is Ending.REFUSED for outcome in finished):
        return WRONG_USE
    bad = any(
        outcome.error or not outcome.document or live_scoring.exit_code(outcome.document)
        for outcome in finished
    )
    return FAILED if bad else GOOD


def _tell(outcome: DriveOutcome) -> None:
    """Print what became of a drive."""
    name = Path(outcome.job.bag).name
    if outcome.document is None or outcome.error:
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
    return FAILED if worse else GOOD


def work(given: argparse.Namespace) -> int:
    """Evaluate drives or compare two reports, and return the exit status."""
    check(given)
    # ``timeout`` and service managers end a run as Ctrl-C does: with what there is by then.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return gate(given) if given.compare else run(given)
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: list[str] | None = None) -> int:
    """Judge network and road geometry on recorded drives, or compare two reports.

    FAILED where frames failed or, of two reports, something got worse.
    """
    return command.run(
        parser(),
        work,
        argv,
        mistyped=(BagError, CompareError, LabelError, ModelError, ParameterError),
        failed=(RuntimeError,),  # of engines, of clusters and of a launch
        stopped='ended before anything was done',
    )


if __name__ == '__main__':
    sys.exit(main())
