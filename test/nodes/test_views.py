"""The views of RViz and Foxglove show topics that the node has, of the types that it sends."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
import yaml

from support.paths import ROOT

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from nav_msgs.msg import Path as PathMessage
from sensor_msgs.msg import Image, LaserScan, PointCloud2
from visualization_msgs.msg import MarkerArray

from support.launched_segmenter import FRONT, PeerNode, launched
from support.live_segmenter import KINDS

CONFIG = ROOT / 'config'
DISPLAYS = {
    'Image': Image,
    'Map': OccupancyGrid,
    'LaserScan': LaserScan,
    'Path': PathMessage,
    'MarkerArray': MarkerArray,
    'PointCloud2': PointCloud2,
}
"""What RViz's own displays subscribe to, by the names of their classes."""
SHOWN = {
    'overlay',
    'mask',
    'confidence',
    'free_space/grid',
    'free_space/scan',
    'free_space/boundary',
    'ground_points',
    'path',
    'markers',
}
"""Outputs that a person looks at."""
TOPICS = {f'/segmenter/{name}': kind for name, kind in KINDS.items()} | {
    '/diagnostics': DiagnosticArray
}
RVIZ = yaml.safe_load((CONFIG / 'segmenter.rviz').read_text())['Visualization Manager']
FOXGLOVE = json.loads((CONFIG / 'segmenter.foxglove.json').read_text())
PANELS = FOXGLOVE['configById']


def displays():
    """Return class, topic and QoS of RViz's displays that have a topic."""
    return [
        (display['Class'].split('/')[1], display['Topic']['Value'], display['Topic'])
        for display in RVIZ['Displays']
        if 'Topic' in display
    ]


def test_rviz_shows_what_there_is_to_see():
    shown = {topic.removeprefix('/segmenter/') for _, topic, _ in displays()}
    assert shown == SHOWN | {'/camera/image_raw'}
    assert 'rviz_default_plugins/TF' in [display['Class'] for display in RVIZ['Displays']]
    assert RVIZ['Global Options']['Fixed Frame'] == 'base_link'


@pytest.mark.parametrize('display, topic, qos', displays(), ids=lambda value: str(value)[:40])
def test_displays_of_rviz_fit_their_topics(display, topic, qos):
    kind = Image if topic == '/camera/image_raw' else TOPICS[topic]
    assert DISPLAYS[display] is kind
    # The node's publishers are reliable and volatile, the camera's best effort as a rule.
    assert qos['Durability Policy'] == 'Volatile'
    assert topic.startswith('/segmenter') or qos['Reliability Policy'] == 'Best Effort'


def images_of_foxglove():
    return [panel['imageMode'] for name, panel in PANELS.items() if name.startswith('Image!')]


def test_foxglove_shows_what_there_is_to_see():
    images = {mode['imageTopic'] for mode in images_of_foxglove()}
    shown = images | set(PANELS['3D!road']['topics'])
    assert {topic.removeprefix('/segmenter/') for topic in shown} == SHOWN
    assert PANELS['3D!road']['followTf'] == 'base_link'
    for mode in images_of_foxglove():
        assert TOPICS[mode['imageTopic']] is Image
        assert mode.get('calibrationTopic', '/segmenter/mask/camera_info') in TOPICS
    assert PANELS['DiagnosticSummary!node']['topicToRender'] in TOPICS


def message_paths():
    """Return every path to a field of a message that a panel of Foxglove follows."""
    plotted = [
        path['value']
        for name, panel in PANELS.items()
        if name.startswith('Plot!')
        for path in panel['paths']
    ]
    return [*plotted, PANELS['Indicator!valid']['path']]


@pytest.mark.parametrize('path', message_paths())
def test_fields_that_foxglove_plots_are_there(path):
    topic, _, field = path.partition('.')
    fields = TOPICS[topic].get_fields_and_field_types()
    assert fields[field] in ('double', 'float', 'boolean'), path


def test_every_panel_of_foxglove_has_its_place():
    def leaves(node):
        if isinstance(node, str):
            return [node]
        assert node['direction'] in ('row', 'column') and 0 < node['splitPercentage'] < 100
        return leaves(node['first']) + leaves(node['second'])

    placed = leaves(FOXGLOVE['layout'])
    assert sorted(placed) == sorted(PANELS)


@pytest.fixture
def asker(own_domain):
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    made = PeerNode('asker', context)
    yield made
    made.close()
    rclpy.try_shutdown(context=context)


def test_rviz_that_is_not_installed_is_named_and_the_segmenter_runs(
    tmp_path, tiny_file, asker, monkeypatch
):
    monkeypatch.setenv(
        'AMENT_PREFIX_PATH',
        os.pathsep.join(
            prefix
            for prefix in os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
            if not (Path(prefix) / 'share' / 'rviz2').is_dir()
        ),
    )
    with launched(tmp_path, f'model:={tiny_file}', 'rviz:=true', *FRONT) as (process, log):
        asker.wait(lambda: asker.count_publishers('/front/segmenter/mask'), 'the segmenter')
        assert process.poll() is None
    assert re.search('RViz is not installed: install ros-.*-rviz2', log.read_text())


def test_rviz_looks_at_the_topics_of_its_launch(tmp_path, tiny_file, asker, monkeypatch):
    # No RViz is to be had here: what a program of its name is started with is what counts.
    program = tmp_path / 'lib' / 'rviz2' / 'rviz2'
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/partial\n'
        f'mv {tmp_path}/partial {tmp_path}/arguments\nexec sleep 60\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'rviz2').touch()
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path}:{os.environ["AMENT_PREFIX_PATH"]}')
    with launched(tmp_path, f'model:={tiny_file}', 'rviz:=true', *FRONT):
        asker.wait((tmp_path / 'arguments').exists, 'RViz')
    arguments = (tmp_path / 'arguments').read_text().splitlines()
    assert Path(arguments[arguments.index('-d') + 1]).name == 'segmenter.rviz'
    renamed = dict(
        argument.split(':=')
        for argument in arguments
        if ':=' in argument and argument.startswith('/')
    )
    assert renamed.pop('/camera/image_raw') == '/front/image_raw'
    assert renamed == {f'/segmenter/{name}': f'/front/segmenter/{name}' for name in SHOWN}
