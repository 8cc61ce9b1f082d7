"""How every command ends: its exit status, and one sentence where it cannot do what it should."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from asap_ros.cli.arguments import CommandParser

GOOD, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses of every command: FAILED is also what was judged bad; WRONG_USE is what the user
typed that cannot be: options, their values, files and bags; INTERRUPTED is Ctrl-C."""


class UsageError(ValueError):
    """What the user typed cannot be; the text says what to type instead."""


MISTYPED = (
    UsageError,
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
)
"""Errors about what was typed, whichever command it is."""

FAILURES = (ImportError, OSError, ValueError)
"""Errors that are failures, whichever command it is."""


def run(
    parser: CommandParser,
    work: Callable[[argparse.Namespace], int | None],
    argv: Sequence[str] | None,
    mistyped: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
    stopped: str = 'stopped',
) -> int:
    """Parse a command line, do the work and return the exit status.

    ``work`` returns a status, None for GOOD. The other arguments are those of ``ending``.
    """
    try:
        options = parser.parse_args(argv)
        with ending(parser.name, mistyped, failed, stopped):
            return work(options) or GOOD
    except SystemExit as ended:  # after --help too, or told what is wrong
        return int(ended.code or GOOD)


@contextmanager
def ending(
    name: str,
    mistyped: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
    stopped: str = 'stopped',
) -> Iterator[None]:
    """End the process where the block cannot go on: by one sentence and SystemExit of a status.

    ``mistyped`` are the errors of the command ``name`` that say that what the user named cannot
    be used; ``failed`` are its further failures, beside what the operating system, a missing
    module and a ValueError tell. ``stopped`` says what Ctrl-C has left.
    """
    try:
        yield
        return
    except KeyboardInterrupt:
        status, sentence = INTERRUPTED, stopped
    except Exception as error:
        if isinstance(error, (*MISTYPED, *mistyped)):
            status = WRONG_USE
        elif isinstance(error, (*FAILURES, *failed)):
            status = FAILED
        else:
            raise
        sentence = describe(error)
    print(f'{name}: {sentence}', file=sys.stderr, flush=True)
    raise SystemExit(status)


def describe(error: Exception) -> str:
    """Return one sentence about an error, of what the operating system says the readable part."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'needs {missing(error.name)}'
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return str(error)


def missing(module: str) -> str:
    """Return what a module that is not installed belongs to and how to get it."""
    top = module.partition('.')[0]
    if top == 'rclpy' or top.endswith('_msgs') or module == 'asap_ros.msg':
        return (
            f'ROS 2 ({module} is not there): source the setup.bash of ROS 2 and of the '
            'workspace, or use tools/ros of a clone'
        )
    try:
        requirements = importlib.metadata.requires('asap_ros') or []
    except importlib.metadata.PackageNotFoundError:
        requirements = []
    if not requirements:  # built with colcon
        return f'{module}: pip install {top}'
    extras = (re.match(r'([\w.-]+).*extra == .(\w+)', text) for text in requirements)
    for found in extras:
        if found and found[1].replace('-', '_') == top:
            return f"{module}: pip install -e '.[{found[2]}]' in a clone of asap_ros"
    return f'{module}: pip install -e . in a clone of asap_ros'
