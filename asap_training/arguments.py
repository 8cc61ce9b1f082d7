"""What the training commands share on their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data NAME=FOLDER``, which may be given several times."""
    parser.add_argument(
        '--data', action='append', default=[], metavar='NAME=FOLDER', type=_named_folder,
        help='the folder of a data set that the recipe names; once for each')


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition('=')
    if not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=FOLDER')
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f'{folder} is not a folder')
    return name, Path(folder)


def roots(options: argparse.Namespace) -> dict[str, Path]:
    """Return the folders given by ``--data``, by name."""
    return dict(options.data)


@contextmanager
def fail(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Turn an error that a user can mend into one sentence and exit code 1."""
    try:
        yield
    except (ValueError, OSError) as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
