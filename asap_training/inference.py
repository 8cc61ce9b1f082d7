"""A picture in, a label mask of its own resolution out: single scale, several, mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_ros.imaging import pixel_formats
from asap_ros.network.asap import STRIDE
from asap_ros.network.layers import resize
from asap_ros.network.normalisation import normalise
from asap_training import distributed
from asap_training.datasets import LabelledDataset


@dataclass(frozen=True)
class InferenceSettings:
    """How pictures go through the network when it is scored.

    ``size``: (height, width) that they are resized to (the paper's protocol for Cityscapes is
    1024x1024); None leaves them at their own, rounded to multiples of 32.
    ``scales``: factors of that size whose softmax scores are averaged; ``flip``: mirrored too.
    """

    size: tuple[int, int] | None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def sizes(self, own: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the input sizes for a picture whose own size is ``own``, multiples of 32."""
        height, width = self.size or own
        return [(to_stride(height * factor), to_stride(width * factor)) for factor in self.scales]


def to_stride(side: float) -> int:
    """Return the multiple of the network's stride nearest to a side, at least one."""
    return max(1, round(side / STRIDE)) * STRIDE


def predict(model: nn.Module, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ``label_mask`` at a single scale, the network's input being of ``size``."""
    return label_mask(model, image, InferenceSettings(size))


@torch.inference_mode()
def label_mask(model: nn.Module, image: np.ndarray, settings: InferenceSettings) -> np.ndarray:
    """Return the label mask of a picture, uint8 (H, W) at the picture's own resolution.

    ``image``: uint8 RGB (H, W, 3); ``model`` is in evaluation mode. The scores, not the labels,
    are resized back.
    """
    device = next(model.parameters()).device
    views = [
        (size, mirrored)
        for size in settings.sizes(image.shape[:2])
        for mirrored in ((False, True) if settings.flip else (False,))
    ]
    if len(views) == 1:  # no softmax: the argmax of the scores themselves
        scores = _scores(model, image, views[0][0], False, device)
    else:
        shares = (functional.softmax(_scores(model, image, *view, device), 1) for view in views)
        scores = sum(shares, torch.zeros((), device=device))
    return scores.argmax(1)[0].to(torch.uint8).cpu().numpy()


def _scores(
    model: nn.Module,
    image: np.ndarray,
    size: tuple[int, int],
    mirrored: bool,
    device: torch.device,
) -> Tensor:
    """Return the class scores, (1, K, H, W) at the picture's own resolution."""
    frame = torch.from_numpy(pixel_formats.resize(image, size)).unsqueeze(0).to(device)
    pixels = normalise(frame.flip(2) if mirrored else frame)
    scores = model(pixels.contiguous(memory_format=torch.channels_last))
    return resize(scores.flip(3) if mirrored else scores, image.shape[:2])


def score(
    model: nn.Module,
    data: LabelledDataset,
    classes: int,
    settings: InferenceSettings,
    progress: bool = True,
) -> ConfusionMatrix:
    """Return the confusion matrix of a network over a data set at its own resolution.

    Of several processes each takes its share of the pictures; all return the whole.
    """
    model.eval()
    matrix = ConfusionMatrix(classes)
    own = range(distributed.rank(), len(data.pairs), distributed.world_size())
    for index in tqdm(own, data.name, leave=False, disable=not progress):
        image, truth = data.read(index)
        matrix.add(label_mask(model, image, settings), truth)
    if distributed.world_size() > 1:
        device = next(model.parameters()).device
        counts = torch.from_numpy(matrix.counts).to(device)
        matrix.counts = distributed.all_reduce_sum(counts).cpu().numpy()
    return matrix
