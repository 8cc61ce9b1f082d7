"""Making an environment: what is said when it cannot be, and what is left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import make
import pytest
import workshop


@pytest.fixture
def shop(tmp_path):
    (tmp_path / 'env' / 'tmp').mkdir(parents=True)
    with workshop.locked(tmp_path / 'env.lock') as lock:
        yield workshop.Workshop(tmp_path / 'env', tmp_path / 'env.log', lock)


@pytest.mark.parametrize(
    'printed, said',
    [
        (
            'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
            'the disk is full',
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n"
            'ERROR: No matching distribution found for numpy==2.4.6',
            'cannot be reached',
        ),
        ('socket.gaierror: [Errno -3] Temporary failure in name resolution', 'cannot be reached'),
        ('ReadTimeoutError: Read timed out. (read timeout=15)', 'cannot be reached'),
        (
            'ERROR: No matching distribution found for ros-rclpy==7.1.6',
            'pip finds no ros-rclpy==7.1.6 for Python',
        ),
    ],
)
def test_a_known_cause_becomes_one_sentence_with_a_way_out(printed, said):
    sentence = workshop.explain(printed)
    assert said in sentence
    assert '\n' not in sentence
    assert 'same command again' in sentence or 'docs/installing.md' in sentence


def test_what_is_new_is_shown_as_it_was_printed(shop):
    assert workshop.explain('Segmentation fault') is None
    with pytest.raises(workshop.SetupError, match=r'(?s)bash failed .*odd thing.*env\.log'):
        shop.run('bash', '-c', 'echo a very odd thing; exit 3')
    assert shop.log.read_text() == 'a very odd thing\n'


def test_only_the_failing_command_is_explained(shop):
    shop.run('echo', 'No space left on device')
    with pytest.raises(workshop.SetupError, match='bash failed'):
        shop.run('bash', '-c', 'exit 1')


def test_commands_see_no_foreign_packages_and_keep_their_temporary_files_here(shop, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', '/elsewhere')
    monkeypatch.setenv('PIP_INDEX_URL', 'file:///mirror')
    shop.run('env')
    seen = dict(line.split('=', 1) for line in shop.log.read_text().splitlines() if '=' in line)
    assert 'PYTHONPATH' not in seen
    assert seen['PIP_INDEX_URL'] == 'file:///mirror'
    assert seen['TMPDIR'] == str(shop.temporary)


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import workshop
base = Path(sys.argv[2])
with workshop.locked(base / 'e.lock') as lock:
    workshop.Workshop(base, base / 'e.log', lock).run('bash', '-c', f'echo up; cat {base}/gate')
"""


def test_a_command_that_outlives_its_killed_parent_keeps_the_lock(tmp_path):
    os.mkfifo(tmp_path / 'gate')  # the command ends when somebody has written to it
    log = tmp_path / 'e.log'
    parent = subprocess.Popen(
        [sys.executable, '-c', PARENT, str(Path(workshop.__file__).parent), str(tmp_path)]
    )
    while parent.poll() is None and not (log.exists() and 'up' in log.read_text()):
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    with (tmp_path / 'e.lock').open() as handle:
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (tmp_path / 'gate').write_text('')
        fcntl.flock(handle, fcntl.LOCK_EX)


def test_too_small_a_disk_is_found_before_anything_is_made(tmp_path):
    with pytest.raises(workshop.SetupError, match='GiB free and .* are needed.*ASAP_ROS_CACHE'):
        make.check_space(tmp_path, 1 << 60)
    make.check_space(tmp_path, 1)


@pytest.mark.parametrize(
    'lacking, said',
    [
        ({'cmake'}, 'needs cmake, which this machine lacks: apt install'),
        ({'cmake', 'c++'}, r'needs cmake and c\+\+, which'),
        ('aarch64', 'not for aarch64: install ROS 2'),
        ('headers', 'needs the headers of .*: apt install python3'),
    ],
)
def test_what_building_messages_needs_is_named_before_anything_is_fetched(
    monkeypatch, tmp_path, lacking, said
):
    monkeypatch.setattr(
        make.platform, 'machine', lambda: 'aarch64' if lacking == 'aarch64' else 'x86_64'
    )
    monkeypatch.setattr(make.shutil, 'which', lambda tool: None if tool in lacking else tool)
    monkeypatch.setattr(make.sysconfig, 'get_path', lambda name: str(tmp_path))
    if lacking != 'headers':
        (tmp_path / 'Python.h').touch()
    with pytest.raises(workshop.SetupError, match=said):
        make.check_machine()


def test_an_environment_counts_only_where_it_was_made(tmp_path):
    here = tmp_path / 'ros-1'
    (here / 'bin').mkdir(parents=True)
    assert not make.is_ready(here)
    (here / 'ready').write_text(f'{here}\n')
    assert not make.is_ready(here)
    (here / 'bin' / 'python').symlink_to(sys.executable)
    assert make.is_ready(here)
    moved = here.rename(tmp_path / 'ros-2')
    assert not make.is_ready(moved)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A recipe without packages, and the folder to make it in."""
    (tmp_path / 'none.txt').write_text('')
    monkeypatch.setitem(
        make.RECIPES,
        'training',
        make.Recipe(tmp_path / 'none.txt', complete=False, space=1, check='import json'),
    )
    return tmp_path / 'cache' / 'training-1'


def test_an_interrupted_attempt_is_replaced_and_the_marker_comes_last(tiny, capsys):
    (tiny / 'lib').mkdir(parents=True)
    (tiny / 'lib' / 'half').write_text('')
    assert make.main(['training', str(tiny)]) == 0
    assert make.is_ready(tiny)
    assert not (tiny / 'lib' / 'half').exists()
    assert not (tiny / 'tmp').exists()
    said = capsys.readouterr().err
    assert 'interrupted attempt' in said
    assert 'ready after' in said
    assert make.main(['training', str(tiny)]) == 0
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'failure, code, said',
    [
        (KeyboardInterrupt(), 130, 'the next call makes the training environment anew'),
        (
            OSError(errno.ENOSPC, 'No space left on device', '/x'),
            1,
            'No space left on device (/x)',
        ),
        (workshop.SetupError('the disk is full'), 1, 'could not be made: the disk is full'),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing_that_takes_space(
    tiny, monkeypatch, capsys, failure, code, said
):
    def fail(self, *arguments):
        assert self.prefix.exists()
        raise failure

    monkeypatch.setattr(workshop.Workshop, 'pip', fail)
    assert make.main(['training', str(tiny)]) == code
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not tiny.exists()
