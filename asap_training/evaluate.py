"""Score a network on a labelled split; also ``python -m asap_training.evaluate``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from asap_ros.evaluation.metrics import ConfusionMatrix
from asap_ros.network.layers import resize
from asap_ros.network.pixels import normalise
from asap_training import checkpoint, recipe
from asap_training.arguments import add_data, fail, roots
from asap_training.datasets import DataSet


def resize_picture(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 RGB (H, W, 3) to ``size`` (height, width): by area when shrinking."""
    shrink = image.shape[0] >= 2 * size[0] and image.shape[1] >= 2 * size[1]
    return cv2.resize(
        image, size[::-1], interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)


@torch.inference_mode()
def predict(
        model: nn.Module, image: np.ndarray, size: tuple[int, int], device: torch.device,
) -> np.ndarray:
    """Return the label mask of a picture, uint8 (H, W) at the picture's own resolution.

    The picture goes through the network at ``size`` (height, width); the scores, not the labels,
    are resized back.
    """
    frame = torch.from_numpy(resize_picture(image, size)).unsqueeze(0).to(device)
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


def main(arguments: list[str] | None = None) -> None:
    """Score a checkpoint on one split of its recipe's validation data and print JSON."""
    parser = argparse.ArgumentParser(
        prog='python -m asap_training.evaluate', description=main.__doc__,
        epilog='example: python -m asap_training.evaluate runs/camvid_resnet18/best.safetensors '
               '--data camvid=data/camvid --split test')
    parser.add_argument('checkpoint', type=Path)
    add_data(parser)
    parser.add_argument('--split', default=None, help='default: the split that the recipe names')
    options = parser.parse_args(arguments)
    with fail(parser):
        saved = checkpoint.load(options.checkpoint)
        used = recipe.parse(json.loads(saved.facts['recipe']))
        labels = used.label_set
        source = used.validation
        if options.split is not None:
            source = recipe.Source(source.data, source.layout, options.split)
        data = source.open(roots(options), labels)
        matrix = score(
            checkpoint.network(saved), data, len(labels), used.size, torch.device('cpu'))
    print(json.dumps({
        'data': data.name, 'frames': len(data.pairs), 'size': used.size,
        'epoch': saved.facts['epoch'], 'miou': matrix.miou,
        'pixel_accuracy': matrix.pixel_accuracy,
        'per_class': dict(zip(labels.names, matrix.iou))}, indent=2))


if __name__ == '__main__':
    main()
