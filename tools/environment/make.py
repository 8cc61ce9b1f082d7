"""Make the ROS or the training environment: ``make.py ros|training FOLDER``.

Run by the interpreter that the environment is for, standard library only. A finished environment
holds the file ``ready`` with its own path, written last; a folder without it is the rest of an
interrupted attempt and is made anew.
"""

from __future__ import annotations

import configparser
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ros_tree

HERE = Path(__file__).resolve().parent
VERB = HERE.parent / 'ros2_launch'
GIB = 1024 ** 3


@dataclass(frozen=True)
class Recipe:
    """What one environment is made of; ``space`` is the free disk space it needs, in bytes."""

    requirements: Path
    complete: bool
    space: int
    imports: tuple[str, ...]


RECIPES = {
    'ros': Recipe(
        HERE / 'ros.requirements.txt', True, 3 * GIB // 2,
        ('rclpy', 'tf2_ros', 'launch_ros', 'ros2cli', 'diagnostic_updater', 'sensor_msgs.msg',
         'nav_msgs.msg', 'visualization_msgs.msg', 'diagnostic_msgs.msg', 'vision_msgs.msg',
         'lifecycle_msgs.srv', 'rosgraph_msgs.msg', 'cv2', 'onnxruntime', 'rosbags')),
    'training': Recipe(
        HERE / 'training.requirements.txt', False, 5 * GIB // 2,
        ('torch', 'cv2', 'onnx', 'onnxruntime', 'safetensors', 'scipy')),
}


class SetupError(RuntimeError):
    """The environment cannot be made; the text says why and what to do."""


def say(text: str) -> None:
    """Print one line for the user, on stderr so that a command's own output stays clean."""
    print(f'asap_ros: {text}', file=sys.stderr, flush=True)


def explain(log: str) -> str:
    """Return one sentence on why pip failed, from what it printed."""
    if 'No space left on device' in log or 'Disk quota exceeded' in log:
        return 'the disk is full: free some space and run the same command again'
    network = (r'NewConnectionError|NameResolution|ConnectTimeout|Connection (?:refused|reset)|'
               r'ReadTimeout|Read timed out|ProxyError|SSLError|Network is unreachable|'
               r'Temporary failure in name resolution|ConnectionError|ProtocolError')
    if re.search(network, log):
        return ('the package index cannot be reached: check the network and the proxy, or see '
                '"Without a network" in docs/installing.md, and run the same command again')
    missing = re.search(r'No matching distribution found for (\S+)', log)
    if missing:
        return (f'pip finds no {missing.group(1)} for Python {platform.python_version()} on '
                f'{platform.machine()}: look at "pip config list" and at PIP_INDEX_URL, '
                'PIP_NO_INDEX and PIP_FIND_LINKS, or see "Without a network" in '
                'docs/installing.md')
    return 'pip failed'


@contextmanager
def step(text: str):
    """Say what is done, and afterwards how long it took."""
    started = time.monotonic()
    say(f'{text} …')
    yield
    say(f'{text}: {time.monotonic() - started:.0f} s')


@contextmanager
def locked(path: Path):
    """Hold the lock file ``path``, its descriptor yielded; wait, saying so, while others do.

    The descriptor goes to pip as well: a pip that outlives a killed parent keeps the lock, so
    nobody removes the folder it still writes to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'another call is making this environment ({path.stem}): waiting for it …')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def check_space(folder: Path, needed: int) -> None:
    """Raise SetupError where the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f'{folder} has {free / GIB:.1f} GiB free and {needed / GIB:.1f} GiB are needed: free '
            'some space, or set ASAP_ROS_CACHE to a folder on a larger disk')


def run(command: list[str | Path], log: Path, lock: int, temporary: Path) -> None:
    """Run a command with its output in ``log``; SetupError with one sentence where it fails."""
    environment = {key: value for key, value in os.environ.items()
                   if key not in ('PYTHONPATH', 'PYTHONHOME', 'LD_LIBRARY_PATH', 'PIP_TARGET',
                                  'PIP_PREFIX', 'PIP_USER', 'PIP_REQUIRE_VIRTUALENV')}
    environment['TMPDIR'] = str(temporary)
    with log.open('a+') as sink:
        start = sink.seek(0, os.SEEK_END)
        code = subprocess.run([str(part) for part in command], stdout=sink, stderr=sink,
                              stdin=subprocess.DEVNULL, env=environment, pass_fds=(lock,)
                              ).returncode
        sink.seek(start)
        printed = sink.read()
    if code:
        tail = '\n'.join(printed.splitlines()[-3:])
        raise SetupError(f'{explain(printed)} (all of it in {log}):\n{tail}')


def write_scripts(prefix: Path, site_packages: Path) -> None:
    """Write the commands of the packages that came as bare egg-info, such as ``ros2``."""
    for path in site_packages.glob('*.egg-info/entry_points.txt'):
        points = configparser.ConfigParser()
        points.read(path)
        for name, target in points['console_scripts'].items() if points.has_section(
                'console_scripts') else ():
            module, function = (part.strip() for part in target.split(':'))
            script = prefix / 'bin' / name
            if not script.exists():
                script.write_text(
                    f'#!{prefix}/bin/python\nimport sys\nfrom {module} import {function}\n'
                    f'sys.exit({function}())\n')
                script.chmod(0o755)


def add_ros_tree(prefix: Path, temporary: Path, pip: Callable[..., None]) -> None:
    """Add the ROS packages that are on no index of their own, and mend the prefix's CMake."""
    site_packages = Path(sysconfig.get_path(
        'purelib', 'venv', {'base': str(prefix), 'platbase': str(prefix)}))
    packages = ros_tree.package_names((HERE / 'ros_tree.packages.txt').read_text())
    with step(f'taking {len(packages)} more ROS packages out of one wheel (133 MB)'):
        pip('download', '--no-deps', '--only-binary', ':all:', '--dest', temporary,
            '--requirement', HERE / 'ros_tree.requirements.txt')
        wheel = next(temporary.glob('isaacsim_ros2-*.whl'))
        taken = ros_tree.take(wheel, packages, prefix,
                              str(site_packages.relative_to(prefix)))
        (prefix / 'taken.json').write_text(ros_tree.record(taken, wheel.name))
        wheel.unlink()
        write_scripts(prefix, site_packages)
        ros_tree.mend(prefix, sysconfig.get_path('include'),
                      str(site_packages / 'numpy' / '_core' / 'include'))
    with step('adding the command "ros2 launch"'):
        shutil.copytree(VERB, temporary / 'ros2_launch')
        pip('install', '--no-deps', '--no-build-isolation', temporary / 'ros2_launch')


def make(name: str, prefix: Path, lock: int) -> None:
    """Make the environment ``name`` in the folder ``prefix``; raise SetupError or OSError."""
    recipe = RECIPES[name]
    if name == 'ros' and (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        raise SetupError(
            f'ROS 2 comes as packages for Linux on x86-64 only, not for {platform.machine()}: '
            'install ROS 2 Jazzy, source its setup.bash, and run the same command again')
    if prefix.exists():
        with step('removing what an interrupted attempt left behind'):
            shutil.rmtree(prefix)
    check_space(prefix.parent, recipe.space)
    log = prefix.with_suffix('.log')
    log.write_text('')
    temporary = prefix / 'tmp'
    python = prefix / 'bin' / 'python'

    def pip(verb: str, *arguments: str | Path) -> None:
        run([python, '-m', 'pip', verb, '--disable-pip-version-check', '--no-input',
             '--progress-bar', 'off', *arguments], log, lock, temporary)

    with step(f'creating the {name} environment in {prefix}'):
        temporary.mkdir(parents=True)
        run([sys.executable, '-m', 'venv', prefix], log, lock, temporary)
    count = len(ros_tree.package_names(recipe.requirements.read_text()))
    with step(f'installing the {count} packages of {recipe.requirements.name}'):
        pip('install', *(['--no-deps'] if recipe.complete else []),
            '--requirement', recipe.requirements)
    if name == 'ros':
        add_ros_tree(prefix, temporary, pip)
    with step('checking that it works'):
        run([python, '-c', f'import {", ".join(recipe.imports)}'], log, lock, temporary)
    shutil.rmtree(temporary)
    (prefix / 'ready').write_text(f'{prefix}\n')
    others = [path.parent for path in prefix.parent.glob(f'{name}-*/ready')
              if path.parent != prefix]
    if others:
        say(f'{len(others)} older {name} environment(s) can be removed where no other checkout '
            f'uses them: {" ".join(map(str, others))}')


def is_ready(prefix: Path) -> bool:
    """Return whether a finished environment lies at ``prefix`` and was made there."""
    marker = prefix / 'ready'
    return marker.is_file() and marker.read_text().strip() == str(prefix) and (
        prefix / 'bin' / 'python').exists()


def main(arguments: list[str]) -> int:
    """Make the environment unless it is there; return 0, or 1 after one clear sentence."""
    name, prefix = arguments[0], Path(arguments[1])
    started = time.monotonic()
    try:
        with locked(prefix.with_suffix('.lock')) as lock:
            if is_ready(prefix):
                return 0
            make(name, prefix, lock)
    except KeyboardInterrupt:
        say(f'interrupted: the next call makes the {name} environment anew')
        return 130
    except (SetupError, ros_tree.TreeError) as error:
        say(f'the {name} environment could not be made: {error}')
        return 1
    except OSError as error:
        say(f'the {name} environment could not be made in {prefix.parent}: {error.strerror or error}'
            f' ({error.filename or prefix}); set ASAP_ROS_CACHE to a folder that can be written '
            'to and has room, and run the same command again')
        return 1
    say(f'the {name} environment is ready after {time.monotonic() - started:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
