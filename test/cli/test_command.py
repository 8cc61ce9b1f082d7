"""What every command does with errors: one sentence on standard error and the exit status."""

from __future__ import annotations

import errno
import os

import pytest

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser
from asap_ros.cli.command import FAILED, GOOD, INTERRUPTED, WRONG_USE, UsageError


class OwnError(Exception):
    pass


@pytest.fixture(autouse=True)
def built_with_colcon(monkeypatch):
    """Nobody knows what pip would install."""
    monkeypatch.setattr(command.importlib.metadata, 'requires', lambda _: None)


def run(work, argv=(), **rules):
    return command.run(CommandParser('try', 'Try it.', '  %(prog)s'), work, argv, **rules)


def raising(error):
    def work(_):
        raise error

    return work


@pytest.mark.parametrize('answer, status', [(None, GOOD), (GOOD, GOOD), (FAILED, FAILED)])
def test_what_the_work_returns_is_the_status(answer, status, capsys):
    assert run(lambda _: answer) == status
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize(
    'error, status, sentence',
    [
        (UsageError('give a or b'), WRONG_USE, 'give a or b'),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), 'x'), WRONG_USE, 'x: No such'),
        (FileExistsError('x exists already'), WRONG_USE, 'x exists already'),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'x'), FAILED, 'x: No space left'),
        (ValueError('half'), FAILED, 'half'),
        (ModuleNotFoundError('no', name='rclpy'), FAILED, 'needs ROS 2 (rclpy is not there)'),
        (ModuleNotFoundError('no', name='sensor_msgs.msg'), FAILED, 'needs ROS 2'),
        (ModuleNotFoundError('no', name='elsewhere.part'), FAILED, 'pip install elsewhere'),
        (KeyboardInterrupt(), INTERRUPTED, 'stopped'),
    ],
)
def test_an_error_is_one_sentence_and_a_status(error, status, sentence, capsys):
    assert run(raising(error)) == status
    said = capsys.readouterr()
    assert said.err.startswith('try: ') and sentence in said.err and said.err.count('\n') == 1
    assert said.out == ''


def test_a_command_has_errors_of_its_own(capsys):
    assert run(raising(OwnError('mine')), mistyped=(OwnError,)) == WRONG_USE
    assert run(raising(OwnError('mine')), failed=(OwnError,)) == FAILED
    assert capsys.readouterr().err == 'try: mine\n' * 2
    with pytest.raises(OwnError):  # a mistake of the program's is not told as the user's
        run(raising(OwnError('mine')))


def test_what_ctrl_c_leaves_is_said(capsys):
    assert run(raising(KeyboardInterrupt()), stopped='stopped, nothing was made') == INTERRUPTED
    assert capsys.readouterr().err == 'try: stopped, nothing was made\n'


def test_help_and_options_that_there_are_not(capsys):
    assert run(None, ['--help']) == GOOD
    assert run(None, ['--nonsense']) == WRONG_USE
    assert 'unrecognized arguments: --nonsense' in capsys.readouterr().err


def test_a_package_of_an_extra_is_named_with_it(monkeypatch):
    listed = ['numpy', 'torch; extra == "training"', "cuda-bindings>=1; extra == 'gpu'"]
    monkeypatch.setattr(command.importlib.metadata, 'requires', lambda _: listed)
    clone = 'in a clone of asap_ros'
    assert command.missing('torch') == f"torch: pip install -e '.[training]' {clone}"
    assert command.missing('numpy.linalg') == f'numpy.linalg: pip install -e . {clone}'
