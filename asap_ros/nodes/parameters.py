"""The segmenter's parameters on a node: declared, read, checked when they are set."""

from __future__ import annotations

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node
from rclpy.parameter import Parameter

from asap_ros.parameters.definition import Definition, ParameterError
from asap_ros.parameters.segmenter_parameters import DEFINITIONS, SegmenterParameters, unknown


def declare(node: Node) -> None:
    """Declare the parameters on a node; values come from its overrides or are the defaults."""
    for one in DEFINITIONS:
        default = Parameter.Type.DOUBLE_ARRAY if one.default == () else one.default
        node.declare_parameter(one.name, default, descriptor(one))
    node.add_on_set_parameters_callback(check)
    # The overrides are kept by rclpy alone; without a word, a misspelt name runs on a default.
    given = {
        name: override.value
        for name, override in node._parameter_overrides.items()
        if not node.has_parameter(name)
    }
    for sentence in unknown(given):
        node.get_logger().warning(sentence)


def descriptor(one: Definition) -> ParameterDescriptor:
    """Return what ``ros2 param describe`` shows of a parameter."""
    unit = f' Unit: {one.unit}.' if one.unit else ''
    described = ParameterDescriptor(
        name=one.name, description=f'{one.description}{unit}', read_only=not one.may_change
    )
    if one.choices:
        described.additional_constraints = f'one of: {", ".join(one.choices)}'
    if one.range and one.type is float:
        low, high = one.range
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif one.range:
        low, high = (int(value) for value in one.range)
        described.integer_range = [IntegerRange(from_value=low, to_value=high, step=one.step)]
    return described


def read(node: Node) -> SegmenterParameters:
    """Return the parameters as they are now; ParameterError where one is not among its choices."""
    return SegmenterParameters.from_values({one.name: _value(node, one) for one in DEFINITIONS})


def _value(node: Node, one: Definition) -> object:
    try:
        value = node.get_parameter(one.name).value
    except ParameterUninitializedException:  # a list that nobody set
        return None
    return tuple(value) if one.default == () else value


def check(parameters: list[Parameter]) -> SetParametersResult:
    """Refuse values that are not among a parameter's choices; the rest is rclpy's to check."""
    known = {one.name: one for one in DEFINITIONS}
    try:
        for parameter in parameters:
            if parameter.name in known:
                known[parameter.name].check_choice(parameter.value)
    except ParameterError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)
