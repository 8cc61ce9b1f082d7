"""Write the network file of a checkpoint: ``python -m asap_training.export``.

The file is the contract between training and vehicle (asap_ros/segmentation/model_file.py).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.export import Dim
from torch.nn.utils.fusion import fuse_conv_bn_eval

from asap_ros.cli.arguments import CommandParser, add_out
from asap_ros.labels import LabelSet
from asap_ros.network.asap import Asap
from asap_ros.network.deployed import Deployed
from asap_ros.segmentation import model_file
from asap_ros.segmentation.model_file import GoldenFrame
from asap_ros.version import version
from asap_training import checkpoint, golden_frame, recipe
from asap_training.arguments import ending
from asap_training.checkpoint import SMALLEST_HALVED
from asap_training.initial_weights import conv_norms

EXAMPLES = """
  %(prog)s runs/camvid_resnet18/best.safetensors \\
      --score test.json --out models/asap_resnet18_camvid.onnx
"""
OPSET = 18
FEWEST_CLASSES = 3
"""Least number of classes that the golden frame must show to prove anything."""


def fold_norms(module: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution into it, in place."""
    for parent, conv, norm in list(conv_norms(module)):
        setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm)))
        setattr(parent, norm, nn.Identity())


def to_onnx(model: Asap) -> onnx.ModelProto:
    """Return the deployed network with batch, height and width left open."""
    deployed = Deployed(model).eval()
    fold_norms(deployed)
    # Height and width must be multiples of 32; two frames, since a size of 1 would be fixed.
    example = torch.zeros(2, 128, 192, 3, dtype=torch.uint8)
    sizes = {
        0: Dim('batch', max=64),
        1: 32 * Dim('rows', max=128),
        2: 32 * Dim('columns', max=128),
    }
    program = torch.onnx.export(
        deployed,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        input_names=['image'],
        output_names=['labels', 'confidence'],
        dynamic_shapes=(sizes,),
    )
    assert program is not None, 'the dynamo exporter returns a program'
    model_proto = program.model_proto  # made anew at every access
    forget_traces(model_proto)
    return model_proto


def forget_traces(model: onnx.ModelProto) -> None:
    """Remove the exporter's stack traces, in place: they hold the exporting machine's paths."""
    graph = model.graph
    for part in [
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ]:
        del part.metadata_props[:]
        part.doc_string = ''


def halve_weights(model: onnx.ModelProto) -> None:
    """Store large float32 weights as float16 with a cast behind each, in place.

    Every runtime folds the casts while it loads and computes in the precision it is built for.
    """
    graph, casts = model.graph, []
    for index, tensor in enumerate(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST_HALVED:
            continue
        name = tensor.name
        half = numpy_helper.from_array(values.astype(np.float16), f'{name}.half')
        graph.initializer[index].CopyFrom(half)
        casts.append(helper.make_node('Cast', [half.name], [name], to=TensorProto.FLOAT))
    for position, node in enumerate(casts):
        graph.node.insert(position, node)


def expected_mask(model: onnx.ModelProto, frame: np.ndarray) -> np.ndarray:
    """Return the label mask that ONNX Runtime's CPU provider gives for a frame."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    return session.run(['labels'], {'image': frame[np.newaxis]})[0][0]


def export(model: Asap, labels: LabelSet, training: dict, path: Path) -> None:
    """Write the network file, its weights as float16. ``training`` goes into it as it is."""
    proto = to_onnx(model)
    halve_weights(proto)
    write(proto, labels, golden_frame.frame(), training, path)


def write(
    proto: onnx.ModelProto, labels: LabelSet, frame: np.ndarray, training: dict, path: Path
) -> None:
    """Write a network with its metadata, whole or not at all; its folder is made where need be.

    ``frame``: uint8 RGB (H, W, 3), becomes the golden frame, with the mask that the network
    gives for it. Raises ValueError where that mask would prove nothing.
    """
    proof = GoldenFrame(frame, expected_mask(proto, frame))
    if len(np.unique(proof.mask)) < FEWEST_CLASSES:
        raise ValueError(
            'the network sees fewer than 3 classes in the golden frame, which then proves '
            'nothing: is it trained?'
        )
    entries = model_file.metadata(labels, proof, training, version())
    helper.set_model_props(proto, entries)
    onnx.checker.check_model(proto)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    onnx.save(proto, partial)
    os.replace(partial, path)
    model_file.read(path)


def main(given: list[str] | None = None) -> None:
    """Export a checkpoint to ONNX, with its label set, scores and golden frame inside."""
    parser = CommandParser('export', main.__doc__, EXAMPLES)
    parser.add_argument('checkpoint', type=Path, help='what training wrote (.safetensors)')
    parser.add_argument(
        '--score',
        type=Path,
        action='append',
        default=[],
        help='JSON that asap_training.evaluate printed; may be given again',
    )
    add_out(parser, 'the ONNX file to write')
    options = parser.parse_args(given)
    with ending(parser):
        saved = checkpoint.load(options.checkpoint)
        used = recipe.parse(json.loads(saved.facts['recipe']))
        training = {
            'recipe': used.name,
            'epoch': saved.facts['epoch'],
            'seed': saved.facts['seed'],
            'config': saved.facts['config'],
            'scores': [json.loads(path.read_text()) for path in options.score],
        }
        export(checkpoint.network(saved), used.label_set, training, options.out)
    size = options.out.stat().st_size / 1e6
    print(f'{options.out}: {size:.1f} MB')


if __name__ == '__main__':
    main()
