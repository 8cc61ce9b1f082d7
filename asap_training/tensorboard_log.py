"""What TensorBoard shows of a run: scalars, and masks on frames of the validation data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_ros.imaging import overlay
from asap_training import inference
from asap_training.datasets import LabelledDataset
from asap_training.training_run import TrainingRun

SAMPLES = 3
OPACITY = 0.5


class TensorBoardLogger:
    """The event file of a run below ``out/tensorboard``; see ``tensorboard --logdir``."""

    def __init__(self, out: Path, run: TrainingRun, steps: int):
        """Open it; ``steps``: of an epoch. What a broken run wrote past its checkpoint goes."""
        self.run, self.steps = run, steps
        self.writer = SummaryWriter(
            str(out / 'tensorboard'), purge_step=run.epoch * steps + run.step
        )

    def log_step(self, value: float) -> None:
        """Note the loss of a step and its learning rate."""
        at = self.run.epoch * self.steps + self.run.step
        self.writer.add_scalar('loss/step', value, at)
        self.writer.add_scalar('lr', self.run.optimiser.param_groups[0]['lr'], at)

    def log_epoch(self, entry: dict, matrix: ConfusionMatrix, validation: LabelledDataset) -> None:
        """Note a finished epoch: its scores, and its masks on some frames beside the labels."""
        at = self.run.epoch * self.steps
        labels = self.run.recipe.label_set
        for name in ('loss', 'miou', 'images_per_second'):
            self.writer.add_scalar(f'epoch/{name}', entry[name], at)
        for name, value in zip(labels.names, matrix.iou()):
            if value is not None:
                self.writer.add_scalar(f'iou/{name}', value, at)
        chosen = np.linspace(0, len(validation.pairs) - 1, SAMPLES).round().astype(int)
        for index in sorted(set(chosen.tolist())):
            image, truth = validation.read(index)
            mask = inference.predict(self.run.average.model, image, self.run.recipe.size)
            both = [overlay.blend(image, m, labels, OPACITY) for m in (mask, truth)]
            self.writer.add_image(
                f'{validation.pairs[index].image.stem}/predicted_labelled',
                np.hstack(both),
                at,
                dataformats='HWC',
            )
        self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()
