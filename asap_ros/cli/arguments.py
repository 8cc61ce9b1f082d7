"""What command lines share: options of one meaning everywhere, how help and defaults are shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from asap_ros.bags.topic_names import DriveOption

OPEN, CLOSE = '(default ', ')'
"""How every help text ends that has a default."""


def resolution(text: str) -> tuple[int, int]:
    """Parse ``512x1024`` into (height, width), both at least 1."""
    height, separator, width = text.partition('x')
    if not separator or not all(n.isdigit() and int(n) for n in (height, width)):
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, such as 512x1024')
    return int(height), int(width)


def number(
    least: float, most: float = float('inf'), kind: type[int] | type[float] = float
) -> Callable[[str], Any]:
    """Return the parser of a number within limits."""
    limits = f'from {least} to {most}' if most < float('inf') else f'of at least {least}'

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number {limits}')
        return value

    return parse


def at_least_one(text: str) -> int:
    """Parse a whole number of at least 1."""
    return number(1, kind=int)(text)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples as they are and ends an option's help with its default."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said, default = action.help or '', shown(action.default)
        if not default or OPEN in said or not action.option_strings:
            return said
        return f'{said} {default.replace("%", "%%")}'


def shown(default: Any) -> str:
    """Return how help tells a default, empty where nothing is the default."""
    text = '' if default is argparse.SUPPRESS else _typed(default)
    return f'{OPEN}{text}{CLOSE}' if text else ''


def _typed(value: Any) -> str:
    """Return a value as a user would type it; empty for none and for a flag."""
    if value is None or isinstance(value, bool):
        return ''
    if isinstance(value, tuple):
        return 'x'.join(map(str, value))
    if isinstance(value, list):
        return ' '.join(map(_typed, value))
    return f'{value:g}' if isinstance(value, float) else str(value)


class CommandParser(argparse.ArgumentParser):
    """The command line of the command ``name``; ``examples`` may hold ``%(prog)s``.

    ``mode`` are the words that turn the command into another.
    """

    def __init__(self, name: str, description: str | None, examples: str, mode: str = ''):
        """Begin a command line without options."""
        super().__init__(
            prog=f'{called_as()} {mode}'.rstrip(),
            description=description,
            epilog=f'examples:\n{examples.strip(chr(10))}',
            formatter_class=HelpFormatter,
        )
        self.name = name


def called_as() -> str:
    """Return how this process was called, such as ``asap evaluate``.

    Whatever starts a command for the user puts that into ``sys.argv[0]``: the command ``asap``,
    and what ``ros2 run`` finds. Python does so neither for ``python -m`` nor for a script.
    """
    spec = getattr(sys.modules['__main__'], '__spec__', None)
    if ' ' not in sys.argv[0] and spec is not None:
        return f'python -m {spec.name.removesuffix(".__main__")}'
    return sys.argv[0].rpartition('/')[2]


def add_out(parser: argparse._ActionsContainer, says: str, required: bool = True) -> None:
    """Add ``--out``: where results go, a file or a folder."""
    parser.add_argument('--out', type=Path, required=required, metavar='PATH', help=says)


def add_size(
    parser: argparse._ActionsContainer,
    says: str,
    default: tuple[int, int] | None = (512, 1024),
    **more: Any,
) -> None:
    """Add ``--size``: a resolution."""
    parser.add_argument(
        '--size', type=resolution, default=default, metavar='HEIGHTxWIDTH', help=says, **more
    )


def add_model(
    parser: argparse._ActionsContainer, default: str | None, says: str = '', **more: Any
) -> None:
    """Add ``--model``: a network."""
    parser.add_argument(
        '--model',
        default=default,
        metavar='MODEL',
        help=f'a shipped model by name, or an ONNX file{says}',
        **more,
    )


def add_threads(parser: argparse._ActionsContainer) -> None:
    """Add ``--threads``: of ONNX Runtime."""
    parser.add_argument(
        '--threads',
        type=number(0, kind=int),
        default=0,
        metavar='N',
        help='of the engine on a CPU; 0: one a physical core',
    )


def add_cache(parser: argparse._ActionsContainer) -> None:
    """Add ``--cache``: where TensorRT engines are kept."""
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='FOLDER',
        help='of engines (default the engine_cache of the node)',
    )


def add_hood_fraction(parser: argparse._ActionsContainer, default: float | None = None) -> None:
    """Add ``--hood-fraction``: the node's parameter of that name."""
    parser.add_argument(
        '--hood-fraction',
        type=number(0.0, 1.0),
        default=default,
        metavar='SHARE',
        help="of the image's rows, from the bottom, that show the vehicle "
        f'(default {"what the parameter file says" if default is None else f"{default:g}"})',
    )


def add_params_file(parser: argparse._ActionsContainer) -> None:
    """Add ``--params-file``: the node's parameters."""
    parser.add_argument(
        '--params-file',
        type=Path,
        metavar='FILE',
        help="the node's parameters: hood, vehicle width, base frame, mounting "
        '(default the packaged ones)',
    )


def add_drive_options(parser: argparse._ActionsContainer, options: Iterable[DriveOption]) -> None:
    """Add what a user may say of a drive."""
    for option in options:
        parser.add_argument(
            option.option,
            default=option.default,
            metavar='TOPIC' if option.field else 'SET',
            help=option.help.replace('%', '%%'),
        )
