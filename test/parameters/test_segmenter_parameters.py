"""The one definition of the segmenter's parameters: checks, derived values, the example file."""

import math

import numpy as np
import pytest

from asap_ros.parameters import parameter_file
from asap_ros.parameters.definition import ParameterError
from asap_ros.parameters.segmenter_parameters import DEFINITIONS, SegmenterParameters, unknown
from asap_ros.road.geometry import ReferenceCurve
from asap_ros.road.options import RoadOptions
from asap_ros.segmentation.engine_selection import EngineOptions
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from support.paths import ROOT


def test_the_example_file_holds_every_parameter_with_its_default():
    file = parameter_file.read(ROOT / 'config' / 'segmenter.param.yaml')
    values = file.values('/front/segmenter')
    # A list that nobody set has no value that a file could state.
    stated = {one.name: one.default for one in DEFINITIONS if one.default != ()}
    assert list(values) == list(stated) and not unknown(values)
    for name, default in stated.items():
        assert values[name] == default and type(values[name]) is type(default), name


def test_every_default_is_one_that_may_be_given():
    values = {one.name: one.default for one in DEFINITIONS}
    assert SegmenterParameters.from_values(values) == SegmenterParameters()
    assert SegmenterParameters.from_values({}) == SegmenterParameters()


@pytest.mark.parametrize(
    'name, value, reason',
    [
        (
            'max_age',
            1,
            "Trying to set parameter 'max_age' to '1' of type 'INTEGER', expecting type "
            "'DOUBLE': write 1.0",
        ),
        ('threads', 1.0, "of type 'DOUBLE', expecting type 'INTEGER'"),
        ('threads', True, "of type 'BOOL', expecting type 'INTEGER'"),
        ('compressed', 1, "of type 'INTEGER', expecting type 'BOOL'"),
        ('model', 5, "expecting type 'STRING': put it between quotes"),
        ('hood_polygon', [0, 1], "'INTEGER_ARRAY', expecting type 'DOUBLE_ARRAY': write every"),
        ('model', None, "of type 'NOT_SET'"),
        ('max_age', 60.1, 'max_age: 60.1 is out of range, 0.0 to 60.0'),
        ('max_age', math.nan, 'max_age: nan is out of range'),
        ('network_height', 500, 'network_height: 500 is not a multiple of 32'),
        ('camera.height', -1.0, 'camera.height: -1.0 is out of range'),
        ('engine', 'abacus', "engine: 'abacus' is not one of auto, tensorrt"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(name, value, reason):
    with pytest.raises(ParameterError) as error:
        SegmenterParameters.from_values({name: value})
    assert reason in str(error.value)


def test_names_that_are_none_are_told():
    assert unknown({'network_hight': 64, 'wheels': 4, 'threads': 1}) == [
        'the segmenter has no parameter network_hight; is network_height meant?',
        'the segmenter has no parameter wheels',
    ]
    assert not unknown(
        {'use_sim_time': True, 'qos_overrides./image.subscription.reliability': 'reliable'}
    )


def test_values_for_the_road():
    assert SegmenterParameters().road_options() == RoadOptions()
    given = SegmenterParameters.from_values(
        {'hood_polygon': [0.0, 1.0, 0.5, 0.8, 1.0, 1.0], 'reference': 'ego_parallel'}
    )
    options = given.road_options()
    assert options.hood_polygon == ((0.0, 1.0), (0.5, 0.8), (1.0, 1.0))
    assert options.reference == ReferenceCurve.EGO_PARALLEL
    with pytest.raises(ValueError, match='even count'):
        SegmenterParameters.from_values({'hood_polygon': [0.0, 1.0, 0.5]}).road_options()


def test_the_pose_of_the_camera_is_that_of_the_parameters_or_of_tf():
    assert SegmenterParameters().camera.pose() is None
    given = {'camera.pose_from': 'parameters', 'camera.height': 1.5, 'camera.x': 2.0}
    pose = SegmenterParameters.from_values(given).camera.pose()
    assert np.allclose(pose.translation, [2.0, 0.0, 1.5])
    with pytest.raises(ValueError, match='set the camera height'):
        SegmenterParameters.from_values({'camera.pose_from': 'parameters'}).camera.pose()


def test_what_is_wanted_of_the_engine():
    given = {'engine': 'tensorrt', 'network_height': 64, 'network_width': 128, 'threads': 2}
    parameters = SegmenterParameters.from_values(given)
    assert parameters.network_size == (64, 128)
    assert parameters.engine_options() == EngineOptions(
        'tensorrt',
        threads=2,
        plan=PlanOptions('fp16', (64, 128)),
        allow_fallback=True,
        build=True,
    )
