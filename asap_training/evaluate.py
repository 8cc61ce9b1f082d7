"""Score a network on a labelled split: ``python -m asap_training.evaluate``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from asap_ros.cli.arguments import CommandParser, resolution
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_ros.imaging import overlay, pixel_formats
from asap_ros.network.asap import Asap
from asap_ros.network.deployed import Deployed
from asap_ros.network.layers import to_channels_last
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import Engine
from asap_ros.segmentation.engine_selection import open_onnxruntime
from asap_training import arguments, checkpoint, plots, recipe
from asap_training.arguments import add_data, ending
from asap_training.datasets import LabelledDataset
from asap_training.inference import InferenceSettings, score

EXAMPLES = """
  %(prog)s runs/camvid_resnet18/best.safetensors \\
      --data camvid=data/camvid --split test
  %(prog)s ... --scales 0.75 1 1.25 --flip     several scales and mirrored, averaged
  %(prog)s ... --size 1024x1024                the paper's protocol for Cityscapes: squashed to a square
  %(prog)s ... --size full                     every picture at its own resolution
  %(prog)s ... --figure confusion.png          which class is taken for which
"""

FULL = 'full'
"""Word for every picture's own size."""


def compare(
    model: Asap,
    engine: Engine,
    data: LabelledDataset,
    classes: int,
    size: tuple[int, int],
) -> tuple[float, ConfusionMatrix]:
    """Return how an exported network does beside the torch one it was made from.

    First the share of pixels, at network resolution, on which both agree; then the confusion
    matrix of the exported one, its masks brought to the pictures' resolution by nearest
    neighbour as on the vehicle.
    """
    deployed, same, matrix = Deployed(model).eval(), [], ConfusionMatrix(classes)
    for index in tqdm(range(len(data.pairs)), f'{data.name}, exported', leave=False):
        image, truth = data.read(index)
        frame = np.ascontiguousarray(pixel_formats.resize(image, size))[np.newaxis]
        labels, _ = engine.infer(frame)
        with torch.inference_mode():
            same.append((deployed(torch.from_numpy(frame))[0].numpy() == labels).mean())
        matrix.add(overlay.resize_mask(labels[0], truth.shape), truth)
    return float(np.mean(same)), matrix


def summary(matrix: ConfusionMatrix, names: tuple[str, ...]) -> dict:
    """Return the scores of a confusion matrix as plain values."""
    return {
        'miou': matrix.miou(),
        'pixel_accuracy': matrix.pixel_accuracy(),
        'per_class': dict(zip(names, matrix.iou())),
    }


def size(text: str) -> tuple[int, int] | str:
    """Parse a resolution, or the word full."""
    return text if text == FULL else resolution(text)


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how pictures go through the network."""
    parser.add_argument(
        '--size',
        type=size,
        metavar='HEIGHTxWIDTH',
        help="through the network, or full (default the recipe's)",
    )
    parser.add_argument(
        '--scales',
        nargs='+',
        type=float,
        default=[1.0],
        metavar='FACTOR',
        help='factors of that size whose scores are averaged',
    )
    parser.add_argument('--flip', action='store_true', help='average with the mirrored picture')
    arguments.add_device(parser)


def inference_settings(options: argparse.Namespace, used: recipe.Recipe) -> InferenceSettings:
    """Return the settings that the options of ``add_inference_options`` say."""
    through = None if options.size == FULL else options.size or used.size
    return InferenceSettings(through, tuple(options.scales), options.flip)


def main(given: list[str] | None = None) -> None:
    """Score a checkpoint on one split of its recipe's validation data and print JSON."""
    parser = CommandParser('score', main.__doc__, EXAMPLES)
    parser.add_argument('checkpoint', type=Path, help='what training wrote (.safetensors)')
    add_data(parser)
    parser.add_argument('--split', help='of the data (default the one that the recipe names)')
    add_inference_options(parser)
    parser.add_argument('--figure', type=Path, help='write the confusion matrix as a picture')
    parser.add_argument('--onnx', type=Path, help='also score this network, exported from it')
    options = parser.parse_args(given)
    with ending(parser):
        saved = checkpoint.load(options.checkpoint)
        used = recipe.parse(json.loads(saved.facts['recipe']))
        labels = used.label_set
        source = used.validation
        if options.split is not None:
            source = replace(source, split=options.split, exclude=())
        data = arguments.open_source(options, source, used)
        settings = inference_settings(options, used)
        model = to_channels_last(checkpoint.network(saved), options.device)
        matrix = score(model, data, len(labels), settings)
        result = {
            'data': data.name,
            'frames': len(data.pairs),
            **asdict(settings),
            'size': settings.size or FULL,
            'epoch': saved.facts['epoch'],
            **summary(matrix, labels.names),
        }
        if options.figure:
            plots.confusion(matrix, labels.names, options.figure)
        if options.onnx:
            engine = open_onnxruntime(model_file.read(options.onnx), 'cpu').engine
            agreement, exported = compare(
                model.cpu(), engine, data, len(labels), settings.size or used.size
            )
            result['onnx'] = {'agreement': agreement, **summary(exported, labels.names)}
    print(json.dumps(result, indent=2))


if __name__ == '__main__':
    main()
