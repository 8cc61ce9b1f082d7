"""What the pages name is there: files, anchors, commands, options, arguments, topics, bits."""

from __future__ import annotations

import ast
import configparser
import functools
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from asap_ros.bags.topic_names import DRIVE_OPTIONS
from asap_ros.parameters import table
from asap_ros.parameters.segmenter_parameters import DEFINITIONS
from support.paths import ROOT

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
CODE = re.compile(r'^```[^\n]*\n(.*?)^```|^((?: {4}\S[^\n]*\n)+)', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r'(?<!`)`([^`\n]+)`(?!`)')
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
AT_HOME = ('drives', 'ws')
"""Folders of a user's home in examples; other names after ~/ are topics of the node."""
FOLDERS = (
    'asap_ros/',
    'asap_training/',
    'config/',
    'docs/',
    'launch/',
    'models/',
    'msg/',
    'test/',
    'tools/',
)

by_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


def blocks(page):
    """Return the code blocks of a page."""
    return [fenced or indented for fenced, indented in CODE.findall(page.read_text())]


def pieces(page):
    """Return all that a page sets as code: lines of blocks, and words between ticks."""
    text = page.read_text()
    lines = '\n'.join(blocks(page)).replace('\\\n', ' ').splitlines()
    return [*lines, *INLINE.findall(CODE.sub('', text))]


def commands(page):
    """Return the words of every command line in a page, without comments."""
    found = []
    for piece in pieces(page):
        for part in re.split(r'&&|\|\|?|;| > ', re.sub(r'(^|\s)#.*', '', piece)):
            try:
                words = shlex.split(part)
            except ValueError:  # an apostrophe: prose between ticks, no command
                continue
            while words and (
                words[0] in ('$', 'sudo', 'tools/ros', 'tools/training')
                or re.fullmatch(r'[A-Z_]+=\S*', words[0])
            ):
                words = words[1:]
            if words:
                found.append(words)
    return found


def slug(heading):
    """Return the anchor that GitHub gives a heading."""
    text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).replace('`', '').strip().lower()
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def anchors(page):
    return {
        slug(line.lstrip('#'))
        for line in CODE.sub('', page.read_text()).splitlines()
        if re.match(r'#+ ', line)
    }


@functools.cache
def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    return config


@functools.cache
def executables(group='asap_ros.commands'):
    """Return module by name of the executables of a group."""
    lines = setup_cfg()['options.entry_points'][group].strip().splitlines()
    return {
        name.strip(): target.split(':')[0].strip()
        for name, target in (line.split('=') for line in lines)
    }


@functools.cache
def help_of(module, *mode):
    """Return what a command, or a mode of it, says of itself, as a user asks for it."""
    asked = subprocess.run(
        [sys.executable, '-m', module, *mode, '--help'],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@functools.cache
def strings_of_training():
    """Return every literal of training's commands, which need torch to be asked for help."""
    return {
        node.value
        for path in [
            *(ROOT / 'asap_training').glob('*.py'),
            ROOT / 'asap_ros' / 'cli' / 'arguments.py',
        ]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@functools.cache
def launch_arguments(name):
    """Return the names of the arguments of a launch file."""
    pytest.importorskip('launch', reason='needs the ROS environment')
    spec = importlib.util.spec_from_file_location('launch_file', ROOT / 'launch' / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        argument.name for argument in module.generate_launch_description().get_launch_arguments()
    }


def options_of(words):
    return [word.split('=')[0] for word in words if word.startswith('--')]


@by_page
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if target.startswith('http'):
            assert target.startswith('https://'), target
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f'{target}: there is no such file'
        assert not anchor or anchor in anchors(file), f'{target}: {sorted(anchors(file))}'


def test_every_page_can_be_reached_from_the_readme():
    linked = {
        Path(target.split('#')[0]).name
        for target in LINK.findall((ROOT / 'README.md').read_text())
    }
    assert {page.name for page in PAGES[1:]} <= linked


@by_page
def test_files_that_are_named_are_there(page):
    for piece in INLINE.findall(CODE.sub('', page.read_text())):
        for word in piece.split():
            if word.startswith(FOLDERS) and not re.search(r'[A-Z]{3}|…', word):
                pattern = re.sub(r'\{[^}]*\}', '*', word.rstrip('/.,:'))
                assert list(ROOT.glob(pattern)), f'{word} is not there'


@by_page
def test_executables_and_their_options_are_there(page):
    for words in commands(page):
        if words[:3] == ['ros2', 'run', 'asap_ros']:
            name, *arguments = words[3:]
        elif words[0] == 'asap' and len(words) > 1 and words[1] != '--help':
            name, *arguments = words[1:]
        else:
            continue
        if words[0] == 'asap' and name in executables('asap_training.commands'):
            continue  # the next test but one knows their options
        assert name in executables(), f'no executable {name}'
        module, given = executables()[name], options_of(arguments)
        said = help_of(module)
        if '--gpu' in given and '--gpu --help' in said:
            said += help_of(module, '--gpu')
        assert not [option for option in given if option not in said], words


def test_commands_say_how_they_are_used():
    for name, module in executables().items():
        said = help_of(module)
        assert 'usage:' in said and len(said) > 200, name


def test_the_page_of_evaluation_says_of_every_topic_what_its_help_says():
    page = (ROOT / 'docs' / 'evaluation.md').read_text().replace('`', '')
    for option in DRIVE_OPTIONS:
        assert f'| {option.description} | {option.found} | {option.option} |' in page


@by_page
def test_launch_files_and_their_arguments_are_there(page):
    for words in commands(page):
        if words[:3] == ['ros2', 'launch', 'asap_ros']:
            known = launch_arguments(words[3])
            for word in words[4:]:
                name, given, _ = word.partition(':=')
                assert name in known if given else word == '--show-args', word
    every = launch_arguments('segment.launch.py') | launch_arguments('replay.launch.py')
    alone = [
        word.split(':=')[0]
        for words in commands(page)
        for word in words
        if re.match(r'\w+:=', word)
    ]
    assert set(alone) <= every


@by_page
def test_modules_of_training_and_their_options_are_there(page):
    for words in commands(page):
        training = executables('asap_training.commands')
        if words[:2] == ['python', '-m'] and re.fullmatch(r'asap_training\.\w+', words[2]):
            module, arguments = words[2], words[3:]
        elif words[0] == 'asap' and len(words) > 1 and words[1] in training:
            module, arguments = training[words[1]], words[2:]
        else:
            module = None
        if module:
            assert (ROOT / f'{module.replace(".", "/")}.py').exists(), words
            missing = set(options_of(arguments)) - strings_of_training() - {'--help'}
            assert not missing, f'{words}: {missing}'


@by_page
def test_what_make_is_asked_for_is_there(page):
    makefile = (ROOT / 'Makefile').read_text()
    targets = set(re.search(r'\.PHONY: (.*)', makefile).group(1).split())
    for words in commands(page):
        if words[0] != 'make':
            continue
        for word in words[1:]:
            name, given, _ = word.partition('=')
            assert f'$({name})' in makefile if given else word in targets, words


@by_page
def test_tests_that_are_named_are_there(page):
    for words in commands(page):
        if 'pytest' in words:
            assert all((ROOT / word).exists() for word in words if word.startswith('test/')), words


@by_page
def test_topics_that_are_named_are_published(page):
    outputs = pytest.importorskip('asap_ros.nodes.publishers', reason='needs the ROS environment')
    known = {*outputs.OUTPUTS, 'label_info'}
    for name in re.findall(r'~/([\w/]+\*?)', ' '.join(INLINE.findall(page.read_text()))):
        if name.endswith('*'):
            assert any(topic.startswith(name[:-1]) for topic in known), name
        elif not name.startswith(AT_HOME):
            assert name in known, name


def test_the_readme_lists_every_topic_with_its_type():
    outputs = pytest.importorskip('asap_ros.nodes.publishers', reason='needs the ROS environment')
    section = (ROOT / 'README.md').read_text().split('## Topics')[1].split('\n## ')[0]
    stated = dict(re.findall(r'^\| `~/([^`]+)` \| (\S+)', section, re.MULTILINE))
    assert {name: kind.split('/')[-1] for name, kind in stated.items()} == {
        'label_info': 'LabelInfo',
        **{name: kind.__name__ for name, kind in outputs.OUTPUTS.items()},
    }


def test_every_status_bit_is_explained_once():
    from asap_ros.road.geometry import Status

    section = (ROOT / 'docs' / 'road.md').read_text().split('## Status bits')[1].split('\n## ')[0]
    rows = re.findall(r'^\| ([A-Z_, ]+) \| ([^|]+) \| ([^|]+) \|', section, re.MULTILINE)
    assert sorted(bit for row in rows for bit in row[0].split(', ')) == sorted(
        bit.name for bit in Status if bit
    )
    assert all(len(means) > 15 and len(advice) > 10 for _, means, advice in rows)


def test_parameters_that_pages_set_are_there():
    known = {one.name for one in DEFINITIONS}
    for page in PAGES:
        for name in re.findall(
            r'`((?:camera\.|hood_|network_|tf_|max_a|max_r|min_)\w+)`', page.read_text()
        ):
            assert name in known, f'{page.name}: {name}'


def test_the_page_of_the_node_holds_the_table_of_parameters_as_it_is_printed():
    assert f'\n{table.markdown()}\n' in (ROOT / 'docs' / 'node.md').read_text(), (
        'put the output of python -m asap_ros.parameters.table into docs/node.md'
    )
