"""The command ``ros2 launch`` over launch and launch_ros, for a ROS without ros2launch."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import launch
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.launch_description_sources import AnyLaunchDescriptionSource
from ros2cli.command import CommandExtension

ASSIGN = ':='
SUFFIXES = ('.launch.py', '.launch.xml', '.launch.yaml', '.py', '.xml', '.yaml', '.yml')


class LaunchCommandError(RuntimeError):
    """The command line does not name a launch file, or an argument is not one."""


def parse_arguments(words: list[str]) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of words such as ``rate:=2``; the last of a name counts.

    Raises LaunchCommandError for a word without ``:=`` or without a name before it.
    """
    pairs = {}
    for word in words:
        name, assign, value = word.partition(ASSIGN)
        if not assign or not name:
            raise LaunchCommandError(
                f'malformed launch argument {word!r}: expected NAME{ASSIGN}VALUE'
            )
        pairs[name] = value
    return list(pairs.items())


def launch_file_in(share: Path, name: str, package: str) -> Path:
    """Return the launch file called ``name`` under a package's share folder.

    Raises LaunchCommandError, naming the launch files that there are, unless exactly one fits.
    """
    files = sorted(
        path for path in share.rglob('*') if path.name.endswith(SUFFIXES) and path.is_file()
    )
    found = [path for path in files if path.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise LaunchCommandError(
            f'package {package} has {name} more than once: {", ".join(map(str, found))}'
        )
    known = ', '.join(path.name for path in files if '.launch.' in path.name) or 'none'
    raise LaunchCommandError(f'package {package} has no launch file {name}; it has {known}')


def resolve(target: str, words: list[str]) -> tuple[Path, list[tuple[str, str]]]:
    """Return the launch file and the arguments that a command line's words mean.

    ``target`` is a package, the launch file then being the first of ``words``, or a path.
    Raises LaunchCommandError where it is neither.
    """
    if os.sep in target or target.endswith(SUFFIXES):
        if not Path(target).is_file():
            raise LaunchCommandError(f'there is no launch file {target}')
        return Path(target).resolve(), parse_arguments(words)
    if not words or ASSIGN in words[0]:
        raise LaunchCommandError(
            f'which launch file of package {target}? Name it after the package'
        )
    try:
        share = Path(get_package_share_directory(target))
    except (PackageNotFoundError, ValueError) as error:
        searched = os.environ.get('AMENT_PREFIX_PATH', '')
        raise LaunchCommandError(f'there is no package {target!r}; searched {searched}') from error
    return launch_file_in(share, words[0], target), parse_arguments(words[1:])


def describe_arguments(path: Path) -> str:
    """Return the arguments that a launch file declares, with their defaults, for people."""
    description = AnyLaunchDescriptionSource(str(path)).get_launch_description(
        launch.LaunchContext()
    )
    declared = description.get_launch_arguments()
    if not declared:
        return 'No arguments.'
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in declared:
        lines += ['', f"    '{argument.name}':", f'        {argument.description}']
        if argument.default_value is not None:
            default = ''.join(part.describe() for part in argument.default_value)
            lines.append(f'        (default: {default})')
    return '\n'.join(lines)


def run(path: Path, arguments: list[tuple[str, str]], *, debug: bool, noninteractive: bool) -> int:
    """Launch a file until everything it started has ended; return launch's exit code."""
    service = launch.LaunchService(
        argv=[f'{name}{ASSIGN}{value}' for name, value in arguments],
        noninteractive=noninteractive,
        debug=debug,
    )
    service.include_launch_description(
        launch.LaunchDescription(
            [
                launch.actions.IncludeLaunchDescription(
                    AnyLaunchDescriptionSource(str(path)), launch_arguments=arguments
                )
            ]
        )
    )
    # launch hears Ctrl-C by itself, from asyncio's wake-up descriptor. Python's own handler would
    # also raise KeyboardInterrupt at whatever line launch is at and leave its work undone.
    signal.signal(signal.SIGINT, lambda signum, frame: None)
    return service.run()


class LaunchCommand(CommandExtension):
    """Run a launch file."""

    def add_arguments(self, parser, cli_name):
        """Add the arguments of ``ros2 launch``."""
        parser.add_argument(
            '-n',
            '--noninteractive',
            action='store_true',
            help='run as if no terminal were attached',
        )
        parser.add_argument(
            '-d', '--debug', action='store_true', help='say more about what launch does'
        )
        parser.add_argument(
            '-s',
            '--show-args',
            '--show-arguments',
            action='store_true',
            help='show the arguments of the launch file and end',
        )
        parser.add_argument(
            'target',
            metavar='package_name|path',
            help='package that holds the launch file, or the path of one',
        )
        parser.add_argument(
            'words',
            metavar='[launch_file_name] [name:=value ...]',
            nargs='*',
            help='launch file of the package, then its arguments',
        )

    def main(self, *, parser, args):
        """Launch what the arguments name; ros2cli prints a RuntimeError and exits with 1."""
        path, arguments = resolve(args.target, args.words)
        if args.show_args:
            print(describe_arguments(path))
            return 0
        return run(path, arguments, debug=args.debug, noninteractive=args.noninteractive)
