"""What a node takes from a parameter file, and what of the file has no effect."""

import pytest

from asap_ros.parameters.definition import ParameterError
from asap_ros.parameters.loading import LoadedParameters, load
from asap_ros.parameters.segmenter_parameters import SegmenterParameters

BOTH = """
/**:
  ros__parameters: {hood_fraction: 0.1, vehicle_width: 2.2, base_frame: car}
segmenter:
  ros__parameters:
    hood_fraction: 0.2
    camera: {pose_from: parameters, height: 1.5, pitch: 0.05}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / 'mine.yaml'
        path.write_text(text)
        return path

    return write


def test_without_a_file_all_are_the_defaults():
    assert load() == LoadedParameters(SegmenterParameters())


def test_a_file_gives_what_it_states(file):
    found = load(file(BOTH))
    assert not found.warnings
    assert (found.parameters.hood_fraction, found.parameters.vehicle_width) == (0.2, 2.2)
    assert found.parameters.base_frame == 'car'
    assert found.parameters.camera.pose().translation[2] == 1.5
    assert load(file(BOTH), '/front/segmenter').parameters.hood_fraction == 0.1


def test_the_hood_of_the_command_line_comes_first(file):
    assert load(file(BOTH), hood_fraction=0.3).parameters.hood_fraction == 0.3
    with pytest.raises(ParameterError, match='^hood_fraction: 7.0 is out of range'):
        load(hood_fraction=7.0)


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('[1, 2]', 'line 1: the file must be a mapping'),
        ('segmenter: {', 'is not YAML'),
        (
            '/**: {threads: 1}',
            'line 1: /\\*\\*/threads must be a mapping: NODE, below it ros__par',
        ),
        ('\nros__parameters: {threads: 1}', 'line 2: ros__parameters stands below no node'),
        ('/**: {ros__parameters: {threads: }}', 'line 1: threads has no value'),
        ('/**: {ros__parameters: {a: [1, 2.0]}}', 'a: a list has values of one type'),
        ('a: &a {ros__parameters: {}}\nb: *a', 'line 2: ROS does not know aliases'),
        ('1st: {ros__parameters: {}}', "'1st' is no name of a node: such are segmenter"),
        ('/**: {ros__parameters: {hood_fraction: 7}}', "'7' of type 'INTEGER'.*write 7.0"),
        ('/**: {ros__parameters: {hood_fraction: 1.0}}', 'hood_fraction 1.0 is not within'),
        ('/**: {ros__parameters: {camera.pose_from: parameters}}', 'set the camera height'),
    ],
)
def test_what_cannot_be_is_refused_with_file_place_and_remedy(file, text, sentence):
    path = file(text)
    with pytest.raises(ParameterError, match=sentence) as error:
        load(path)
    assert str(error.value).startswith(str(path))


def test_what_has_no_effect_is_told(file):
    path = file(
        'camera_segmenter: {ros__parameters: {threads: 1}}\n'
        'segmenter: {ros__parameters: {network_hight: 64, use_sim_time: true}}\n'
    )
    assert load(path).warnings == (
        f'{path}: the section camera_segmenter is not for the node /segmenter; '
        '/**: is for every node',
        f'{path}: the segmenter has no parameter network_hight; is network_height meant?',
    )
