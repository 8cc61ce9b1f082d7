"""The package's manifests agree with one another and with the code."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from support.paths import ROOT

MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()
# Import name -> key of the manifest, where they differ.
KEYS = {
    'cv2': 'python3-opencv',
    'yaml': 'python3-yaml',
    'numpy': 'python3-numpy',
    'scipy': 'python3-scipy',
    'psutil': 'python3-psutil',
    'tqdm': 'python3-tqdm',
    'jinja2': 'python3-jinja2',
    'matplotlib': 'python3-matplotlib',
}
# On no rosdep list: docs/installing.md says how to get them.
WITHOUT_KEY = {
    'distributed',
    'onnx',
    'onnxruntime',
    'rosbags',
    'torch',
    'safetensors',
    'tensorrt',
    'tensorrt_rtx_bindings',
    'tensorrt_rtx_libs',
    'tensorrt_rtx',
    'cuda',
}


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    return config


def entry_points(group):
    lines = setup_cfg()['options.entry_points'][group].strip().splitlines()
    return dict(re.split(r'\s*=\s*', line) for line in lines)


def executables():
    return entry_points('asap_ros.commands')


def imported_packages(*folders):
    """Return the top-level names that the Python files under some folders import."""
    names = set()
    for folder in folders:
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.add(node.module.split('.')[0])
    return names - set(sys.stdlib_module_names) - {'asap_ros', 'asap_training'}


def test_every_import_of_the_package_is_a_dependency_in_the_manifest():
    declared = {tag.text for kind in ('depend', 'exec_depend') for tag in MANIFEST.iter(kind)}
    needed = {KEYS.get(name, name) for name in imported_packages('asap_ros', 'launch')}
    assert needed - declared - WITHOUT_KEY == set()


def test_pip_and_ros_state_one_version_and_one_licence():
    assert setup_cfg()['metadata']['license'] == MANIFEST.findtext('license') == 'Apache-2.0'
    stated = subprocess.run(
        [sys.executable, 'setup.py', '--version'], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    assert stated.splitlines()[-1] == MANIFEST.findtext('version')
    assert f'\n{MANIFEST.findtext("version")} (' in (ROOT / 'CHANGELOG.rst').read_text()
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()[:200]


def test_the_executables_are_these_and_each_has_its_function():
    assert set(executables()) >= {'segmenter', 'replay', 'evaluate', 'bench'}
    every = {**executables(), **entry_points('asap_training.commands')}
    assert len(every) == len(executables()) + len(entry_points('asap_training.commands'))
    for target in every.values():
        module, function = target.split(':')
        tree = ast.parse((ROOT / f'{module.replace(".", "/")}.py').read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_pip_puts_one_command_on_the_path():
    assert entry_points('console_scripts') == {'asap': 'asap_ros.cli.asap:main'}


def test_ros2_run_finds_every_executable():
    shown = subprocess.run(
        ['ros2', 'pkg', 'executables', 'asap_ros'], capture_output=True, text=True
    ).stdout
    assert set(shown.split()) - {'asap_ros'} == set(executables())


@pytest.mark.parametrize('name', ['asap_ros', 'asap_training'])
def test_no_subpackage_is_called_msg_and_init_is_as_empty_as_the_generated_one(name):
    assert not (ROOT / name / 'msg').exists()
    assert (ROOT / name / '__init__.py').read_text() == ''


def test_the_status_bits_of_road_geometry_are_distinct_powers_of_two():
    from asap_ros.msg import RoadGeometry

    text = (ROOT / 'msg' / 'RoadGeometry.msg').read_text()
    bits = re.findall(r'^uint32 (STATUS_\w+)=', text, re.MULTILINE)
    assert sorted(getattr(RoadGeometry, bit) for bit in bits) == [1 << n for n in range(len(bits))]
    assert RoadGeometry().covariance.shape == (36,)


@pytest.mark.parametrize('name', ['RoadGeometry', 'StageTimings'])
def test_every_field_of_a_message_says_what_it_is(name):
    for line in (ROOT / 'msg' / f'{name}.msg').read_text().splitlines():
        field = line.split('#')[0].strip()
        if field and '=' not in field:
            assert '#' in line, line
