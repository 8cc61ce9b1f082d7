"""Imports go down only, ROS and torch stay where docs/architecture.md says they are."""

from __future__ import annotations

import ast
import configparser

import pytest

from support.paths import ROOT

ROS = {
    'rclpy',
    'tf2_ros',
    'tf2_py',
    'diagnostic_updater',
    'message_filters',
    'launch',
    'launch_ros',
    'cv_bridge',
    'ament_index_python',
}
EDGES = {
    'node',
    'answers',
    'outputs',
    'images',
    'messages',
    'parameters',
    'poses',
    'diagnostics',
    'road_messages',
    'road_outputs',
}
HELPERS = {'player', 'recording'}
"""Parts of executables: what feeds the node and what listens to it."""
PARTLY = {'images'}
"""Edges that work without ROS but for the making of messages."""
MAY_USE = {
    'labels': {'resources'},
    'road': {'road', 'labels'},
    'engine': {'engine', 'labels', 'resources', 'version'},
    'network': {'network'},
}
"""Floors by their first name, and what of the package each may use."""
TRAINING_MAY_USE = {
    'network',
    'labels',
    'engine',
    'evaluation.metrics',
    'preprocess',
    'overlay',
    'version',
    'resources',
    'image_files',
    'statistics',
    'arguments',
}


def executables():
    """Return the modules that setup.cfg makes executables of, and their helpers."""
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    lines = config['options.entry_points']['console_scripts'].strip().splitlines()
    return HELPERS | {line.split('asap_ros.')[1].split(':')[0] for line in lines}


def imported(path):
    """Return the dotted names that a file imports at any depth, those of this package whole."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
    return names


def of_ros(names):
    """Return which of these names are ROS's."""
    return {
        name
        for name in names
        if name.split('.')[0] in ROS
        or name.split('.')[0].endswith('_msgs')
        or name.startswith('asap_ros.msg.')
        or name.split('.')[0] == 'builtin_interfaces'
    }


def of_package(names, package='asap_ros'):
    """Return the first names below the package that are imported."""
    return {name.split('.')[1] for name in names if name.startswith(f'{package}.')}


def modules(folder):
    """Return the files of a folder by the dotted name below it."""
    return {
        '.'.join(path.relative_to(ROOT / folder).with_suffix('').parts): path
        for path in sorted((ROOT / folder).rglob('*.py'))
        if path.name != '__init__.py'
    }


@pytest.mark.parametrize('name, path', modules('asap_ros').items(), ids=lambda v: str(v)[-30:])
def test_a_module_stays_on_its_floor(name, path):
    names, floor = imported(path), name.split('.')[0]
    if floor not in EDGES | executables():
        assert not of_ros(names), 'ROS is for the node, its edges and the executables'
        assert not of_package(names) & (EDGES - PARTLY | executables())
    if floor != 'network':
        assert not {n for n in names if n.split('.')[0] == 'torch'}, 'torch is not on vehicles'
        assert 'network' not in of_package(names)
    if floor in MAY_USE:
        assert of_package(names) <= MAY_USE[floor]
    assert not {n for n in names if n.startswith('asap_training')}


@pytest.mark.parametrize(
    'name, path', modules('asap_training').items(), ids=lambda v: str(v)[-30:]
)
def test_training_stands_beside(name, path):
    names = imported(path)
    assert not of_ros(names)
    used = {n.removeprefix('asap_ros.') for n in names if n.startswith('asap_ros.')}
    assert not {
        n
        for n in used
        if not any(n == allowed or n.startswith(f'{allowed}.') for allowed in TRAINING_MAY_USE)
    }


def test_architecture_names_the_edges():
    page = (ROOT / 'docs' / 'architecture.md').read_text()
    assert all(f'`{name}' in page for name in EDGES)
