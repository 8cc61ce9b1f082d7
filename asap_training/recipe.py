"""A recipe: every choice of a training run in one readable file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from asap_ros import labels as label_sets
from asap_ros.labels import LabelSet
from asap_ros.network.asap import STRIDE
from asap_ros.network.config import AsapConfig
from asap_training import dataset_layouts, datasets
from asap_training.augment import Augmentation
from asap_training.datasets import DataError, LabelledDataset
from asap_training.losses import LossConfig

FOLDER = Path(__file__).parent / 'recipes'

Side = Annotated[int, Field(gt=0, multiple_of=STRIDE)]
"""A height or width in pixels that the network takes."""
LrScheduler = Literal['poly', 'cosine']
Precision = Literal['float32', 'bfloat16', 'float16']
NO_OTHERS = ConfigDict(extra='forbid', allow_inf_nan=False)


class RecipeError(ValueError):
    """A recipe that cannot be understood or followed; the message names the entry."""


@dataclass(frozen=True, config=NO_OTHERS)
class DataSource:
    """One data set of a recipe.

    ``data``: the name under which its folder is given on the command line (``--data NAME=DIR``).
    ``layout``: how it lies on disk, a key of ``dataset_layouts.LAYOUTS``.
    ``weight``: how often each pair is drawn in an epoch.
    ``exclude``: patterns (``aachen_000000_*``) of pictures' stems that are never used.
    ``classes``: class names there to class names here, in place of the label set's ``maps_to``.
    ``resize``: (height, width) that pictures and masks are brought to on reading.
    ``optional``: go without it where no folder is given, and say so.
    """

    data: str
    layout: str
    split: str = ''
    weight: PositiveFloat = 1.0
    exclude: tuple[str, ...] = ()
    classes: dict[str, str] | None = None
    resize: tuple[PositiveInt, PositiveInt] | None = None
    optional: bool = False

    @field_validator('layout')
    @classmethod
    def _known_layout(cls, layout: str) -> str:
        if layout not in dataset_layouts.LAYOUTS:
            raise ValueError(f'known layouts are {", ".join(dataset_layouts.LAYOUTS)}')
        return layout

    def open(self, roots: dict[str, Path], target: LabelSet) -> LabelledDataset:
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
        return datasets.labelled_dataset(
            replace(found, pairs=used), target, self.classes, self.weight, self.resize
        )


@dataclass(frozen=True, config=NO_OTHERS)
class Optimisation:
    """SGD and its schedule.

    ``encoder_lr_factor``: the pretrained encoder's share of the learning rate ``lr``.
    ``epoch_repeats``: how often an epoch goes through the data. For little data on a fast device,
    where scoring and saving after every single pass would take longer than training.
    ``batch_size``: pairs a step, over all processes together.
    ``lr_scheduler``: how the learning rate falls after ``warmup_steps`` steps, ``poly`` (to the
    power ``power``) or ``cosine``, both to zero.
    ``clip_grad_norm``: largest norm of the gradient, larger ones are scaled down to it; 0 leaves
    them.
    ``class_weight_exponent``: classes weigh (median frequency / frequency) to this power in the
    loss.
    ``ema_decay``: decay of the exponential moving average of the weights, which is what is scored
    and kept; 0 keeps the raw weights.
    ``precision``: what convolutions and matrix products are computed in (autocast); weights,
    norms and the loss stay float32. float16 needs CUDA.
    """

    epochs: PositiveInt = 50
    epoch_repeats: PositiveInt = 1
    batch_size: PositiveInt = 8
    lr: NonNegativeFloat = 0.02
    encoder_lr_factor: NonNegativeFloat = 0.5
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    lr_scheduler: LrScheduler = 'poly'
    power: NonNegativeFloat = 0.9
    warmup_steps: NonNegativeInt = 200
    clip_grad_norm: NonNegativeFloat = 0.0
    class_weight_exponent: NonNegativeFloat = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    precision: Precision = 'float32'


@dataclass(frozen=True, config=NO_OTHERS)
class Recipe:
    """Everything that decides a run but its seed and its data's folders.

    ``size``: the (height, width) that pictures are resized to for validation and test.
    ``keep_checkpoint``: which epoch's averaged weights a run keeps as its result, the ``best`` by
    mIoU on validation, or the ``last`` where validation must not choose.
    """

    name: str
    labels: str
    network: AsapConfig
    train: tuple[DataSource, ...]
    validation: DataSource
    size: tuple[Side, Side]
    augmentation: Augmentation
    optimisation: Optimisation = field(default_factory=Optimisation)
    loss: LossConfig = field(default_factory=LossConfig)
    keep_checkpoint: Literal['best', 'last'] = 'best'

    @field_validator('augmentation')
    @classmethod
    def _crop_that_the_network_takes(cls, augmentation: Augmentation) -> Augmentation:
        if any(side < 1 or side % STRIDE for side in augmentation.crop_size):
            raise ValueError(f'crop_size: height and width must be positive multiples of {STRIDE}')
        return augmentation

    @property
    def label_set(self) -> LabelSet:
        """The classes that the network is trained to tell apart."""
        return label_sets.load(self.labels)

    def to_json(self) -> str:
        """Return the recipe as JSON, as a checkpoint keeps it."""
        return json.dumps(asdict(self), sort_keys=True)


_RECIPE = TypeAdapter(Recipe)


def parse(document: dict) -> Recipe:
    """Return the recipe that a document states; RecipeError names every entry that is wrong."""
    try:
        # As JSON, since there a list is a tuple and a word an enumeration's member, even strictly.
        return _RECIPE.validate_json(json.dumps(_with_classes(document), default=str), strict=True)
    except ValidationError as error:
        raise RecipeError('; '.join(map(_sentence, error.errors()))) from error


def _with_classes(document: dict) -> dict:
    """Return the document with the network's number of classes, which its label set gives."""
    labels, network = document.get('labels'), document.get('network')
    if not isinstance(labels, str) or not isinstance(network, dict):
        return document
    try:
        classes = len(label_sets.load(labels))
    except (FileNotFoundError, ValueError) as error:
        raise RecipeError(f'labels is {labels!r}: {error}') from error
    return document | {'network': {'classes': classes} | network}


def _sentence(fault: ErrorDetails) -> str:
    """Return path, value and reason of one wrong entry."""
    where = ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in fault['loc'])
    where = where.removeprefix('.')
    match fault['type']:
        case 'missing':
            return f'the entry {where} is missing'
        case 'unexpected_keyword_argument':
            return f'the entry {where} is unknown'
        case 'value_error':
            reason = str(fault['ctx']['error'])
        case 'dataclass_type' | 'dataclass_exact_type':
            reason = 'must be entries of the form name: value'
        case 'tuple_type':
            reason = 'must be a list'
        case _:
            reason = fault['msg'].removeprefix('Input should ').removeprefix('Tuple should ')
            reason = f'must {reason}'
    return f'{where} is {fault["input"]!r}: {reason}'


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


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-4 as the number that it is in YAML 1.2; in 1.1 it is a text."""


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'[-+]?[0-9]+[eE][-+]?[0-9]+$'), list('-+0123456789')
)


def load(name_or_path: str) -> Recipe:
    """Return a packaged recipe by its name, or one from a YAML file's path."""
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = FOLDER / f'{name_or_path}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in FOLDER.glob('*.yaml')))
        raise RecipeError(f'there is no recipe {name_or_path}; packaged are {known}')
    try:
        document = yaml.load(path.read_text(), _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f'{path} is not YAML: {error}') from error
    if not isinstance(document, dict):
        raise RecipeError(f'{path} is not a recipe')
    try:
        return parse(document)
    except RecipeError as error:
        raise RecipeError(f'{path}: {error}') from error
