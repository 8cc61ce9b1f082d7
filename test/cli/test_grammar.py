"""One grammar of all commands: what is called alike means the same and looks the same."""

from __future__ import annotations

import argparse
import re

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from asap_ros.bags.topic_names import DRIVE_OPTIONS, TopicNames, topic_names
from asap_ros.cli import (
    bench,
    build_engine,
    check_mounting,
    evaluate,
    extract,
    gpu_bench,
    replay,
    segmenter,
)
from asap_ros.cli.arguments import resolution
from asap_ros.evaluation.drive_job import DriveJob, EvaluationRequest
from asap_ros.evaluation.live_launch import command as launch_command
from asap_ros.nodes import replay_parameters
from asap_simulation import simulate

COMMANDS = (
    bench,
    build_engine,
    check_mounting,
    evaluate,
    extract,
    gpu_bench,
    replay,
    segmenter,
    simulate,
)
REPEATED = ('--size', '--model', '--precision', '--batch')
"""Options of which some commands take several."""

every_command = pytest.mark.parametrize(
    'module', COMMANDS, ids=lambda m: m.__name__.split('.')[-1]
)


def options(module):
    return [action for action in module.parser()._actions if action.dest != 'help']


def named(option):
    """Return (command, action) of every command that has an option."""
    return [
        (module.__name__, action)
        for module in COMMANDS
        for action in options(module)
        if option in action.option_strings
    ]


SHARED = sorted(
    {
        name
        for module in COMMANDS
        for action in options(module)
        for name in action.option_strings
        if len(named(name)) > 1
    }
)


def test_these_are_shared():
    assert {'--out', '--size', '--model', '--hood-fraction', '--frames', '--cache'} <= set(SHARED)


@pytest.mark.parametrize('option', SHARED)
def test_what_is_called_alike_is_alike(option):
    (_, first), *others = named(option)
    for module, action in others:
        assert action.metavar == first.metavar, module
        if option not in ('--frames', '--precision'):  # within limits, a choice of the engine's
            assert getattr(action.type, '__qualname__', None) == getattr(
                first.type, '__qualname__', None
            ), module
        if option not in REPEATED:
            assert type(action) is type(first), module


@every_command
def test_every_default_is_told_in_one_style(module):
    parser = module.parser()
    text = ' '.join(parser.format_help().split('examples:')[0].split())
    assert not re.search(r'default[:=]|; default|%\(|defaults to', text, re.IGNORECASE)
    formatter = parser._get_formatter()
    for action in options(module):
        told = ' '.join((formatter._expand_help(action) if action.help else '').split())
        assert told, f'{action.dest} says nothing'
        if (
            action.default not in (None, False, '')
            and action.default != []
            and action.option_strings
        ):
            if action.default != ():
                assert re.search(r'\(default .+\)$', told), told
        if action.type is resolution and isinstance(action.default, tuple):
            assert told.endswith('(default {}x{})'.format(*action.default))


@every_command
def test_every_help_has_examples_of_how_it_was_called(module, monkeypatch):
    monkeypatch.setattr('sys.argv', ['ros2 run asap_ros something'])
    examples = module.parser().format_help().split('examples:\n')[1]
    assert examples.startswith('  ros2 run asap_ros something ')
    for words in re.findall(r'^  ros2 run asap_ros something (.*)', examples, re.MULTILINE):
        for option in re.findall(r'(?<!\S)--[a-z-]+', words):
            known = {name for action in options(module) for name in action.option_strings}
            assert option in known | {'--ros-args', '--params-file', '--pictures'}, words


@every_command
@pytest.mark.parametrize('given', [['--nonsense'], ['--size', '12'], ['a', 'b', 'c', '--out']])
def test_wrong_use_is_2(module, given, capsys):
    assert module.main(given) == 2
    said = capsys.readouterr()
    assert said.err and not said.out


@pytest.mark.parametrize(
    'module, given',
    [
        (evaluate, ['/no/such/bag', '--out', 'OUT']),
        (evaluate, ['/no/such/bag', '--out', 'OUT', '--params-file', '/no/such.yaml']),
        (evaluate, ['/no/such/bag', '--out', 'OUT', '--model', 'nonsense']),
        (evaluate, ['/no/such/bag', '--out', 'OUT', '--engine', 'nonsense']),
        (evaluate, ['/no/such/bag', '--out', 'OUT', '--masks-from', '/m', '--live']),
        (evaluate, ['--compare', '/no/such.json', '/no/such.json']),
        (extract, ['/no/such/bag', '--out', 'OUT']),
        (extract, [__file__, '--out', 'OUT']),
        (bench, ['--frames', '0']),
        (bench, ['--model', 'nonsense', '--frames', '1']),
        (gpu_bench, ['--batch', '0']),
        (build_engine, []),
        (build_engine, ['--install', '/no/such.plan']),
        (build_engine, ['--list', '--clear']),
        (check_mounting, ['/no/such.yaml', '--height', '1']),
        (check_mounting, [__file__ + '.yaml']),
        (simulate, ['--out', '/proc/version', '--seconds', '0.1']),
        (simulate, ['--out', 'OUT', '--dataset', '--uncompressed']),
        (replay, ['--bag', 'x']),
    ],
    ids=lambda value: value.__name__.split('.')[-1] if hasattr(value, '__name__') else None,
)
def test_what_was_typed_and_cannot_be_is_2(module, given, tmp_path, capsys):
    assert module.main([word.replace('OUT', str(tmp_path / 'out')) for word in given]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(r'[\w .-]+: \S', last), last


def test_topics_are_described_once():
    """Options, parameters, arguments and the launch of evaluate --live are of one table."""
    by_dest = {action.dest: action for action in options(evaluate)}
    parameters = {name: (default, said) for name, default, said in replay_parameters.PARAMETERS}
    arguments = {name for name, *_ in replay_parameters.ARGUMENTS}
    for option in DRIVE_OPTIONS:
        assert by_dest[option.name].option_strings == [option.option]
        assert by_dest[option.name].help.startswith(option.description)
        assert parameters[option.name] == (option.default, option.help)
        assert option.name in arguments
    fields = {option.field for option in DRIVE_OPTIONS if option.field}
    wanted = TopicNames(**{field: f'/{field}' for field in fields})
    told = launch_command(DriveJob('b', 'o', EvaluationRequest(wanted=wanted)), 1.0, 'p.yaml')
    for option in DRIVE_OPTIONS:
        if option.field:
            assert f'{option.name}:=/{option.field}' in told


def test_topics_are_taken_by_name_from_whatever_holds_them():
    given = argparse.Namespace(image_topic='/front', road_topic='/road', out='somewhere')
    assert topic_names(vars(given), masks='/m') == TopicNames(
        image='/front', true_road='/road', masks='/m'
    )
    assert topic_names({}) == TopicNames()


@pytest.mark.parametrize('name, default, _', replay_parameters.PARAMETERS)
def test_a_parameter_goes_through_a_launch_argument_unchanged(name, default, _):
    text = replay_parameters.to_argument(default)
    assert replay_parameters.from_argument(text, default) == default, name
