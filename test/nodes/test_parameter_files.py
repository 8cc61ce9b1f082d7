"""A parameter file means the same to the live node and to the reader, or both refuse it."""

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from asap_ros import resources
from asap_ros.nodes import parameters
from asap_ros.parameters import parameter_file
from asap_ros.parameters.loading import load

NAMESPACES = ('', '/front', '/front/left')
KEYS = (
    'segmenter',
    '/segmenter',
    '/**',
    '"**"',
    '/*',
    '/front/segmenter',
    'front/segmenter',
    '/front/left/segmenter',
    '/**/segmenter',
    '/*/segmenter',
    '/front/**',
    '/front/*',
    '/front/**/segmenter',
    '/*/left/segmenter',
    '/**/**/segmenter',
    'another',
    '/front/segmenter_two',
)
NO_KEYS = ('/segmenter/', '//segmenter', '1st', 'seg-menter', 'segm*', '/***', '"/"', '""')
SECTIONS = (
    # the later one counts, however closely either names the node
    '/**: {P: {threads: 1, max_age: 1.0}}\nsegmenter: {P: {threads: 2}}',
    'segmenter: {P: {threads: 2}}\n/**: {P: {threads: 1, max_age: 1.0}}',
    '/segmenter: {P: {threads: 2}}\nsegmenter: {P: {threads: 3}}',
    'segmenter: {P: {threads: 2}}\n/segmenter: {P: {threads: 3}}\nsegmenter: {P: {threads: 4}}',
    '/**: {P: {threads: 1}}\nanother: {P: {threads: 2, speed: 3}}',
    # nested namespaces
    'front: {segmenter: {P: {threads: 1}}, another: {P: {a: 1}}}\nsegmenter: {P: {threads: 3}}',
    '/front: {left: {segmenter: {P: {threads: 1}}}, segmenter: {P: {threads: 2}}}',
    '/**: {segmenter: {P: {threads: 1}}}',
    '/: {segmenter: {P: {threads: 1}}}',
    'front/: {segmenter: {P: {threads: 1}}}',
    'segmenter: {left: {P: {threads: 2}}, P: {threads: 1}}',
    'segmenter: {P: {threads: 1}}\n---\nsegmenter: {P: {threads: 2, max_age: 1.0}}',
    # nothing
    '',
    '# nothing',
    '{}',
    'segmenter: {}',
    'segmenter: {P: {}}',
    # names of parameters
    'segmenter: {P: {camera: {pose_from: parameters, height: 1.4}, camera.pitch: 0.1}}',
    'segmenter: {P: {camera: {height: 1.4}, camera.height: 1.5}}',
    'segmenter: {P: {camera.height: 1.5, camera: {height: 1.4}}}',
    'segmenter: {P: {camera: {height: 1.4}, camera: {height: 1.5}, camera.height: 1.6}}',
    'segmenter: {P: {network_hight: 64, camera: {heigth: 1.4}, use_sim_time: true}}',
    # the same name again: rcl keeps one value of each type
    'segmenter: {P: {max_age: 1.0, max_age: 2.0}}',
    'segmenter: {P: {max_age: x, max_age: 2.0}}',
    'segmenter: {P: {max_age: 2.0, max_age: 1}}',
    'segmenter: {P: {threads: 3, threads: x}}',
    'segmenter: {P: {hood_polygon: [0.0, 1.0], hood_polygon: [1, 2]}}',
    # no parameter files
    '[1, 2]',
    'segmenter: 3',
    'segmenter:',
    'segmenter: [1]',
    'segmenter: {P: }',
    'segmenter: {P: 5}',
    'segmenter: {P: [1]}',
    'segmenter: {threads: 1}',
    'P: {threads: 1}',
    'segmenter: {P: {threads: 1}, left: {P: {threads: 2}}}',
    'segmenter: {P: {threads: 1}, P: {threads: 2}}',
    'other: &one {P: {threads: 1}}\nsegmenter: *one',
    'segmenter: {P: {threads: 1}',
    'segmenter:\n\tP:\n',
    'segmenter: {P: {? [1] : 2}}',
    'segmenter: {P: {"": 2}}',
    'segmenter: {P: {camera: {}, threads: 1}}',
    'another: {P: {a: [1, 2.0]}}\nsegmenter: {P: {threads: 1}}',
    '/front: {/segmenter: {P: {threads: 1}}}',
)
VALUES = {
    'threads': '1 1.0 +2 -1 0x10 010 08 0o10 1_000 1e1 "1" true 256 257 99999999999999999999 one',
    'network_height': '64 65 32 31 4096 4128 64.0',
    'max_age': '1.0 1 1e-3 1. .5 0.0 -0.0 60.0 60.00000001 60.1 -0.1 0x1p3 08 1e400 1e-400 '
    '.inf -.inf .nan nan inf NaN .Inf .iNf "1.0" true [1.0] [] x',
    'compressed': 'true True TRUE tRue on On yes YES y Y n no off OFF False 1 0 "on" maybe',
    'model': 'a on 1 1.0 "1" \'on\' "" ~ null !!str&1 !!str&on !!int&"1" 2020-01-01 1&2 1e400 []',
    'base_frame': 'car "true" yes 0x',
    'engine': 'auto onnxruntime cuda "auto" AUTO',
    'reference': 'ego_parallel road EGO_PARALLEL',
    'hood_polygon': '[0.1,1.0,0.5,0.5,0.9,1.0] [0,1] [0.1,1] [0.1,"1.0"] [] [a,b] [true,1] 0.1 hood',
    'use_sim_time': 'true',
}


def live(path, namespace):
    """Return what the node makes of a file, or its refusal."""
    context, node = Context(), None
    try:
        rclpy.init(args=['--ros-args', '--params-file', str(path)], context=context)
        node = Node('segmenter', namespace=namespace, context=context, enable_rosout=False)
        parameters.declare(node)
        return parameters.read(node)
    except (RuntimeError, ParameterException, ValueError) as error:
        return error
    finally:
        if node is not None:
            node.destroy_node()
        context.try_shutdown()


def read(path, namespace):
    """Return what the reader makes of a file, or its refusal."""
    try:
        return load(path, f'{namespace}/segmenter').parameters
    except ValueError as error:
        return error


def same(path, namespace=''):
    node, reader = live(path, namespace), read(path, namespace)
    if isinstance(node, Exception) or isinstance(reader, Exception):
        assert isinstance(node, Exception) and isinstance(reader, Exception), (node, reader)
        assert str(path) in str(reader), reader
        return None
    assert node == reader
    return node


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / 'mine.yaml'
        path.write_text(text.replace('P:', 'ros__parameters:'))
        return path

    return write


@pytest.mark.parametrize('key', [*KEYS, *NO_KEYS])
def test_sections_are_for_the_same_nodes(file, key):
    path = file(f'{key}: {{P: {{threads: 7}}}}')
    found = [same(path, namespace) for namespace in NAMESPACES]
    assert (key in NO_KEYS) == (None in found)


@pytest.mark.parametrize('text', SECTIONS)
def test_sections_and_names_mean_the_same(file, text):
    for namespace in NAMESPACES:
        same(file(text), namespace)


@pytest.mark.parametrize(
    'name, text', [(name, text) for name, texts in VALUES.items() for text in texts.split()]
)
def test_values_have_the_same_type_and_are_taken_or_refused_alike(file, name, text):
    text = text.replace('&', ' ')
    same(file(f'segmenter:\n  P:\n    {name}: {text}\n'))


@pytest.mark.parametrize('text', ['|\n      1', '>-\n      1.0', "'it''s'", '"a\\tb"', 'ä'])
def test_texts_of_every_style_are_the_same(file, text):
    for name in ('model', 'max_age'):
        same(file(f'segmenter:\n  P:\n    {name}: {text}\n'))


def test_what_is_written_comes_back_in_the_node(tmp_path):
    values = {
        'model': '1e3',
        'base_frame': 'y',
        'engine_cache': 'on',
        'threads': 3,
        'max_age': 1e-5,
        'compressed': True,
        'hood_polygon': [0.0, 1.0, 0.5, 0.5, 1.0, 1.0],
        'camera.height': 2.0,
    }
    path = tmp_path / 'mine.yaml'
    path.write_text(parameter_file.dump('/front/segmenter', values))
    assert parameter_file.read(path).values('/front/segmenter') == values
    found = same(path, '/front')
    assert (found.model, found.base_frame, found.max_age) == ('1e3', 'y', 1e-5)


def test_the_example_is_taken_by_both():
    assert same(resources.find('config/segmenter.param.yaml')) is not None
