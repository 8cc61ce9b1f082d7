"""``asap``: the command that pip installs, out of the entry points in setup.cfg."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from asap_ros.cli import asap
from support.paths import ROOT


def points():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    return {
        group: [
            EntryPoint(*(part.strip() for part in line.split('=')), group)
            for line in config['options.entry_points'][group].strip().splitlines()
        ]
        for group in asap.GROUPS
    }


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(asap, 'entry_points', lambda group: points()[group])
    monkeypatch.setattr('sys.argv', ['asap'])
    monkeypatch.setattr('sys.path', [*sys.path, str(ROOT)])  # asap_training is no part of ROS


def test_help_lists_every_command_with_a_line(capsys):
    assert asap.main(['--help']) == 0
    lines = capsys.readouterr().out.splitlines()
    for point in (point for group in points().values() for point in group):
        (line,) = [line for line in lines if line.split()[:1] == [point.name]]
        assert len(line.split()) > 4 and len(line) < 120, line


def test_help_imports_nothing_heavy():
    ran = subprocess.run(
        [
            sys.executable,
            '-c',
            'import sys; from asap_ros.cli import asap; asap.overview(); '
            'print(*sys.modules, sep="\\n")',
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)},
    )
    heavy = {'numpy', 'cv2', 'torch', 'rclpy', 'onnxruntime', 'rosbags', 'matplotlib'}
    assert not heavy & set(ran.stdout.split())


def test_without_a_command_help_goes_to_standard_error(capsys):
    assert asap.main([]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith('usage: asap COMMAND')


@pytest.mark.parametrize(
    'name, meant',
    [('evalute', 'did you mean evaluate'), ('built_engine', 'build_engine'), ('zz', '--help')],
)
def test_an_unknown_command_gets_those_that_are_close(name, meant, capsys):
    assert asap.main([name]) == 2
    said = capsys.readouterr().err
    assert f"there is no command '{name}'" in said and meant in said


def test_a_command_gets_its_arguments_and_shows_how_it_was_called(capsys):
    assert asap.main(['evaluate', '--help']) == 0
    assert capsys.readouterr().out.startswith('usage: asap evaluate [-h]')
    assert asap.main(['extract', '/no/such/bag', '--out']) == 2
    assert 'asap extract: error: argument --out' in capsys.readouterr().err


@pytest.mark.parametrize(
    'module, says',
    [('rclpy', 'asap bench: needs ROS 2'), ('torch', 'asap bench: needs torch: pip install')],
)
def test_a_module_that_is_missing_is_named_with_what_to_install(monkeypatch, capsys, module, says):
    def load(self):
        raise ModuleNotFoundError(f'No module named {module!r}', name=module)

    monkeypatch.setattr(EntryPoint, 'load', load)
    assert asap.main(['bench']) == 1
    said = capsys.readouterr().err
    assert says in said and said.count('\n') == 1
