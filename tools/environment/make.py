"""Make the ROS or the training environment: ``make.py ros|training FOLDER``.

Run by the interpreter that the environment is for. A finished environment holds the file
``ready`` with its own path, written last; a folder without it is the rest of an interrupted
attempt and is made anew.
"""

from __future__ import annotations

import platform
import shutil
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

import ros_packages
import ros_tree
from workshop import AGAIN, SetupError, Workshop, locked, say, step

HERE = Path(__file__).resolve().parent
GIB = 1024**3


ROS_CHECK = """
import cv2, diagnostic_updater, launch_ros, onnxruntime, rclpy.serialization, ros2cli, rosbags
import diagnostic_msgs.msg, lifecycle_msgs.srv, nav_msgs.msg, rosgraph_msgs.msg, sensor_msgs.msg
import tf2_msgs.msg, tf2_ros, vision_msgs.msg, visualization_msgs.msg
for message in (vision_msgs.msg.LabelInfo(), tf2_msgs.msg.TFMessage(), sensor_msgs.msg.Image()):
    data = rclpy.serialization.serialize_message(message)
    rclpy.serialization.deserialize_message(data, type(message))
"""
TRAINING_CHECK = 'import cv2, onnx, onnxruntime, safetensors, scipy, torch; torch.ones(2).sum()'


@dataclass(frozen=True)
class Recipe:
    """What an environment is made of; ``space`` is the free disk space it takes, in bytes.

    ``complete`` says that the requirements name every package, dependencies included; ``check``
    is the Python code that must run in it.
    """

    requirements: Path
    complete: bool
    space: int
    check: str


RECIPES = {
    'ros': Recipe(HERE / 'ros.requirements.txt', True, 3 * GIB // 2, ROS_CHECK),
    'training': Recipe(HERE / 'training.requirements.txt', False, 5 * GIB // 2, TRAINING_CHECK),
}


def check_space(folder: Path, needed: int) -> None:
    """Raise SetupError where the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f'{folder} has {free / GIB:.1f} GiB free and {needed / GIB:.1f} GiB are needed: free '
            f'some space, or set ASAP_ROS_CACHE to a folder on a larger disk, {AGAIN}'
        )


def check_machine() -> None:
    """Raise SetupError where the ROS wheels cannot run or messages cannot be built."""
    if (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        raise SetupError(
            f'ROS 2 comes as packages for Linux on x86-64 only, not for {platform.machine()}: '
            f'install ROS 2 Jazzy, source its setup.bash, {AGAIN}'
        )
    missing = [tool for tool in ('cmake', 'make', 'c++') if shutil.which(tool) is None]
    if missing:
        raise SetupError(
            f'building messages needs {" and ".join(missing)}, which this machine '
            f'lacks: apt install build-essential cmake, {AGAIN}'
        )
    if not Path(sysconfig.get_path('include'), 'Python.h').exists():
        raise SetupError(
            f'building messages needs the headers of {sys.executable}: apt install '
            f'python{sys.version_info.major}.{sys.version_info.minor}-dev, {AGAIN}'
        )


def is_ready(prefix: Path) -> bool:
    """Return whether a finished environment lies at ``prefix`` and was made there."""
    marker = prefix / 'ready'
    return (
        marker.is_file()
        and marker.read_text().strip() == str(prefix)
        and (prefix / 'bin' / 'python').exists()
    )


def make(name: str, prefix: Path, lock: int) -> None:
    """Make the environment ``name`` in the folder ``prefix``; raise SetupError or OSError."""
    recipe = RECIPES[name]
    if name == 'ros':
        check_machine()
    if prefix.exists():
        with step('removing what an interrupted attempt left behind'):
            shutil.rmtree(prefix)
    check_space(prefix.parent, recipe.space)
    shop = Workshop(prefix, prefix.with_suffix('.log'), lock)
    shop.log.write_text('')
    with step(f'creating the {name} environment in {prefix}'):
        shop.temporary.mkdir(parents=True)
        shop.run(sys.executable, '-m', 'venv', prefix)
    count = len(ros_tree.package_names(recipe.requirements.read_text()))
    with step(f'installing the {count} packages of {recipe.requirements.name}'):
        shop.pip(
            'install',
            *(['--no-deps'] if recipe.complete else []),
            '--requirement',
            recipe.requirements,
        )
    if name == 'ros':
        ros_packages.add(shop)
    with step('checking that it works'):
        shop.run(shop.python, '-c', recipe.check)
    shutil.rmtree(shop.temporary)
    (prefix / 'ready').write_text(f'{prefix}\n')
    others = [
        path.parent for path in prefix.parent.glob(f'{name}-*/ready') if path.parent != prefix
    ]
    if others:
        say(
            f'{len(others)} other {name} environment(s) can be removed where no checkout uses '
            f'them any more: {" ".join(map(str, others))}'
        )


def main(arguments: list[str]) -> int:
    """Make the environment unless it is there; return 0, or another after one clear sentence."""
    name, prefix = arguments[0], Path(arguments[1])
    started = time.monotonic()
    try:
        with locked(prefix.with_suffix('.lock')) as lock:
            if is_ready(prefix):
                return 0
            try:
                make(name, prefix, lock)
            except BaseException:
                shutil.rmtree(prefix, ignore_errors=True)  # a full disk gets its space back
                raise
    except KeyboardInterrupt:
        say(f'interrupted: the next call makes the {name} environment anew')
        return 130
    except (SetupError, ros_tree.TreeError) as error:
        say(f'the {name} environment could not be made: {error}')
        return 1
    except OSError as error:
        say(
            f'the {name} environment could not be made in {prefix.parent}: '
            f'{error.strerror or error} ({error.filename or prefix}); set ASAP_ROS_CACHE to a '
            f'folder that can be written to and has room, {AGAIN}'
        )
        return 1
    say(f'the {name} environment is ready after {time.monotonic() - started:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
