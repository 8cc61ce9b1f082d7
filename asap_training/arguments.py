"""What the training commands share on their command lines."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import torch

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser
from asap_ros.labels import LabelError
from asap_ros.segmentation.model_file import ModelError
from asap_training.checkpoint import CheckpointError
from asap_training.datasets import DataError, LabelledDataset
from asap_training.recipe import DataSource, Recipe, RecipeError


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data NAME=FOLDER``, which may be given several times."""
    parser.add_argument(
        '--data',
        action='append',
        default=[],
        metavar='NAME=FOLDER',
        type=_named_folder,
        help='the folder of a data set that the recipe names; once for each',
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='of torch, such as cpu, cuda, cuda:1',
    )


def folder(text: str) -> Path:
    """Parse the path of a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f'{text} is not a folder')
    return Path(text)


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition('=')
    if not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=FOLDER')
    return name, folder(path)


def open_source(options: argparse.Namespace, source: DataSource, used: Recipe) -> LabelledDataset:
    """Return the data set of a source, from the folder that ``--data`` names."""
    return source.open(dict(options.data), used.label_set)


def open_data(
    options: argparse.Namespace,
    used: Recipe,
    say: bool = True,
) -> tuple[Recipe, list[LabelledDataset], LabelledDataset]:
    """Return the recipe less the optional sources not given, and its training and validation sets.

    With ``say`` the sources left out are named on standard output.
    """
    given = dict(options.data)
    sources = tuple(s for s in used.train if not s.optional or s.data in given)
    for source in used.train:
        if source not in sources and say:
            print(f'without {source.data}: no --data {source.data}=FOLDER was given')
    used = replace(used, train=sources)
    sets = [open_source(options, source, used) for source in used.train]
    return used, sets, open_source(options, used.validation, used)


def ending(parser: CommandParser, *failed: type[Exception]) -> AbstractContextManager[None]:
    """End the process where the block cannot go on, with the statuses of all commands.

    What was typed and cannot be is a recipe, a data set, a checkpoint or a network file too.
    """
    mistyped = (RecipeError, DataError, CheckpointError, ModelError, LabelError)
    return command.ending(parser.name, mistyped, failed)
