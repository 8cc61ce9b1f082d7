"""ROS 2 parameter files, read by the rules of rcl_yaml_param_parser and rclpy.

Sections come in the order in which their names first stand in the file, and a later one comes
before an earlier one, however closely either names the node. Stricter than rcl, which makes
something arbitrary of them: an empty or a nested list of values, and a mapping within a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asap_ros.parameters.definition import ParameterError
from asap_ros.parameters.yaml_scalars import Scalar, parse

PARAMETERS_KEY = 'ros__parameters'
PART = re.compile(r'[A-Za-z_]\w*|\*\*?', re.ASCII)
"""A part of a section's name: of a namespace or a node, or a wildcard."""
PRECEDENCE = (bool, int, float, str)
"""Which of the types counts where one section has a parameter several times: rcl keeps them all,
and rclpy takes the first of these, single values before lists."""
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
"""libyaml, which rcl uses too, where PyYAML was built with it."""

RosValue = Scalar | list[Scalar] | None
"""A value in a file; None is an empty list, which rclpy takes for not set."""


class ParameterFileError(ParameterError):
    """A file that is no parameter file; the message says where and what to do."""


@dataclass(frozen=True)
class Section:
    """What one name of nodes is given: ``name`` as joined by rcl, values by parameter's name."""

    name: str
    values: Mapping[str, RosValue]

    def applies_to(self, node: str) -> bool:
        """Return whether the name stands for a node, given as ``/NAMESPACE/NAME``."""
        name = self.name if self.name.startswith('/') else f'/{self.name}'
        pattern = name.replace('/*', r'(/\w+)')  # and so /** becomes (/\w+)*
        return re.fullmatch(pattern, node, re.ASCII) is not None


@dataclass(frozen=True)
class ParameterFile:
    """The sections of a file, by rising precedence."""

    path: Path
    sections: tuple[Section, ...]

    def values(self, node: str) -> dict[str, RosValue]:
        """Return what the file gives to a node, named ``/NAMESPACE/NAME``."""
        found: dict[str, RosValue] = {}
        for section in self.sections:
            if section.applies_to(node):
                found |= section.values
        return found

    def warnings(self, node: str) -> list[str]:
        """Return a sentence for each section that is not for a node."""
        return [
            f'{self.path}: the section {section.name} is not for the node {node}; /**: is for every '
            'node'
            for section in self.sections
            if not section.applies_to(node)
        ]


def read(path: Path) -> ParameterFile:
    """Read a parameter file. Raises OSError, or ParameterFileError where rcl would refuse it."""
    try:
        reader = _Reader(path)
        for document in _documents(path):
            reader.read_names(document, '')
    except yaml.YAMLError as error:
        raise ParameterFileError(f'{path} is not YAML: {error}') from error
    return ParameterFile(path, reader.sections())


def dump(node: str, values: Mapping[str, RosValue]) -> str:
    """Return a parameter file that gives a node these values, of these types."""
    given = {name: value for name, value in values.items() if value is not None}
    return yaml.dump({node: {PARAMETERS_KEY: given}}, Dumper=_Dumper, sort_keys=False)


class _Dumper(yaml.SafeDumper):
    """Writes strings with quotes: rcl takes more words for booleans and numbers than YAML."""


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style='"')
)


@dataclass(frozen=True)
class _Node:
    """A part of the document: its first line, and a scalar's event, pairs, or a list's parts."""

    line: int
    content: yaml.ScalarEvent | list[tuple[_Node, _Node]] | tuple[_Node, ...]


def _documents(path: Path) -> Iterator[_Node]:
    """Yield each document of a file."""
    events = yaml.parse(path.read_bytes(), Loader=LOADER)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            yield _compose(path, events, next(events))


def _compose(path: Path, events: Iterator[yaml.Event], event: yaml.Event) -> _Node:
    """Return the part of a document that begins with an event."""
    line = event.start_mark.line + 1 if event.start_mark else 0
    if isinstance(event, yaml.MappingStartEvent):
        pairs = []
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            pairs.append((_compose(path, events, key), _compose(path, events, next(events))))
        return _Node(line, pairs)
    if isinstance(event, yaml.SequenceStartEvent):
        parts = []
        while not isinstance(part := next(events), yaml.SequenceEndEvent):
            parts.append(_compose(path, events, part))
        return _Node(line, tuple(parts))
    if isinstance(event, yaml.AliasEvent):
        raise ParameterFileError(
            f'{path}, line {line}: ROS does not know aliases; write the values out in place of '
            f'*{event.anchor}'
        )
    assert isinstance(event, yaml.ScalarEvent)
    return _Node(line, event)


class _Reader:
    """Collects the sections of a file."""

    def __init__(self, path: Path):
        self._path = path
        self._sections: dict[str, list[tuple[str, dict[Any, RosValue]]]] = {}

    def sections(self) -> tuple[Section, ...]:
        """Return what was read."""
        return tuple(
            Section(name, {key: _first(typed) for key, typed in entries})
            for name, entries in self._sections.items()
        )

    def read_names(self, node: _Node, name: str) -> None:
        """Read a mapping of nodes' names or namespaces, all below a name."""
        pairs = list(self._pairs(node, name))
        for key, value in pairs:
            if key.startswith(PARAMETERS_KEY):
                if value is not pairs[-1][1]:
                    raise self._error(
                        node, f'{name}: nothing may follow {PARAMETERS_KEY} of a node'
                    )
                self._begin_section(node, name)
                for parameter, content in self._pairs(value, f'{name}: {PARAMETERS_KEY}'):
                    self._read_parameter(name, parameter, content)
            else:
                separator = '/' if name and not name.endswith('/') else ''
                self.read_names(value, f'{name}{separator}{key}')

    def _read_parameter(self, section: str, name: str, node: _Node, nested: bool = False) -> None:
        if isinstance(node.content, list):
            if not node.content:
                raise self._error(node, f'{name} is empty: give it a value, or leave it out')
            for key, part in self._pairs(node, name):
                self._read_parameter(section, f'{name}.{key}', part, nested=True)
            return
        entries = self._sections[section]
        # rcl looks only for names that are not nested whether it has them already.
        typed = next((typed for key, typed in entries if key == name and not nested), None)
        if typed is None:
            typed = {}
            entries.append((name, typed))
        kind, value = self._value(name, node)
        typed[kind] = value

    def _value(self, name: str, node: _Node) -> tuple[Any, RosValue]:
        """Return a value and what it counts as beside others of the same name."""
        if isinstance(node.content, yaml.ScalarEvent):
            value = self._scalar(name, node)
            return (False, type(value)), value
        assert isinstance(node.content, tuple)
        values = [self._scalar(name, part) for part in node.content]
        if not values:
            return (True, None), None
        if len({type(value) for value in values}) > 1:
            raise self._error(
                node, f'{name}: a list has values of one type; write numbers all alike: 1.0, not 1'
            )
        return (True, type(values[0])), values

    def _scalar(self, name: str, node: _Node) -> Scalar:
        event = node.content
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(node, f'{name}: a list may hold single values only')
        if not event.value and event.style not in ("'", '"'):
            raise self._error(node, f"{name} has no value: write '' for an empty text")
        return parse(event.value, event.style, event.tag)

    def _pairs(self, node: _Node, name: str) -> Iterator[tuple[str, _Node]]:
        """Yield the keys and values of a mapping."""
        if not isinstance(node.content, list):
            raise self._error(
                node,
                f'{name or "the file"} must be a mapping: '
                f'NODE, below it {PARAMETERS_KEY}, below that the parameters',
            )
        for key, value in node.content:
            if not (isinstance(key.content, yaml.ScalarEvent) and key.content.value):
                raise self._error(key, 'a key must be a name')
            yield key.content.value, value

    def _begin_section(self, node: _Node, name: str) -> None:
        """Begin a section; ParameterFileError where its name can be none of a node."""
        if not name:
            raise self._error(
                node, f'{PARAMETERS_KEY} stands below no node: put segmenter: or /**: above it'
            )
        if not all(PART.fullmatch(part) for part in name.removeprefix('/').split('/')):
            raise self._error(
                node,
                f'{name!r} is no name of a node: such are segmenter, /front/segmenter, /**',
            )
        self._sections.setdefault(name, [])

    def _error(self, node: _Node, what: str) -> ParameterFileError:
        return ParameterFileError(f'{self._path}, line {node.line}: {what}')


def _first(typed: Mapping[Any, RosValue]) -> RosValue:
    """Return of the values of one parameter that which counts."""
    order = [(is_list, kind) for is_list in (False, True) for kind in PRECEDENCE]
    return next((typed[key] for key in order if key in typed), None)
