"""Definition of one ROS parameter, and dataclasses whose fields are such definitions."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = bool | int | float | str | tuple[float, ...]
"""A value of a parameter; () stands for a list that nobody set."""

REAL_ARRAY = tuple[float, ...]
ROS_TYPES: Mapping[Any, str] = {
    bool: 'BOOL',
    int: 'INTEGER',
    float: 'DOUBLE',
    str: 'STRING',
    REAL_ARRAY: 'DOUBLE_ARRAY',
}
"""Names of rclpy.parameter.Parameter.Type by the Python type of a field."""

EDGE_TOLERANCE = 1e-6
"""Relative distance at which rclpy takes a double for an end of its range."""


class ParameterError(ValueError):
    """A value that a parameter cannot have; the message names it and says what it may be."""


@dataclass(frozen=True)
class Definition:
    """One parameter.

    ``name`` in ROS; ``type`` a key of ROS_TYPES; ``range`` inclusive, () for none; ``step`` of
    an integer from the range's begin; ``choices`` () for any; ``unit`` empty where there is
    none; ``may_change`` while the node runs.
    """

    name: str
    type: Any
    default: Value
    description: str
    unit: str = ''
    range: tuple[float, float] | tuple[()] = ()
    step: int = 1
    choices: tuple[str, ...] = ()
    may_change: bool = False

    @property
    def ros_type(self) -> str:
        """Return the name of the type in rclpy, such as ``DOUBLE_ARRAY``."""
        return ROS_TYPES[self.type]

    def checked(self, value: object) -> Value:
        """Return a value, a list as a tuple; ParameterError where rclpy would refuse it.

        Types are as strict as rclpy's: 1 is no double and no bool.
        """
        if self.type == REAL_ARRAY and value in (None, [], ()):
            return ()
        given = ros_type(value)
        if given != self.ros_type:
            shown = list(value) if isinstance(value, tuple) else value
            raise ParameterError(
                f"Trying to set parameter '{self.name}' to '{shown}' of type '{given}', "
                f"expecting type '{self.ros_type}'{self._remedy(value)}"
            )
        if isinstance(value, (list, tuple)):
            return tuple(value)
        self._check_range(value)
        self.check_choice(value)
        return typing.cast(Value, value)

    def check_choice(self, value: object) -> None:
        """Raise ParameterError for a value that is not among the choices, if there are any."""
        if self.choices and value not in self.choices:
            raise ParameterError(f'{self.name}: {value!r} is not one of {", ".join(self.choices)}')

    def _check_range(self, value: Any) -> None:
        if not self.range:
            return
        low, high = self.range
        if self.type is float and any(
            math.isclose(value, edge, rel_tol=EDGE_TOLERANCE) for edge in (low, high)
        ):
            return
        if not low <= value <= high:
            raise ParameterError(f'{self.name}: {value} is out of range, {low} to {high}')
        if self.type is int and (value - low) % self.step and value != high:
            raise ParameterError(f'{self.name}: {value} is not a multiple of {self.step}')

    def _remedy(self, value: object) -> str:
        """Return what to write instead, where that is plain."""
        if self.type is float and ros_type(value) == 'INTEGER':
            return f': write {value}.0'
        if self.type == REAL_ARRAY and ros_type(value) == 'INTEGER_ARRAY':
            return ': write every number with a decimal point'
        if self.type is str:
            return ': put it between quotes'
        return ''


def ros_type(value: object) -> str:
    """Return the name of a value's type in rclpy: ``NOT_SET`` for None and for an empty list."""
    if isinstance(value, (list, tuple)):
        return f'{ros_type(value[0])}_ARRAY' if value else 'NOT_SET'
    return ROS_TYPES.get(type(value), 'NOT_SET')


def parameter(
    default: Value,
    description: str,
    *,
    unit: str = '',
    range: tuple[float, float] | tuple[()] = (),
    step: int = 1,
    choices: tuple[str, ...] = (),
    may_change: bool = False,
) -> Any:
    """Return a dataclass field that is a parameter; see ``Definition``."""
    facts = {
        'description': description,
        'unit': unit,
        'range': range,
        'step': step,
        'choices': choices,
        'may_change': may_change,
    }
    return dataclasses.field(default=default, metadata={'parameter': facts})


@functools.cache
def definitions(cls: type) -> tuple[Definition, ...]:
    """Return the parameters of a dataclass in order.

    Those of a field that is itself a dataclass are named ``FIELD.NAME``.
    """
    found: list[Definition] = []
    for field in dataclasses.fields(cls):
        kind = _types(cls)[field.name]
        if dataclasses.is_dataclass(kind):
            found += [
                dataclasses.replace(inner, name=f'{field.name}.{inner.name}')
                for inner in definitions(typing.cast(type, kind))
            ]
        else:
            facts = field.metadata['parameter']
            default = typing.cast(Value, field.default)
            found.append(Definition(field.name, kind, default, **facts))
    return tuple(found)


def build(cls: type, values: Mapping[str, Value], prefix: str = '') -> Any:
    """Return a dataclass of parameters from all of its values by ROS name.

    ``prefix``: what its fields' names begin with there.
    """
    types = _types(cls)
    return cls(
        **{
            field.name: (
                build(types[field.name], values, f'{prefix}{field.name}.')
                if dataclasses.is_dataclass(types[field.name])
                else values[f'{prefix}{field.name}']
            )
            for field in dataclasses.fields(cls)
        }
    )


@functools.cache
def _types(cls: type) -> Mapping[str, Any]:
    """Return the types of a class's fields."""
    return typing.get_type_hints(cls)
