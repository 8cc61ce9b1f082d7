"""A network file in int8, for CPUs with VNNI: ``python -m asap_training.quantise``.

Static calibration to QDQ form by ONNX Runtime.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from asap_ros.cli.arguments import CommandParser, add_out, add_size
from asap_ros.imaging import files, pixel_formats
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine_selection import open_onnxruntime
from asap_ros.segmentation.mask_agreement import compare
from asap_training import export
from asap_training.arguments import ending, folder

EXAMPLES = """
  %(prog)s models/asap_mobilenet_v2_driving.onnx \\
      --pictures my_camera/frames --out my_camera/driving_int8.onnx
      some dozens of frames of the camera that it shall run on, spread over its drives
  %(prog)s ... --size 448x608: where the node's resolution is another one than 512x1024
"""

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


def calibration(root: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """Return FRAMES pictures spread evenly over those under ``root``, uint8 RGB (*size, 3).

    Raises ValueError where there is none, ImageError where one cannot be read.
    """
    paths = sorted(p for p in root.rglob('*') if p.suffix.lower() in files.SUFFIXES)
    if not paths:
        raise ValueError(f'{root} holds no picture ({", ".join(files.SUFFIXES)})')
    chosen = np.linspace(0, len(paths) - 1, min(FRAMES, len(paths))).round().astype(int)
    pictures = (files.read(paths[index]) for index in chosen)
    return [cv2.cvtColor(pixel_formats.resize(p, size), cv2.COLOR_BGR2RGB) for p in pictures]


def widen_weights(model: onnx.ModelProto) -> None:
    """Store float16 weights as float32 without the cast behind each, in place.

    Undoes ``export.halve_weights``: what is quantised must be a weight, not the result of a node.
    """
    graph = model.graph
    halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    for node in [n for n in graph.node if n.op_type == 'Cast' and n.input[0] in halves]:
        tensor = halves[node.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)


def quantise(model: onnx.ModelProto, frames: Iterable[np.ndarray]) -> onnx.ModelProto:
    """Return the network with weights and most activations in int8, as QDQ nodes.

    ``model``: float32, its batch norms folded; ``frames``: uint8 RGB (H, W, 3). Weights have a
    scale a channel; activations are uint8 with a zero point, which ONNX Runtime's CPU provider
    runs as integers. (TensorRT wants symmetric ones; it has float16, which costs no accuracy.)
    """
    with tempfile.TemporaryDirectory() as place:
        plain, ready, done = (Path(place) / f'{name}.onnx' for name in ('plain', 'ready', 'done'))
        onnx.save(model, plain)
        # Sizes are open, which symbolic shape inference does not follow through every node.
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(done),
            _Frames(frames),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(done)


def main(given: list[str] | None = None) -> None:
    """Quantise a network file to int8, calibrated on pictures like those that it shall see.

    For ONNX Runtime on a CPU with VNNI; for a GPU take the file as it is. The pictures need no
    labels. The scores that the file carries are not taken over: they are the old network's.
    """
    parser = CommandParser('quantise', main.__doc__, EXAMPLES)
    parser.add_argument('model', type=Path, help='an exported network (.onnx)')
    parser.add_argument(
        '--pictures',
        type=folder,
        required=True,
        metavar='FOLDER',
        help=f'pictures of the camera, also in folders below; {FRAMES} are used',
    )
    add_size(parser, 'through the network')
    add_out(parser, 'the ONNX file to write')
    options = parser.parse_args(given)
    with ending(parser):
        model = model_file.read(options.model)
        if model.training.get('precision') == 'int8':
            raise ValueError(f'{options.model} is quantised already')
        if options.out.resolve() == options.model.resolve():
            raise ValueError(f'{options.out} would take the place of the file that is quantised')
        model_file.check_size(options.size)
        frames = calibration(options.pictures, options.size)
        proto = onnx.load(options.model)
        widen_weights(proto)
        proto = quantise(proto, tqdm(frames, 'calibrating', leave=False))
        training = model.training | {'precision': 'int8', 'scores': []}
        export.write(proto, model.labels, model.golden.frame, training, options.out)
        float_engine, int8_engine = (
            open_onnxruntime(file, 'cpu').engine for file in (model, model_file.read(options.out))
        )
        alike = compare(int8_engine, float_engine, frames)['mean']
    size = options.out.stat().st_size / 1e6
    print(
        f'{options.out}: {size:.1f} MB; labels {100 * alike:.2f} % of '
        f'the pixels of {len(frames)} pictures as {options.model.name} does'
    )


if __name__ == '__main__':
    main()
