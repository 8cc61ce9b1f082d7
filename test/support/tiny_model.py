"""A network file small enough to know every answer of: the contract, and nothing else.

Label = red // 24, at most 10 (CamVid's classes); confidence = green of every fourth pixel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from asap_ros import labels as label_sets
from asap_ros.segmentation import model_file
from asap_ros.segmentation.model_file import GoldenFrame

LABELS = label_sets.load('camvid')
STEP = 24
CONFIDENCE_STRIDE = 4


def expected_mask(frames: np.ndarray) -> np.ndarray:
    """Return the labels of uint8 RGB frames (..., H, W, 3)."""
    return np.minimum(frames[..., 0] // STEP, len(LABELS) - 1).astype(np.uint8)


def expected_confidence(frames: np.ndarray) -> np.ndarray:
    """Return the confidence of uint8 RGB frames (..., H, W, 3), (..., H/4, W/4)."""
    return frames[..., ::CONFIDENCE_STRIDE, ::CONFIDENCE_STRIDE, 1]


def frame(height: int = 64, width: int = 128, seed: int = 0) -> np.ndarray:
    """Return a frame of blocks of 4x4 pixels, which resizing by small factors keeps apart."""
    blocks = np.random.default_rng(seed).integers(
        0, 256, (height // 4, width // 4, 3), dtype=np.uint8
    )
    return np.ascontiguousarray(blocks.repeat(4, 0).repeat(4, 1))


def network(labels: str = 'labels', kind: int = TensorProto.UINT8) -> onnx.ModelProto:
    """Return the network without metadata; ``labels`` and ``kind`` name and type its output."""
    constants = {
        'red': [0],
        'green': [1],
        'blue': [2],
        'channel': [3],
        'rows_columns': [1, 2],
        'from': [0, 0],
        'to': [2**31, 2**31],
        'stride': [CONFIDENCE_STRIDE] * 2,
    }
    initialisers = [
        helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        for name, values in constants.items()
    ]
    initialisers += [
        helper.make_tensor(name, TensorProto.INT32, [], [value])
        for name, value in (('step', STEP), ('highest', len(LABELS) - 1))
    ]
    nodes = [
        helper.make_node('Slice', ['image', 'red', 'green', 'channel'], ['red_1']),
        helper.make_node('Squeeze', ['red_1', 'channel'], ['red_2']),
        helper.make_node('Cast', ['red_2'], ['red_3'], to=TensorProto.INT32),
        helper.make_node('Div', ['red_3', 'step'], ['class']),
        helper.make_node('Min', ['class', 'highest'], ['class_2']),
        helper.make_node('Cast', ['class_2'], [labels], to=kind),
        helper.make_node('Slice', ['image', 'green', 'blue', 'channel'], ['green_1']),
        helper.make_node('Squeeze', ['green_1', 'channel'], ['green_2']),
        helper.make_node(
            'Slice', ['green_2', 'from', 'to', 'rows_columns', 'stride'], ['confidence']
        ),
    ]
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['B', 'H', 'W', 3])],
        [
            helper.make_tensor_value_info(labels, kind, ['B', 'H', 'W']),
            helper.make_tensor_value_info('confidence', TensorProto.UINT8, ['B', 'h', 'w']),
        ],
        initialisers,
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid('', 18)])
    onnx.checker.check_model(model)
    return model


def entries(mask: np.ndarray | None = None) -> dict[str, str]:
    """Return the metadata; ``mask`` is the golden one where the right one shall not be there."""
    picture = frame(seed=1)
    golden = GoldenFrame(picture, expected_mask(picture) if mask is None else mask)
    return model_file.metadata(LABELS, golden, {'recipe': 'none'}, '0.1.0')


def write(path: Path, metadata: dict[str, str] | None = None, **options) -> Path:
    """Write the network file and return its path; ``options`` go to ``network``."""
    model = network(**options)
    helper.set_model_props(model, entries() if metadata is None else metadata)
    path.write_bytes(model.SerializeToString())
    return path
