"""The command `ros2 launch` of environments that lack ros2launch."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from asap_ros2_launch import command

LAUNCH_FILE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('word', default_value='hello', description='What is said.'),
        DeclareLaunchArgument('needed', description='Has no default.'),
        ExecuteProcess(cmd=['echo', [LaunchConfiguration('word'), '!']], output='screen'),
        ExecuteProcess(cmd=[LaunchConfiguration('needed')], shell=True, output='screen')])
"""

INTERRUPTED_LAUNCH_FILE = """
import os
import signal
from launch import LaunchDescription
from launch.actions import OpaqueFunction

def interrupt_and_go_on(context):
    os.kill(os.getpid(), signal.SIGINT)
    print('went on')

def generate_launch_description():
    return LaunchDescription([OpaqueFunction(function=interrupt_and_go_on)])
"""


@pytest.fixture
def launch_file(tmp_path):
    path = tmp_path / 'say.launch.py'
    path.write_text(LAUNCH_FILE)
    return path


def ros2_launch(*words):
    return subprocess.run(['ros2', 'launch', *map(str, words)], capture_output=True, text=True)


def test_arguments_are_split_at_their_first_assignment():
    assert command.parse_arguments(['a:=1', 'b:=x:=y', 'c:=', 'a:=2']) == [
        ('a', '2'),
        ('b', 'x:=y'),
        ('c', ''),
    ]


@pytest.mark.parametrize('word', ['a=1', ':=1', 'a'])
def test_a_word_that_is_no_argument_is_named(word):
    with pytest.raises(command.LaunchCommandError, match=f"malformed launch argument '{word}'"):
        command.parse_arguments([word])


def test_a_launch_file_is_found_anywhere_in_a_package(tmp_path):
    (tmp_path / 'launch' / 'more').mkdir(parents=True)
    path = tmp_path / 'launch' / 'more' / 'a.launch.py'
    path.write_text('')
    assert command.launch_file_in(tmp_path, 'a.launch.py', 'p') == path
    with pytest.raises(command.LaunchCommandError, match=r'no launch file b.*it has a\.launch'):
        command.launch_file_in(tmp_path, 'b.launch.py', 'p')
    (tmp_path / 'launch' / 'a.launch.py').write_text('')
    with pytest.raises(command.LaunchCommandError, match='more than once'):
        command.launch_file_in(tmp_path, 'a.launch.py', 'p')


def test_a_path_or_a_package_and_a_name_are_understood(launch_file, monkeypatch):
    assert command.resolve(str(launch_file), ['a:=1']) == (launch_file, [('a', '1')])
    monkeypatch.chdir(launch_file.parent)
    assert command.resolve('say.launch.py', []) == (launch_file, [])
    path, arguments = command.resolve('asap_ros', ['segment.launch.py', 'a:=1'])
    assert path.name == 'segment.launch.py'
    assert arguments == [('a', '1')]


@pytest.mark.parametrize(
    'words, said',
    [
        (['/nowhere/x.launch.py'], 'there is no launch file /nowhere/x.launch.py'),
        (['no_such_package', 'x.launch.py'], "there is no package 'no_such_package'; searched"),
        (['asap_ros'], 'which launch file of package asap_ros'),
        (['asap_ros', 'rate:=1'], 'which launch file of package asap_ros'),
    ],
)
def test_what_names_no_launch_file_is_refused_in_a_sentence(words, said):
    with pytest.raises(command.LaunchCommandError, match=said):
        command.resolve(words[0], words[1:])


def test_the_arguments_of_a_launch_file_are_shown(launch_file):
    shown = ros2_launch(launch_file, '--show-args')
    assert shown.returncode == 0
    assert "'word':\n        What is said.\n        (default: 'hello')" in shown.stdout
    assert "'needed':\n        Has no default.\n" in shown.stdout


def test_arguments_reach_the_launch_file_and_it_ends_with_its_processes(launch_file):
    ended = ros2_launch(launch_file, 'word:=goodbye', 'needed:=true')
    assert 'goodbye!' in ended.stdout
    assert ended.returncode == 0


def test_a_missing_argument_fails(launch_file):
    failed = ros2_launch(launch_file)
    assert failed.returncode == 1
    assert "missing required argument 'needed'" in failed.stdout + failed.stderr


def test_interrupting_ends_what_was_launched(launch_file):
    running = subprocess.Popen(
        ['ros2', 'launch', str(launch_file), 'needed:=echo up; exec sleep 60'],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in running.stdout:
        if 'up' in line.split():
            break
    os.killpg(running.pid, signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait() == 0
    assert 'user interrupted' in rest


def test_an_interrupt_leaves_nothing_half_done(tmp_path):
    path = tmp_path / 'interrupted.launch.py'
    path.write_text(INTERRUPTED_LAUNCH_FILE)
    ended = ros2_launch(path)
    assert 'went on' in ended.stdout
    assert ended.returncode == 0
