"""What stands in for launch_pytest runs launch for real, and a failing process is seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from support.paths import SUPPORT

FALLBACK = SUPPORT / 'launch_pytest_fallback'
TESTS = """
import threading

import launch
import launch_pytest
import pytest
from launch.actions import ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessIO

printed, codes, started = [], [], []
said, ended = threading.Event(), threading.Event()


def on_output(event):
    printed.append(event.text.decode())
    said.set()


def on_exit(event, context):
    codes.append(event.returncode)
    ended.set()


@launch_pytest.fixture{options}
def description():
    started.append(True)
    process = ExecuteProcess(cmd=['bash', '-c', '{script}'])
    return launch.LaunchDescription([
        process,
        RegisterEventHandler(OnProcessIO(target_action=process, on_stdout=on_output)),
        RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))]), process


@pytest.mark.launch(fixture=description)
def test_beside(description, launch_context):
    assert said.wait(20)
    assert printed == ['hello\\n']
    assert isinstance(description[0], launch.LaunchDescription)
    assert isinstance(launch_context, launch.LaunchContext)


{more}
"""
AFTER = """
@pytest.mark.launch(fixture=description, shutdown=True)
def test_after():
    assert codes == [0], codes
    assert len(started) == 1
"""


def run(tmp_path, text):
    (tmp_path / 'test_it.py').write_text(text)
    environment = dict(
        os.environ, PYTHONPATH=os.pathsep.join([str(FALLBACK), os.environ.get('PYTHONPATH', '')])
    )
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'pytest',
            '-p',
            'launch_pytest.plugin',
            '-p',
            'no:launch_testing',
            '-p',
            'no:launch_ros',
            '-p',
            'no:cacheprovider',
            '--rootdir',
            str(tmp_path),
            str(tmp_path),
        ],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    counts = re.findall(r'(\d+) (passed|failed|error)', done.stdout.splitlines()[-1])
    return {word: int(number) for number, word in counts}, done.stdout


def test_a_test_runs_beside_launch_and_one_marked_shutdown_after_it(tmp_path):
    text = TESTS.format(
        options='(scope="module", auto_shutdown=False)',
        script='echo hello; sleep 0.5; exit 0',
        more=AFTER,
    )
    counts, printed = run(tmp_path, text)
    assert counts == {'passed': 2}, printed


def test_a_process_that_fails_makes_the_test_fail_that_asks(tmp_path):
    text = TESTS.format(
        options='(scope="module", auto_shutdown=False)', script='echo hello; exit 3', more=AFTER
    )
    counts, printed = run(tmp_path, text)
    assert counts == {'passed': 1, 'failed': 1}, printed
    assert 'AssertionError: [3]' in printed


def test_each_test_gets_a_launch_of_its_own_in_function_scope(tmp_path):
    more = """
@pytest.mark.launch(fixture=description)
def test_again():
    assert len(started) == 2
"""
    text = TESTS.format(options='', script='echo hello; exec sleep 60', more=more)
    counts, printed = run(tmp_path, text)
    assert counts == {'passed': 2}, printed


def test_an_assertion_in_the_test_fails_it_and_still_ends_the_process(tmp_path):
    more = """
@pytest.mark.launch(fixture=description)
def test_wrong():
    assert ended.is_set()


def test_later():
    assert codes[-1] != 0  # sleep was interrupted
"""
    text = TESTS.format(options='', script='echo hello; exec sleep 60', more=more)
    text = text.replace('def test_beside', 'def beside')
    counts, printed = run(tmp_path, text)
    assert counts == {'passed': 1, 'failed': 1}, printed


def test_launch_that_fails_is_an_error_not_a_pass(tmp_path):
    text = """
import launch, launch_pytest, pytest
from launch.actions import OpaqueFunction


def broken(context):
    raise RuntimeError('broken description')


@launch_pytest.fixture
def description():
    return launch.LaunchDescription([OpaqueFunction(function=broken)])


@pytest.mark.launch(fixture=description)
def test_it():
    pass
"""
    counts, printed = run(tmp_path, text)
    assert counts == {'error': 1}, printed
    assert 'launch ended with return code 1' in printed


def test_a_fixture_that_returns_no_description_is_named(tmp_path):
    text = """
import launch_pytest, pytest


@launch_pytest.fixture
def description():
    return 3


@pytest.mark.launch(fixture=description)
def test_it():
    pass
"""
    _, printed = run(tmp_path, text)
    assert 'launch fixture description must return a LaunchDescription' in printed
