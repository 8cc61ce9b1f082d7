"""Pictures of scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix


def confusion(matrix: ConfusionMatrix, names: tuple[str, ...], path: Path) -> None:
    """Write a confusion matrix as a picture: of each true class's pixels, the share per class.

    The format is the one that the path's ending names (png, svg, pdf).
    """
    counts = matrix.counts[:, : matrix.classes]
    shares = counts / np.maximum(matrix.counts.sum(1, keepdims=True), 1)
    side = 2.0 + 0.55 * len(names)
    figure = Figure(figsize=(side + 1.0, side), layout='constrained', dpi=120)
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0.0, vmax=1.0, cmap='viridis')
    scores = [
        f'{name.replace("_", " ")}  {"–" if iou is None else f"{100 * iou:.1f}"}'
        for name, iou in zip(names, matrix.iou())
    ]
    axes.set_xticks(range(len(names)), [n.replace('_', ' ') for n in names], rotation=90)
    axes.set_yticks(range(len(names)), scores)
    axes.set_xlabel('predicted class')
    axes.set_ylabel('true class, IoU in %')
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            axes.text(
                column,
                row,
                f'{100 * share:.0f}',
                ha='center',
                va='center',
                fontsize=8,
                color='black' if share > 0.5 else 'white',
            )
    figure.colorbar(image, ax=axes, label='share of the true class', shrink=0.8)
    miou = matrix.miou()
    axes.set_title('no labelled pixel' if miou is None else f'mIoU {100 * miou:.1f} %')
    figure.savefig(path)
