"""tools/ros, tools/training and make: what they say, and the environment they enter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

PROGRAMS = (
    'bash',
    'cat',
    'cut',
    'dirname',
    'echo',
    'env',
    'find',
    'make',
    'printf',
    'readlink',
    'realpath',
    'sha256sum',
    'sort',
    'mkdir',
    'flock',
    'rm',
)


@pytest.fixture
def machine(tmp_path):
    """A machine without Python and ROS: its PATH has a few programs, its cache is empty."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(shutil.which(name))

    def run(*command, **variables):
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={
                'PATH': str(programs),
                'HOME': str(tmp_path),
                'ASAP_ROS_CACHE': str(tmp_path / 'cache'),
                **variables,
            },
        )

    run.programs = programs
    run.cache = tmp_path / 'cache'
    return run


def prefix_of(machine, name):
    """Return where the pins of this checkout put an environment."""
    failed = machine(
        'bash',
        '-c',
        'source tools/environment/common.sh; '
        f'find_python() {{ return 1; }}; prepare {name} 3.12 2>&1; :',
    )
    assert failed.returncode == 1
    shown = machine(
        'bash',
        '-c',
        'source tools/environment/common.sh; '
        f'fail() {{ echo "$prefix"; exit; }}; prepare {name} 3.12',
    )
    return Path(shown.stdout.strip())


def finished(prefix):
    """Make something that looks like a finished environment at ``prefix``."""
    (prefix / 'bin').mkdir(parents=True)
    (prefix / 'bin' / 'python').symlink_to(sys.executable)
    (prefix / 'ready').write_text(f'{prefix}\n')


def script(path, text):
    path.write_text(f'#!/usr/bin/env bash\n{text}\n')
    path.chmod(0o755)


@pytest.mark.parametrize('tool', ['ros', 'training'])
def test_without_a_command_the_usage_is_shown(machine, tool):
    asked, wrong = machine(f'tools/{tool}', '--help'), machine(f'tools/{tool}')
    assert (asked.returncode, wrong.returncode) == (0, 2)
    assert asked.stdout.startswith(f'usage: tools/{tool} COMMAND')


@pytest.mark.parametrize('tool, version', [('ros', '3.12'), ('training', '3.11')])
def test_without_the_right_python_one_sentence_says_where_to_get_it(machine, tool, version):
    script(machine.programs / f'python{version}', 'exit 127')  # as a pyenv shim does
    failed = machine(f'tools/{tool}', 'true')
    assert failed.returncode == 1
    assert failed.stdout == ''
    assert failed.stderr.count('\n') == 1
    assert f'needs Python {version} and none was found: install it' in failed.stderr
    assert not machine.cache.exists()


def test_a_python_that_cannot_make_environments_is_named(machine):
    script(machine.programs / 'python3.12', '[[ $2 != *ensurepip* ]]')
    failed = machine('tools/ros', 'true')
    assert f'{machine.programs}/python3.12 has no venv module' in failed.stderr


def test_python_is_also_taken_from_pyenv_and_from_uv(machine, tmp_path):
    for name, text in (('pyenv', f'echo {tmp_path}/pyenv'), ('uv', f'echo {tmp_path}/uv')):
        script(machine.programs / name, text)
    found = 'source tools/environment/common.sh; find_python 3.12'
    good = '[[ $2 == *executable* ]] && echo "$0"; exit 0'
    script(tmp_path / 'uv', good)
    assert machine('bash', '-c', found).stdout.strip() == f'{tmp_path}/uv'
    (tmp_path / 'pyenv/versions/3.12.1/bin').mkdir(parents=True)
    script(tmp_path / 'pyenv/versions/3.12.1/bin/python', good)
    assert machine('bash', '-c', found).stdout.strip().startswith(f'{tmp_path}/pyenv/')


def test_a_finished_training_environment_is_entered_without_a_word(machine):
    prefix = prefix_of(machine, 'training')
    finished(prefix)
    entered = machine(
        'tools/training',
        'env',
        AMENT_PREFIX_PATH='/opt/ros/jazzy',
        PYTHONPATH='/opt/ros/jazzy/lib/python3.12/site-packages',
    )
    assert entered.stderr == ''
    seen = dict(line.split('=', 1) for line in entered.stdout.splitlines())
    assert seen['PATH'].startswith(f'{prefix}/bin:')
    assert seen['VIRTUAL_ENV'] == str(prefix)
    assert seen['PYTHONPATH'] == str(ROOT)
    assert 'AMENT_PREFIX_PATH' not in seen


def test_an_unfinished_or_moved_environment_is_not_entered(machine):
    prefix = prefix_of(machine, 'training')
    finished(prefix)
    (prefix / 'ready').write_text('/elsewhere\n')
    assert 'needs Python' in machine('tools/training', 'true').stderr
    (prefix / 'ready').unlink()
    assert 'needs Python' in machine('tools/training', 'true').stderr


def test_changed_pins_make_another_environment(machine, tmp_path):
    shutil.copytree(ROOT / 'tools', tmp_path / 'copy' / 'tools')
    shown = (
        'source {}/tools/environment/common.sh; fail() {{ echo "$prefix"; exit; }}; '
        'prepare ros 3.12'
    )
    before = machine('bash', '-c', shown.format(ROOT)).stdout
    assert machine('bash', '-c', shown.format(tmp_path / 'copy')).stdout == before
    with (tmp_path / 'copy/tools/environment/ros.requirements.txt').open('a') as pins:
        pins.write('more==1.0\n')
    assert machine('bash', '-c', shown.format(tmp_path / 'copy')).stdout != before


def test_an_installed_ros_is_used_and_what_its_python_lacks_is_named(machine):
    script(machine.programs / 'ros2', 'exit 0')
    script(machine.programs / 'python3', 'echo onnxruntime rosbags')
    failed = machine('tools/ros', 'true', ROS_DISTRO='jazzy')
    assert failed.returncode == 1
    assert failed.stderr.count('\n') == 1
    assert 'its python3 lacks: onnxruntime rosbags; install them with' in failed.stderr
    assert not machine.cache.exists()


def test_the_ros_environment_holds_the_package_and_stays_on_this_machine():
    """In the environment that these tests run in, made by tools/ros itself."""
    if 'ASAP_ROS_PREFIX' not in os.environ:
        pytest.skip('these tests do not run under tools/ros')
    shown = subprocess.run(
        [
            ROOT / 'tools/ros',
            'python3',
            '-c',
            'import asap_ros, asap_ros.cli.arguments as module, os; '
            'from asap_ros.msg import RoadGeometry, StageTimings; '
            'print(os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], asap_ros.__file__, '
            'os.path.realpath(module.__file__))',
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert shown.returncode == 0, shown.stderr
    reach, where, linked = shown.stdout.split()
    assert reach == 'LOCALHOST'
    assert where.startswith(str(ROOT / '.colcon'))
    assert linked == str(ROOT / 'asap_ros' / 'cli' / 'arguments.py')  # an edit counts at once


def test_make_alone_says_what_it_can_do(machine):
    shown = machine('make')
    assert shown.returncode == 0
    for target in ('run', 'test', 'lint', 'build'):
        assert f'make {target}' in shown.stdout


def test_make_run_without_a_bag_simulates_a_drive_and_replays_it(machine):
    shown = machine('make', '-n', 'run', 'SCENARIO=night', 'OUT=out/dark').stdout
    simulated = shown.index("asap_ros simulate --out 'out/dark/drive' --scenario night")
    assert simulated < shown.index('realpath -e -- out/dark/drive')
    assert 'replay.launch.py bag:="$bag"' in shown


def test_make_run_waits_for_each_frame_unless_a_pace_is_given(machine):
    assert 'lockstep' not in machine('make', '-n', 'run', 'BAG=drive').stdout
    assert (
        'lockstep:=false rate:=0.5' in machine('make', '-n', 'run', 'BAG=drive', 'RATE=0.5').stdout
    )


def test_make_run_names_a_bag_that_is_not_there(machine):
    failed = machine('make', 'run', 'BAG=/no/such/bag')
    assert failed.returncode == 2
    assert 'make run: there is no bag at /no/such/bag' in failed.stderr
