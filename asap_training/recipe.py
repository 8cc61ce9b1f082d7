"""A recipe: every choice of a training run in one readable file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import yaml

from asap_ros import labels as label_sets
from asap_ros.labels import LabelSet
from asap_ros.network.config import AsapConfig
from asap_training import datasets
from asap_training.augment import Augmentation
from asap_training.datasets import DataSet
from asap_training.losses import LossConfig

FOLDER = Path(__file__).parent / 'recipes'
PRECISIONS = ('float32', 'bfloat16')


class RecipeError(ValueError):
    """A recipe that cannot be understood or followed; the message names the entry."""


@dataclass(frozen=True)
class Source:
    """One data set of a recipe.

    ``data``: the name under which its folder is given on the command line (``--data NAME=DIR``).
    ``layout``: how it lies on disk, a key of ``datasets.LAYOUTS``.
    ``weight``: how often each pair is drawn in an epoch.
    """

    data: str
    layout: str
    split: str = ''
    weight: float = 1.0

    def open(self, roots: dict[str, Path], target: LabelSet) -> DataSet:
        """Return the data set below ``roots[data]``; RecipeError where no folder was given."""
        if self.data not in roots:
            raise RecipeError(
                f'the recipe needs the data set {self.data!r}: add --data {self.data}=FOLDER')
        if self.layout not in datasets.LAYOUTS:
            raise RecipeError(
                f'layout {self.layout!r} is unknown; known are {", ".join(datasets.LAYOUTS)}')
        found = datasets.LAYOUTS[self.layout](roots[self.data], self.split, target)
        return DataSet(found.name, found.pairs, found.table, self.weight)


@dataclass(frozen=True)
class Optimisation:
    """SGD and its schedule; ``trunk_factor`` scales the learning rate of the pretrained trunk.

    ``class_exponent``: classes weigh (median frequency / frequency) to this power in the loss.
    ``average``: decay of the exponential moving average of the weights, which is what is scored
    and kept; 0 keeps the raw weights.
    ``precision``: what convolutions and matrix products are computed in (autocast); weights,
    norms and the loss stay float32.
    """

    epochs: int = 50
    batch: int = 8
    rate: float = 0.02
    trunk_factor: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 1e-4
    power: float = 0.9
    warm_up: int = 200
    class_exponent: float = 0.0
    average: float = 0.99
    precision: str = 'float32'

    def __post_init__(self):
        """Raise ValueError where the precision is none of PRECISIONS."""
        if self.precision not in PRECISIONS:
            raise ValueError(
                f'precision {self.precision!r} is unknown; known are {", ".join(PRECISIONS)}')


@dataclass(frozen=True)
class Recipe:
    """``size`` is the (height, width) that pictures are resized to for validation and test."""

    name: str
    labels: str
    network: AsapConfig
    train: tuple[Source, ...]
    validation: Source
    size: tuple[int, int]
    augmentation: Augmentation
    optimisation: Optimisation = field(default_factory=Optimisation)
    loss: LossConfig = field(default_factory=LossConfig)

    @property
    def label_set(self) -> LabelSet:
        """The classes that the network is trained to tell apart."""
        return label_sets.load(self.labels)

    def to_json(self) -> str:
        """Return the recipe as JSON, as a checkpoint keeps it."""
        return json.dumps(asdict(self) | {'network': self.network.to_dict()}, sort_keys=True)


def parse(document: dict) -> Recipe:
    """Return the recipe that a document states; RecipeError names what does not belong."""
    try:
        parts = dict(document)
        parts['network'] = AsapConfig.from_dict(
            {'classes': len(label_sets.load(parts['labels']))} | parts['network'])
        parts['train'] = tuple(_build(Source, s) for s in parts['train'])
        parts['validation'] = _build(Source, parts['validation'])
        parts['size'] = tuple(parts['size'])
        parts['augmentation'] = _build(Augmentation, parts['augmentation'])
        parts['optimisation'] = _build(Optimisation, parts.get('optimisation', {}))
        parts['loss'] = _build(LossConfig, parts.get('loss', {}))
        return _build(Recipe, parts)
    except KeyError as error:
        raise RecipeError(f'the recipe lacks the entry {error}') from error
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error)) from error


def _build(kind: type, values: dict):
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise RecipeError(f'{kind.__name__}: unknown entries {", ".join(sorted(unknown))}')
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def load(name_or_path: str) -> Recipe:
    """Return a packaged recipe by its name, or one from a YAML file's path."""
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = FOLDER / f'{name_or_path}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in FOLDER.glob('*.yaml')))
        raise RecipeError(f'there is no recipe {name_or_path}; packaged are {known}')
    return parse(yaml.safe_load(path.read_text()))
