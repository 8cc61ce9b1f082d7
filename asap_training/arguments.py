"""What the training commands share on their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from asap_training.datasets import DataSet
from asap_training.recipe import DataSource, Recipe


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data NAME=FOLDER``, which may be given several times."""
    parser.add_argument(
        '--data',
        action='append',
        default=[],
        metavar='NAME=FOLDER',
        type=_named_folder,
        help='the folder of a data set that the recipe names; once for each',
    )


def folder(text: str) -> Path:
    """Parse the path of a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f'{text} is not a folder')
    return Path(text)


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition('=')
    if not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=FOLDER')
    return name, folder(path)


def open_source(options: argparse.Namespace, source: DataSource, used: Recipe) -> DataSet:
    """Return the data set of a source, from the folder that ``--data`` names."""
    return source.open(dict(options.data), used.label_set)


def open_data(
    options: argparse.Namespace,
    used: Recipe,
    say: bool = True,
) -> tuple[Recipe, list[DataSet], DataSet]:
    """Return the recipe less the optional sources not given, and its training and validation sets.

    With ``say`` the sources left out are named on standard output.
    """
    given = dict(options.data)
    sources = tuple(s for s in used.train if not s.optional or s.data in given)
    for source in used.train:
        if source not in sources and say:
            print(f'without {source.data}: no --data {source.data}=FOLDER was given')
    used = replace(used, train=sources)
    sets = [open_source(options, source, used) for source in used.train]
    return used, sets, open_source(options, used.validation, used)


@contextmanager
def fail(parser: argparse.ArgumentParser, *also: type[Exception]) -> Iterator[None]:
    """Turn an error that a user can mend into one sentence and exit code 1."""
    try:
        yield
    except (ValueError, OSError, *also) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')


@contextmanager
def stopped(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Turn Ctrl-C into one sentence and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        parser.exit(130, f'{parser.prog}: stopped\n')
