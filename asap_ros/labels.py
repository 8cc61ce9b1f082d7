"""What the classes of a label mask are: their ids, names, colours and roles on the road."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from asap_ros import resources

IGNORED = 255
"""Class id of a pixel that carries no label, as in vision_msgs/VisionClass."""


class Role(str, Enum):
    """What a class means to a vehicle, whatever the data set calls it."""

    DRIVABLE = 'drivable'
    PAVEMENT = 'pavement'
    STATIC = 'static'
    MOVABLE = 'movable'
    VULNERABLE = 'vulnerable'
    SKY = 'sky'
    IGNORED = 'ignored'


class LabelError(ValueError):
    """A label set that contradicts itself, or two that do not fit each other."""


@dataclass(frozen=True)
class LabelClass:
    """One class: ``id`` as in the mask, ``colour`` as (R, G, B), ``raw_ids`` as in the data set.

    ``raw_ids`` are the values that the data set's own annotation files use for the class.
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    role: Role
    raw_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelSet:
    """The classes 0 to N-1 of a network or a data set; 255 is always *ignored*.

    ``maps_to`` holds, for another set's name, that set's class name for each class here;
    classes left out have no counterpart there and map to 255. ``ignored_raw_ids`` are values of
    the annotation files that mean no class; any other value there is a mistake.
    """

    name: str
    classes: tuple[LabelClass, ...]
    maps_to: dict[str, dict[str, str]] = field(default_factory=dict, hash=False)
    ignored_raw_ids: tuple[int, ...] = (IGNORED,)

    def __post_init__(self) -> None:
        """Raise LabelError where ids, names or raw ids are not unique or not in range."""
        if not 1 <= len(self.classes) < IGNORED:
            raise LabelError(f'label set {self.name}: 1 to {IGNORED - 1} classes are possible')
        if [c.id for c in self.classes] != list(range(len(self.classes))):
            raise LabelError(f'label set {self.name}: ids must count 0, 1, 2, … in order')
        if len(set(self.names)) != len(self.classes):
            raise LabelError(f'label set {self.name}: two classes share a name')
        raw = [value for c in self.classes for value in c.raw_ids] + [*self.ignored_raw_ids]
        if len(set(raw)) != len(raw) or not all(0 <= value <= 255 for value in raw):
            raise LabelError(
                f'label set {self.name}: raw_ids must be unique and 0 to 255, those of '
                f'ignored_raw_ids (255 unless stated) included'
            )
        for other, pairs in self.maps_to.items():
            unknown = set(pairs) - set(self.names)
            if unknown:
                raise LabelError(
                    f'label set {self.name}: maps_to {other} names {sorted(unknown)}, '
                    'which are not classes of this set'
                )

    def __len__(self) -> int:
        """Return the number of classes, the ignored one not counted."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the class names in the order of their ids."""
        return tuple(c.name for c in self.classes)

    def id_of(self, name: str) -> int:
        """Return the id of the class called ``name``; LabelError names the known ones."""
        if name not in self.names:
            raise LabelError(
                f'label set {self.name} has no class {name!r}; it has {", ".join(self.names)}'
            )
        return self.names.index(name)

    def is_role(self, *roles: Role) -> np.ndarray:
        """Return a lookup table, bool (256,): ``table[mask]`` is true where the role is one."""
        table = np.zeros(256, bool)
        for c in self.classes:
            table[c.id] = c.role in roles
        table[len(self) :] = Role.IGNORED in roles
        return table

    def role_of(self, class_id: int) -> Role:
        """Return the role of a class id; every id that is no class is ignored."""
        return self.classes[class_id].role if 0 <= class_id < len(self) else Role.IGNORED

    @cached_property
    def colours(self) -> np.ndarray:
        """The palette, uint8 (256, 3) RGB; ids that are no class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = [c.colour for c in self.classes]
        return table

    @cached_property
    def from_raw(self) -> np.ndarray:
        """The table from the data set's annotation values to ids, uint8 (256,), else 255."""
        table = np.full(256, IGNORED, np.uint8)
        for c in self.classes:
            table[list(c.raw_ids)] = c.id
        return table

    @cached_property
    def known_raw(self) -> np.ndarray:
        """Whether the data set's annotation files may hold a value, bool (256,)."""
        table = self.from_raw != IGNORED
        table[list(self.ignored_raw_ids)] = True
        return table

    @cached_property
    def to_raw(self) -> np.ndarray:
        """The table from ids to the first raw id of each class, uint8 (256,), else 0."""
        table = np.zeros(256, np.uint8)
        for c in self.classes:
            table[c.id] = c.raw_ids[0] if c.raw_ids else c.id
        return table

    def mapping_to(self, other: LabelSet) -> np.ndarray:
        """Return the table that turns a mask of this set into one of ``other``, uint8 (256,).

        Classes without a counterpart become 255. LabelError where no mapping is stated.
        """
        table = np.full(256, IGNORED, np.uint8)
        if other.names == self.names:
            table[: len(self)] = np.arange(len(self))
            return table
        if other.name not in self.maps_to:
            raise LabelError(
                f'no mapping from label set {self.name} to {other.name}; '
                f'stated are {", ".join(self.maps_to) or "none"}'
            )
        for name, target in self.maps_to[other.name].items():
            table[self.id_of(name)] = other.id_of(target)
        return table


def parse(document: Any, origin: str) -> LabelSet:
    """Return the label set that a YAML or JSON document states; LabelError names ``origin``."""
    try:
        classes = tuple(_parse_class(c) for c in document['classes'])
        maps_to = {str(k): dict(v) for k, v in (document.get('maps_to') or {}).items()}
        ignored = tuple(int(v) for v in document.get('ignored_raw_ids', (IGNORED,)))
        return LabelSet(str(document['name']), classes, maps_to, ignored)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise LabelError(f'{origin} is not a label set: {error!r}') from error


def _parse_class(entry: Any) -> LabelClass:
    red, green, blue = (int(v) for v in entry['colour'])
    return LabelClass(
        id=int(entry['id']),
        name=str(entry['name']),
        colour=(red, green, blue),
        role=Role(entry['role']),
        raw_ids=tuple(int(v) for v in entry.get('raw_ids', [entry['id']])),
    )


def dump(labels: LabelSet) -> dict[str, Any]:
    """Return the document that ``parse`` reads back, made of plain lists, dicts and strings."""
    return {
        'name': labels.name,
        'classes': [
            {
                'id': c.id,
                'name': c.name,
                'colour': list(c.colour),
                'role': c.role.value,
                'raw_ids': list(c.raw_ids),
            }
            for c in labels.classes
        ],
        'maps_to': labels.maps_to,
        'ignored_raw_ids': list(labels.ignored_raw_ids),
    }


def by_ids(labels: LabelSet) -> LabelSet:
    """Return the label set of masks that hold the ids of ``labels`` themselves, and 255."""
    classes = tuple(replace(c, raw_ids=(c.id,)) for c in labels.classes)
    return LabelSet(labels.name, classes, labels.maps_to)


@cache
def load(name_or_path: str) -> LabelSet:
    """Return a packaged label set by name (``camvid``) or one from a YAML file's path.

    Raises FileNotFoundError where there is none, LabelError where it cannot be understood.
    """
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = resources.find(f'config/labels/{name_or_path}.yaml')
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise LabelError(f'{path} is not YAML: {error}') from error
    return parse(document, str(path))
