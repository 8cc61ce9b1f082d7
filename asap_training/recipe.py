"""A recipe: every choice of a training run in one readable file."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from enum import Enum
from fnmatch import fnmatch
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import yaml

from asap_ros import labels as label_sets
from asap_ros.labels import LabelSet
from asap_ros.network.config import AsapConfig
from asap_training import dataset_layouts, datasets
from asap_training.augment import Augmentation
from asap_training.datasets import DataError, DataSet
from asap_training.losses import LossConfig

FOLDER = Path(__file__).parent / 'recipes'


class RecipeError(ValueError):
    """A recipe that cannot be understood or followed; the message names the entry."""


@dataclass(frozen=True)
class DataSource:
    """One data set of a recipe.

    ``data``: the name under which its folder is given on the command line (``--data NAME=DIR``).
    ``layout``: how it lies on disk, a key of ``layouts.LAYOUTS``.
    ``weight``: how often each pair is drawn in an epoch.
    ``exclude``: patterns (``aachen_000000_*``) of pictures' stems that are never used.
    ``classes``: class names there to class names here, in place of the label set's ``maps_to``.
    ``resize``: (height, width) that pictures and masks are brought to on reading.
    ``optional``: go without it where no folder is given, and say so.
    """

    data: str
    layout: str
    split: str = ''
    weight: float = 1.0
    exclude: tuple[str, ...] = ()
    classes: dict[str, str] | None = None
    resize: tuple[int, int] | None = None
    optional: bool = False

    def __post_init__(self):
        """Raise RecipeError for an unknown layout or a weight that draws nothing."""
        if self.layout not in dataset_layouts.LAYOUTS:
            raise RecipeError(
                f'layout {self.layout!r} is unknown; known are {", ".join(dataset_layouts.LAYOUTS)}'
            )
        if not self.weight > 0:
            raise RecipeError(f'weight {self.weight} of {self.data}: must be above 0')

    def open(self, roots: dict[str, Path], target: LabelSet) -> DataSet:
        """Return the data set below ``roots[data]``; RecipeError where no folder was given."""
        if self.data not in roots:
            raise RecipeError(
                f'the recipe needs the data set {self.data!r}: add --data {self.data}=FOLDER'
            )
        found = dataset_layouts.LAYOUTS[self.layout](roots[self.data], self.split)
        used = tuple(
            pair
            for pair in found.pairs
            if not any(fnmatch(pair.image.stem, pattern) for pattern in self.exclude)
        )
        if not used:
            raise DataError(f'{found.name}: every picture is excluded by {self.exclude}')
        return datasets.data_set(
            replace(found, pairs=used), target, self.classes, self.weight, self.resize
        )


@dataclass(frozen=True)
class Optimisation:
    """SGD and its schedule; ``trunk_factor`` scales the learning rate of the pretrained trunk.

    ``passes``: how often an epoch goes through the data. For little data on a fast device, where
    scoring and saving after every single pass would take longer than training.
    ``batch``: pairs a step, over all processes together.
    ``schedule``: how the rate falls after ``warm_up`` steps, ``poly`` (to the power ``power``) or
    ``cosine``, both to zero.
    ``clip``: largest norm of the gradient, larger ones are scaled down to it; 0 leaves them.
    ``class_exponent``: classes weigh (median frequency / frequency) to this power in the loss.
    ``average``: decay of the exponential moving average of the weights, which is what is scored
    and kept; 0 keeps the raw weights.
    ``precision``: what convolutions and matrix products are computed in (autocast); weights,
    norms and the loss stay float32. float16 needs CUDA.
    """

    epochs: int = 50
    passes: int = 1
    batch: int = 8
    rate: float = 0.02
    trunk_factor: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = 'poly'
    power: float = 0.9
    warm_up: int = 200
    clip: float = 0.0
    class_exponent: float = 0.0
    average: float = 0.99
    precision: str = 'float32'

    def __post_init__(self):
        """Raise RecipeError where an entry is out of its range."""
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise RecipeError(
                    f'{name} {getattr(self, name)!r} is unknown; known are {", ".join(known)}'
                )
        for name, least in (
            ('epochs', 1),
            ('passes', 1),
            ('batch', 1),
            ('rate', 0),
            ('warm_up', 0),
            ('clip', 0),
        ):
            if getattr(self, name) < least:
                raise RecipeError(f'{name} {getattr(self, name)}: must be at least {least}')


CHOICES = {'schedule': ('poly', 'cosine'), 'precision': ('float32', 'bfloat16', 'float16')}
"""Entries of Optimisation that take one of a few words."""


@dataclass(frozen=True)
class Recipe:
    """``size`` is the (height, width) that pictures are resized to for validation and test.

    ``keep``: which epoch's averaged weights a run keeps as its result, the ``best`` by mIoU on
    validation, or the ``last`` where validation must not choose.
    """

    name: str
    labels: str
    network: AsapConfig
    train: tuple[DataSource, ...]
    validation: DataSource
    size: tuple[int, int]
    augmentation: Augmentation
    optimisation: Optimisation = field(default_factory=Optimisation)
    loss: LossConfig = field(default_factory=LossConfig)
    keep: str = 'best'

    def __post_init__(self):
        """Raise RecipeError where ``keep`` or ``size`` is impossible."""
        if self.keep not in ('best', 'last'):
            raise RecipeError(f'keep {self.keep!r}: must be best or last')
        for name, size in (('size', self.size), ('augmentation.crop', self.augmentation.crop)):
            if len(size) != 2 or any(side < 1 or side % 32 for side in size):
                raise RecipeError(
                    f'{name} {size}: height and width must be positive multiples of 32'
                )

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
        for name, kind, form in (
            ('train', list, 'a list of sources'),
            ('network', dict, 'entries of the form name: value'),
        ):
            if not isinstance(parts[name], kind):
                raise RecipeError(f'{name} is {parts[name]!r}: must be {form}')
        classes = {'classes': len(label_sets.load(parts['labels']))}
        parts['network'] = _build(AsapConfig, classes | parts['network'], 'network')
        parts['train'] = [
            _build(DataSource, source, f'train[{k}]') for k, source in enumerate(parts['train'])
        ]
        parts['validation'] = _build(DataSource, parts['validation'], 'validation')
        parts['augmentation'] = _build(Augmentation, parts['augmentation'], 'augmentation')
        parts['optimisation'] = _build(Optimisation, parts.get('optimisation', {}), 'optimisation')
        parts['loss'] = _build(LossConfig, parts.get('loss', {}), 'loss')
        return _build(Recipe, parts, 'the recipe')
    except KeyError as error:
        raise RecipeError(f'the recipe lacks the entry {error}') from error
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error)) from error


def _build(kind: type, values: dict, where: str):
    if not isinstance(values, dict):
        raise RecipeError(f'{where} is {values!r}: must be entries of the form name: value')
    known = {f.name: f for f in fields(kind)}
    if unknown := values.keys() - known.keys():
        raise RecipeError(
            f'{where}: unknown entries {", ".join(sorted(map(str, unknown)))}; '
            f'known are {", ".join(known)}'
        )
    missing = [
        f.name
        for f in known.values()
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise RecipeError(f'{where} lacks the entries {", ".join(missing)}')
    types = get_type_hints(kind)
    for name, value in values.items():
        if not _fits(value, types[name]):
            raise RecipeError(
                f'{where}: {name} is {value!r}, must be {known[name].type}'
                + _hint(value, types[name])
            )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _fits(value: object, kind: type) -> bool:
    """Return whether a value read from YAML is of an annotated type; a list may be a tuple."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        wanted = inner[:1] * len(value) if inner[-1] is ... else inner
        return len(value) == len(wanted) and all(map(_fits, value, wanted))
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items()
        )
    if isinstance(value, bool):
        return kind is bool
    if issubclass(kind, Enum):  # which words it takes, its owner says
        return isinstance(value, str)
    return isinstance(value, (int, float) if kind is float else kind)


def _hint(value: object, kind: type) -> str:
    """Return what helps with YAML's oddest rule: 1e-4 is a text there."""
    if kind is not float or not isinstance(value, str):
        return ''
    try:
        float(value)
    except ValueError:
        return ''
    return ' (YAML takes a number with an exponent only with a point: 1.0e-4)'


def change(chosen: Recipe, changes: dict) -> Recipe:
    """Return the recipe with entries replaced, ``{'optimisation': {'epochs': 9}}`` for example."""
    document = json.loads(chosen.to_json())
    for name, value in changes.items():
        old = document.get(name)
        document[name] = old | value if isinstance(old, dict) else value
    return parse(document)


def differences(first: Recipe, second: Recipe) -> list[str]:
    """Return what is not alike, as ``optimisation.epochs is 8 there and 2 here``."""
    flat = [_flat(json.loads(r.to_json())) for r in (first, second)]
    return [
        f'{name} is {flat[0].get(name)} there and {flat[1].get(name)} here'
        for name in sorted(flat[0].keys() | flat[1].keys())
        if flat[0].get(name) != flat[1].get(name)
    ]


def _flat(document: dict, prefix: str = '') -> dict:
    leaves: dict = {}
    for name, value in document.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f'{prefix}{name}.')
        else:
            leaves[prefix + name] = value
    return leaves


def load(name_or_path: str) -> Recipe:
    """Return a packaged recipe by its name, or one from a YAML file's path."""
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = FOLDER / f'{name_or_path}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in FOLDER.glob('*.yaml')))
        raise RecipeError(f'there is no recipe {name_or_path}; packaged are {known}')
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise RecipeError(f'{path} is not YAML: {error}') from error
    if not isinstance(document, dict):
        raise RecipeError(f'{path} is not a recipe')
    try:
        return parse(document)
    except RecipeError as error:
        raise RecipeError(f'{path}: {error}') from error
