"""An exported network in int8: static calibration to QDQ form, for CPUs with VNNI."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from asap_ros import preprocess
from asap_training.datasets import DataSet

FRAMES = 32
"""Frames that the ranges of the activations are taken from."""

OPERATORS = ['Conv', 'Add', 'Clip', 'Relu', 'Resize', 'MaxPool']
"""What is computed in int8. With convolutions alone the values go to float and back between any
two of them, which costs time and, measured, accuracy too. The norms' products stay in float."""


class _Frames(CalibrationDataReader):
    """Batches of one frame, as the calibration wants them."""

    def __init__(self, frames: Iterable[np.ndarray]):
        self._frames = iter(frames)

    def get_next(self) -> dict | None:
        """Return the next input, None at the end."""
        frame = next(self._frames, None)
        return None if frame is None else {'image': frame[np.newaxis]}


def calibration(sets: list[DataSet], size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield FRAMES pictures spread evenly over the training data, uint8 RGB (*size, 3)."""
    places = [(data, index) for data in sets for index in range(len(data.pairs))]
    chosen = np.linspace(0, len(places) - 1, min(FRAMES, len(places))).round().astype(int)
    for place in tqdm(chosen.tolist(), 'calibrating', leave=False):
        data, index = places[place]
        yield np.ascontiguousarray(preprocess.resize(data.read(index)[0], size))


def quantise(model: onnx.ModelProto, frames: Iterable[np.ndarray]) -> onnx.ModelProto:
    """Return the network with weights and most activations in int8, as QDQ nodes.

    ``model``: float32, its batch norms folded; ``frames``: uint8 RGB (H, W, 3). Weights have a
    scale a channel; activations are uint8 with a zero point, which ONNX Runtime's CPU provider
    runs as integers. (TensorRT wants symmetric ones; it has float16, which costs no accuracy.)
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, done = (Path(folder) / f'{name}.onnx' for name in ('plain', 'ready', 'done'))
        onnx.save(model, plain)
        # Sizes are open, which symbolic shape inference does not follow through every node.
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready), str(done), _Frames(frames), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        return onnx.load(done)
