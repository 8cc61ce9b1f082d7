"""A network file as TensorRT takes it: one resolution, every tensor in the type it computes in.

TensorRT 10 and later and TensorRT-RTX compute a strongly typed network in exactly the types that
it states, so the precision is decided here. Float16 is for the convolutions, the products of
matrices and what only moves or mixes their results. What sums or divides stays float32: the
statistics of layer norm and instance norm and all that they scale, softmax, means, and the
normalisation of pixels. Float16 holds 11 bits and ends at 65504, and the sum of squares over a map
is beyond both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference, version_converter
from onnx.reference import ReferenceEvaluator

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import TENSORS, ModelFile, check_size
from asap_ros.segmentation.tensorrt.plan import PRECISIONS

STATISTICS = frozenset(
    {
        'ReduceMean',
        'ReduceSum',
        'ReduceSumSquare',
        'ReduceL1',
        'ReduceL2',
        'ReduceLogSumExp',
        'GlobalAveragePool',
        'AveragePool',
        'Pow',
        'Sqrt',
        'Reciprocal',
        'Div',
        'Exp',
        'Log',
        'Softmax',
        'LogSoftmax',
        'LayerNormalization',
        'InstanceNormalization',
        'GroupNormalization',
        'BatchNormalization',
    }
)
"""Operators that are computed in float32 whatever the precision."""
QUANTISATION = ('QuantizeLinear', 'DequantizeLinear')
"""Operators that state int8; folding those of weights would lose it."""
ELEMENTWISE = frozenset({'Add', 'Sub', 'Mul', 'Neg', 'Abs', 'ReduceMax', 'Squeeze', 'Unsqueeze'})
"""Operators that are float32 where one of their inputs is the result of one of the above."""
UNTYPED_INPUTS = {'Resize': (1, 2, 3), 'Shape': (0,), 'Cast': (0,), 'Reshape': (1,)}
"""Inputs that may be of a type apart from the operator's own."""


class PrecisionError(EngineError):
    """A network file that cannot be brought to the precision asked for."""


@dataclass(frozen=True)
class TypedNetwork:
    """An ONNX network of one resolution; ``float32``: the nodes that must not lose precision."""

    content: bytes
    float32: frozenset[str]


def make_typed_network(
    model: ModelFile, precision: str, size: tuple[int, int], batch: int, opset: int | None = None
) -> TypedNetwork:
    """Return the network at (height, width) and batches 1 to ``batch``, typed for a precision.

    ``opset``: brought down to that one, for parsers that know no newer. Raises PrecisionError
    where the file cannot have the precision, such as int8 without quantisation inside, and
    ModelError where it cannot have the size.
    """
    if precision not in PRECISIONS:
        raise PrecisionError(
            f'precision {precision!r} is unknown: {", ".join(PRECISIONS)} are possible'
        )
    check_size(size)
    network = onnx.load_from_string(model.content)
    quantised = any(node.op_type in QUANTISATION for node in network.graph.node)
    if precision == 'int8' and not quantised:
        raise PrecisionError(
            f'{model.path} cannot run in int8: it holds no quantisation (QuantizeLinear and '
            'DequantizeLinear nodes), and guessing the ranges of its tensors would cost '
            'accuracy that nobody measured. Ask for fp16, or export a quantised network'
        )
    if precision != 'int8' and quantised:
        raise PrecisionError(
            f'{model.path} is quantised: the one precision that it can have is int8'
        )
    name_nodes(network.graph)
    fold_constants(network)
    network = fix_resolution(network, size, batch)
    cast_labels_through_float(network.graph)
    float32 = frozenset(float32_nodes(network.graph))
    if precision == 'fp16':
        convert_to_float16(network.graph, float32)
    if opset is not None:
        network = convert_opset(network, opset)
    network = infer_shapes(network)
    onnx.checker.check_model(network)
    return TypedNetwork(network.SerializeToString(), float32)


def convert_opset(network: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return the network in an older operator set."""
    network = version_converter.convert_version(network, opset)
    for node in network.graph.node:  # the converter leaves this attribute of opset 18 behind
        kept = [a for a in node.attribute if a.name != 'noop_with_empty_axes']
        del node.attribute[:]
        node.attribute.extend(kept)
    return network


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give every node without a name that of its first output, in place."""
    for node in graph.node:
        node.name = node.name or f'node_of_{node.output[0]}'


def fold_constants(network: onnx.ModelProto) -> None:
    """Replace nodes that depend on no input by what they give, in place."""
    graph = network.graph
    known = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type in QUANTISATION or not all(name in known for name in node.input if name):
            kept.append(node)
            continue
        inputs = [name for name in dict.fromkeys(node.input) if name]
        alone = helper.make_graph(
            [node],
            'constant',
            [],
            [helper.make_empty_tensor_value_info(o) for o in node.output],
            [known[name] for name in inputs],
        )
        results = ReferenceEvaluator(
            helper.make_model(
                alone,
                opset_imports=network.opset_import,
                ir_version=network.ir_version,
            )
        ).run(None, {})
        known |= {
            name: numpy_helper.from_array(value, name) for name, value in zip(node.output, results)
        }
    used = {name for node in kept for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(tensor for name, tensor in known.items() if name in used)


def fix_resolution(network: onnx.ModelProto, size: tuple[int, int], batch: int) -> onnx.ModelProto:
    """Return the network with height and width fixed; a batch of 1 is fixed too."""
    graph = network.graph
    del graph.value_info[:]
    shape = [batch if batch == 1 else 'batch', *size, 3]
    graph.input[0].CopyFrom(helper.make_tensor_value_info('image', TensorProto.UINT8, shape))
    for output in graph.output:
        output.CopyFrom(
            helper.make_tensor_value_info(
                output.name, TensorProto.UINT8, [None] * TENSORS[output.name]
            )
        )
    return infer_shapes(network)


def infer_shapes(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return the network with the type and shape of every tensor, shapes computed within too."""
    return shape_inference.infer_shapes(network, check_type=True, strict_mode=True, data_prop=True)


def cast_labels_through_float(graph: onnx.GraphProto) -> None:
    """Cast integers to uint8 by way of a float, in place: TensorRT casts to it from nothing else.

    Exact for all that a uint8 holds, in float16 too.
    """
    types = element_types(graph)
    for position, node in reversed(list(enumerate(graph.node))):
        if (
            node.op_type != 'Cast'
            or cast_target(node) != TensorProto.UINT8
            or types[node.input[0]] not in (TensorProto.INT32, TensorProto.INT64)
        ):
            continue
        whole, between = node.input[0], f'{node.output[0]}.float'
        node.input[0] = between
        graph.node.insert(
            position,
            helper.make_node(
                'Cast', [whole], [between], f'{node.name}.float', to=TensorProto.FLOAT
            ),
        )


def float32_nodes(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes that stay float32: see STATISTICS and ELEMENTWISE."""
    types = element_types(graph)
    exact: set[str] = set()
    names = []
    for node in graph.node:
        if types.get(node.output[0]) not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            continue
        pixels = node.op_type == 'Cast' and types[node.input[0]] != TensorProto.FLOAT16
        if (
            pixels
            or node.op_type in STATISTICS
            or node.op_type in ELEMENTWISE
            and exact & set(node.input)
        ):
            names.append(node.name)
            exact |= set(node.output)
    return names


def convert_to_float16(graph: onnx.GraphProto, float32: frozenset[str]) -> None:
    """Bring all float tensors but those of ``float32`` nodes to float16, in place.

    A tensor that is needed in another type than it is made in gets a cast, a weight a copy.
    """
    types = element_types(graph)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made: dict[str, int] = {}
    casts: dict[tuple[str, int], str] = {}
    nodes = []
    for node in graph.node:
        wanted = TensorProto.FLOAT if node.name in float32 else TensorProto.FLOAT16
        for index, name in enumerate(node.input):
            if (
                types.get(name) != TensorProto.FLOAT
                or index in UNTYPED_INPUTS.get(node.op_type, ())
                or name not in weights
                and made[name] == wanted
            ):
                continue
            if (name, wanted) not in casts:
                casts[name, wanted] = f'{name}.{"fp32" if wanted == TensorProto.FLOAT else "fp16"}'
                if name in weights:
                    graph.initializer.append(_weight(weights[name], casts[name, wanted], wanted))
                else:
                    nodes.append(
                        helper.make_node(
                            'Cast', [name], [casts[name, wanted]], casts[name, wanted], to=wanted
                        )
                    )
            node.input[index] = casts[name, wanted]
        if node.op_type == 'Cast' and cast_target(node) == TensorProto.FLOAT:
            node.attribute[0].i = wanted
        made |= dict.fromkeys(node.output, wanted)
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def element_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the element type of every tensor whose type is known, by name."""
    described = [*graph.input, *graph.value_info, *graph.output]
    return {tensor.name: tensor.data_type for tensor in graph.initializer} | {
        value.name: value.type.tensor_type.elem_type for value in described
    }


def cast_target(node: onnx.NodeProto) -> int:
    """Return the element type that a Cast node gives."""
    return next(attribute.i for attribute in node.attribute if attribute.name == 'to')


def _weight(values: np.ndarray, name: str, kind: int) -> TensorProto:
    if kind == TensorProto.FLOAT16:
        if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
            raise PrecisionError(f'the weight {name} is beyond what float16 holds: ask for fp32')
        values = values.astype(np.float16)
    return numpy_helper.from_array(values, name)
