"""Score a network on a labelled split; also ``python -m asap_training.evaluate``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from asap_ros import overlay, preprocess
from asap_ros.engine import model_file
from asap_ros.engine.base import Engine
from asap_ros.engine.choice import open_engine
from asap_ros.evaluation.metrics import ConfusionMatrix
from asap_ros.network.deployed import Deployed
from asap_ros.network.layers import resize
from asap_ros.network.pixels import normalise
from asap_training import checkpoint, recipe
from asap_training.arguments import add_data, fail, roots
from asap_training.datasets import DataSet


@torch.inference_mode()
def predict(
        model: nn.Module, image: np.ndarray, size: tuple[int, int], device: torch.device,
) -> np.ndarray:
    """Return the label mask of a picture, uint8 (H, W) at the picture's own resolution.

    The picture goes through the network at ``size`` (height, width); the scores, not the labels,
    are resized back.
    """
    frame = torch.from_numpy(preprocess.resize(image, size)).unsqueeze(0).to(device)
    scores = model(normalise(frame).contiguous(memory_format=torch.channels_last))
    return resize(scores, image.shape[:2]).argmax(1)[0].to(torch.uint8).cpu().numpy()


def score(
        model: nn.Module, data: DataSet, classes: int, size: tuple[int, int],
        device: torch.device, progress: bool = True) -> ConfusionMatrix:
    """Return the confusion matrix of a network over a data set at its own resolution."""
    model.eval()
    matrix = ConfusionMatrix(classes)
    for index in tqdm(range(len(data.pairs)), data.name, leave=False, disable=not progress):
        image, truth = data.read(index)
        matrix.add(predict(model, image, size, device), truth)
    return matrix


def compare(
        model: nn.Module, engine: Engine, data: DataSet, classes: int, size: tuple[int, int],
) -> tuple[float, ConfusionMatrix]:
    """Return how an exported network does beside the torch one it was made from.

    First the share of pixels, at network resolution, on which both agree; then the confusion
    matrix of the exported one, its masks brought to the pictures' resolution by nearest
    neighbour as on the vehicle.
    """
    deployed, same, matrix = Deployed(model).eval(), [], ConfusionMatrix(classes)
    for index in tqdm(range(len(data.pairs)), f'{data.name}, exported', leave=False):
        image, truth = data.read(index)
        frame = np.ascontiguousarray(preprocess.resize(image, size))[np.newaxis]
        labels, _ = engine.infer(frame)
        with torch.inference_mode():
            same.append((deployed(torch.from_numpy(frame))[0].numpy() == labels).mean())
        matrix.add(overlay.resize_mask(labels[0], truth.shape), truth)
    return float(np.mean(same)), matrix


def summary(matrix: ConfusionMatrix, names: tuple[str, ...]) -> dict:
    """Return the scores of a confusion matrix as plain values."""
    return {'miou': matrix.miou(), 'pixel_accuracy': matrix.pixel_accuracy(),
            'per_class': dict(zip(names, matrix.iou()))}


def main(arguments: list[str] | None = None) -> None:
    """Score a checkpoint on one split of its recipe's validation data and print JSON."""
    parser = argparse.ArgumentParser(
        prog='python -m asap_training.evaluate', description=main.__doc__,
        epilog='example: python -m asap_training.evaluate runs/camvid_resnet18/best.safetensors '
               '--data camvid=data/camvid --split test')
    parser.add_argument('checkpoint', type=Path)
    add_data(parser)
    parser.add_argument('--split', default=None, help='default: the split that the recipe names')
    parser.add_argument('--onnx', type=Path, help='also score this network, exported from it')
    options = parser.parse_args(arguments)
    with fail(parser):
        saved = checkpoint.load(options.checkpoint)
        used = recipe.parse(json.loads(saved.facts['recipe']))
        labels = used.label_set
        source = used.validation
        if options.split is not None:
            source = recipe.Source(source.data, source.layout, options.split)
        data = source.open(roots(options), labels)
        model = checkpoint.network(saved)
        matrix = score(model, data, len(labels), used.size, torch.device('cpu'))
        result = {'data': data.name, 'frames': len(data.pairs), 'size': used.size,
                  'epoch': saved.facts['epoch'], **summary(matrix, labels.names)}
        if options.onnx:
            engine, _ = open_engine(model_file.read(options.onnx), provider='cpu')
            agreement, exported = compare(model, engine, data, len(labels), used.size)
            result['onnx'] = {'agreement': agreement, **summary(exported, labels.names)}
    print(json.dumps(result, indent=2))


if __name__ == '__main__':
    main()
