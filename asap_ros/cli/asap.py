"""The one command that pip installs: every other command of the package as a subcommand."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from asap_ros.cli.command import FAILED, GOOD, WRONG_USE, describe

GROUPS = {'asap_ros.commands': 'drives and the vehicle', 'asap_training.commands': 'training'}
"""Groups of entry points in setup.cfg, and what the commands of each are about."""


def commands() -> dict[str, EntryPoint]:
    """Return every installed command by its name, group by group."""
    return {point.name: point for group in GROUPS for point in entry_points(group=group)}


def summary(command: EntryPoint) -> str:
    """Return the first line that a command says of itself, its module read and not imported.

    ``--help`` so needs none of the modules that only some commands need.
    """
    spec = importlib.util.find_spec(command.module)
    source = Path(spec.origin).read_text() if spec and spec.origin else ''
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == command.attr:
            return (ast.get_docstring(node) or '').partition('\n')[0]
    return ''


def overview() -> str:
    """Return the text of ``asap --help``."""
    known = commands()
    width = max(map(len, known), default=0)
    lines = ['usage: asap COMMAND [ARGUMENT ...]', '       asap COMMAND --help']
    for group, about in GROUPS.items():
        lines += ['', f'{about}:']
        lines += [f'  {n:{width}}  {summary(c)}' for n, c in known.items() if c.group == group]
    lines += ['', 'examples:', '  asap evaluate drives/monday --out out/monday']
    lines += ['  asap simulate --out drives/town --scenario urban']
    return '\n'.join(lines)


def unknown(name: str) -> str:
    """Return the sentence about a subcommand that there is not."""
    close = difflib.get_close_matches(name, commands(), cutoff=0.5)
    meant = f'did you mean {" or ".join(close)}?' if close else 'asap --help lists them'
    return f'asap: there is no command {name!r}: {meant}'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names, with the arguments after it."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ['']
    if name in ('', '-h', '--help'):
        print(overview(), file=sys.stdout if name else sys.stderr)
        return GOOD if name else WRONG_USE
    command = commands().get(name)
    if command is None:
        print(unknown(name), file=sys.stderr)
        return WRONG_USE
    # Nodes read the arguments there too; commands show how they were called.
    sys.argv = [f'asap {name}', *arguments]
    try:
        run = command.load()
    except ModuleNotFoundError as error:
        print(f'asap {name}: {describe(error)}', file=sys.stderr)
        return FAILED
    return run() or GOOD


if __name__ == '__main__':
    sys.exit(main())
