from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from asap_ros.nodes import parameters
from asap_ros.parameters.segmenter_parameters import DEFINITIONS, SegmenterParameters

DEFAULTS = SegmenterParameters()
CHANGEABLE = [entry for entry in DEFINITIONS if entry.may_change]
FIXED = [entry for entry in DEFINITIONS if not entry.may_change]
BAD_CHOICES = [
    (entry.name, f'{entry.name}: .none of them. is not one of {entry.choices[0]}')
    for entry in DEFINITIONS
    if entry.choices
]


@pytest.fixture
def declared(ros):
    """Make nodes with the table's parameters declared, overridden by name."""
    nodes = []

    def make(**values):
        nodes.append(
            Node(
                'of_parameters',
                parameter_overrides=[
                    Parameter(name, value=value) for name, value in values.items()
                ],
            )
        )
        parameters.declare(nodes[-1])
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def put(node, name, value):
    (result,) = node.set_parameters([Parameter(name, value=value)])
    return result


def other(entry):
    """Return another value that the entry allows."""
    if entry.choices:
        return entry.choices[1]
    if isinstance(entry.default, bool):
        return not entry.default
    if isinstance(entry.default, str):
        return 'another'
    if entry.default == ():
        return [0.0, 1.0, 0.5, 0.8, 1.0, 1.0]
    return type(entry.default)(entry.range[0] + entry.step)


def test_every_entry_is_described():
    for entry in DEFINITIONS:
        descriptor = parameters.descriptor(entry)
        assert descriptor.name == entry.name and len(descriptor.description) > 20
        assert descriptor.read_only is not entry.may_change
        assert all(choice in descriptor.additional_constraints for choice in entry.choices or ())
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [entry.range] if entry.range else []
        )
        assert not (
            isinstance(entry.default, (int, float))
            and not ranges
            and not isinstance(entry.default, bool)
        ), 'a number without a range'


def test_defaults_are_read(declared):
    assert parameters.read(declared()) == DEFAULTS


def test_overrides_are_read(declared):
    node = declared(model='mine.onnx', network_height=256, max_age=0.0)
    assert parameters.read(node) == replace(
        DEFAULTS, model='mine.onnx', network_height=256, max_age=0.0
    )


def test_a_list_is_read(declared):
    corners = [0.0, 1.0, 0.5, 0.8, 1.0, 1.0]
    assert parameters.read(declared(hood_polygon=corners)).hood_polygon == tuple(corners)


@pytest.mark.parametrize('entry', FIXED, ids=lambda entry: entry.name)
def test_fixed_ones_refuse_and_say_so(declared, entry):
    node = declared()
    result = put(node, entry.name, other(entry))
    assert not result.successful and 'read-only' in result.reason
    assert parameters.read(node) == DEFAULTS


@pytest.mark.parametrize('entry', CHANGEABLE, ids=lambda entry: entry.name)
def test_changing_ones_obey(declared, entry):
    node = declared()
    result = put(node, entry.name, other(entry))
    assert result.successful, result.reason
    assert parameters.read(node) == replace(DEFAULTS, **{entry.name: other(entry)})


@pytest.mark.parametrize('entry', [e for e in CHANGEABLE if e.range], ids=lambda e: e.name)
def test_ranges_are_kept_while_running(declared, entry):
    node = declared()
    low, high = entry.range
    for value in (low, high):
        assert put(node, entry.name, value).successful
    for value in (low - 0.5, high + 0.5, float('nan'), float('inf')):
        result = put(node, entry.name, value)
        assert not result.successful
        assert entry.name in result.reason and 'out of range' in result.reason
    assert getattr(parameters.read(node), entry.name) == high


@pytest.mark.parametrize(
    'name, value',
    [
        ('network_height', 500),
        ('network_height', 0),
        ('network_width', 4128),
        ('threads', -1),
        ('max_age', -1.0),
        ('min_confidence', 1.5),
        ('silence', 0.0),
        ('threads', 'four'),
        ('compressed', 1),
        ('max_age', 1),
        ('hood_polygon', [0, 1, 1]),
        ('hood_polygon', 'hood'),
    ],
)
def test_values_that_cannot_be_are_refused_at_the_start(declared, name, value):
    with pytest.raises(ParameterException, match=name):
        declared(**{name: value})


@pytest.mark.parametrize('name, reason', BAD_CHOICES)
def test_choices_are_kept(declared, name, reason):
    with pytest.raises(ValueError, match=reason):
        parameters.read(declared(**{name: 'none of them'}))


@pytest.mark.parametrize(
    'name, reason',
    [(name, reason) for name, reason in BAD_CHOICES if name in {e.name for e in CHANGEABLE}],
)
def test_choices_are_kept_while_running(declared, name, reason):
    node = declared()
    result = put(node, name, 'none of them')
    assert not result.successful and re.match(reason, result.reason)
    assert parameters.read(node) == DEFAULTS


def test_a_value_of_another_type_is_refused_while_running(declared):
    node = declared()
    assert not put(node, 'max_age', 'soon').successful
    assert parameters.read(node) == DEFAULTS
