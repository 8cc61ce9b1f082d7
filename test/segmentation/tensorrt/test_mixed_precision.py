from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import GOLDEN_AGREEMENT
from asap_ros.segmentation.tensorrt.builder import build
from asap_ros.segmentation.tensorrt.mixed_precision import (
    PrecisionError,
    element_types,
    make_typed_network,
)
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from support import tiny_model

SIZE = (192, 384)
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


@pytest.fixture(scope='module', params=model_file.shipped())
def model(request):
    return model_file.read(model_file.locate(request.param))


def run(content, frame):
    """Run a network as it is: the optimiser would cast where it likes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    return session.run(['labels', 'confidence'], {'image': frame})


def graph_of(network):
    return onnx.load_from_string(network.content).graph


@pytest.mark.parametrize('precision, opset', [('fp32', None), ('fp16', None), ('fp16', 17)])
def test_golden_frame_of_every_shipped_model(model, precision, opset):
    network = make_typed_network(model, precision, SIZE, 1, opset)
    labels, _ = run(network.content, model.golden.frame[np.newaxis])
    agreement = (labels[0] == model.golden.mask).mean()
    assert agreement >= (1.0 if precision == 'fp32' else GOLDEN_AGREEMENT)


def test_batch_stays_open_and_height_and_width_do_not(model):
    frames = np.repeat(model.golden.frame[np.newaxis], 3, axis=0)
    labels, confidence = run(make_typed_network(model, 'fp32', SIZE, 4).content, frames)
    assert labels.shape == (3, *SIZE) and confidence.shape == (3, SIZE[0] // 4, SIZE[1] // 4)
    image = graph_of(make_typed_network(model, 'fp32', SIZE, 1)).input[0].type.tensor_type
    assert [d.dim_value for d in image.shape.dim] == [1, *SIZE, 3]


def test_convolutions_are_float16_and_statistics_float32(model):
    network = make_typed_network(model, 'fp16', SIZE, 1)
    graph = graph_of(network)
    types = element_types(graph)
    kinds = {}
    for node in graph.node:
        if types[node.output[0]] in FLOATS and node.op_type != 'Cast':
            kinds.setdefault(node.op_type, set()).add(types[node.output[0]])
        if node.name in network.float32:
            assert types[node.output[0]] == TensorProto.FLOAT
            assert {types[i] for i in node.input if types[i] in FLOATS} <= {TensorProto.FLOAT}
    assert kinds['Conv'] == kinds['MatMul'] == kinds['Resize'] == {TensorProto.FLOAT16}
    for statistics in ('ReduceMean', 'Pow', 'Sqrt', 'Reciprocal', 'Softmax', 'Sub'):
        assert kinds[statistics] == {TensorProto.FLOAT}, statistics
    weights = {
        t.data_type
        for t in graph.initializer
        if t.data_type in FLOATS and t.dims and np.prod(t.dims) > 1024
    }
    assert weights == {TensorProto.FLOAT16}


def test_norms_scale_in_float32_to_the_end(model):
    """The normalised map itself, not only its mean and variance, is float32."""
    network = make_typed_network(model, 'fp16', SIZE, 1)
    graph = graph_of(network)
    mean = next(n for n in graph.node if n.op_type == 'ReduceMean')  # of the instance norm
    fed_by, reached = {mean.output[0]}, []
    for node in graph.node:
        if fed_by & set(node.input) and node.op_type not in ('Conv', 'Cast', 'Shape'):
            fed_by |= set(node.output)
            reached.append(node.name)
    assert len(reached) >= 15 and set(reached) <= network.float32


def test_older_operator_set_states_axes_as_attributes(model):
    network = onnx.load_from_string(make_typed_network(model, 'fp32', SIZE, 1, 17).content)
    assert network.opset_import[0].version == 17
    for node in network.graph.node:
        if node.op_type.startswith('Reduce'):
            assert len(node.input) == 1 and any(a.name == 'axes' for a in node.attribute)


def test_uint8_is_cast_from_nothing_but_floats(model):
    graph = graph_of(make_typed_network(model, 'fp16', SIZE, 1))
    types = element_types(graph)
    made = [
        types[n.input[0]]
        for n in graph.node
        if n.op_type == 'Cast' and types[n.output[0]] == TensorProto.UINT8
    ]
    assert len(made) == 2 and set(made) <= set(FLOATS)


def test_int8_is_refused_where_nothing_is_quantised(model):
    with pytest.raises(PrecisionError, match='holds no quantisation .*Ask for fp16'):
        make_typed_network(model, 'int8', SIZE, 1)


def test_unknown_precision(model):
    with pytest.raises(PrecisionError, match="'fp64' is unknown: fp32, fp16, int8"):
        make_typed_network(model, 'fp64', SIZE, 1)


def quantised(path):
    """Write a network of one quantised convolution, labels and confidence by argmax and max."""
    rng = np.random.default_rng(0)
    weights = {
        'w': rng.integers(-127, 128, (4, 3, 1, 1)).astype(np.int8),
        'w_scale': np.float32(0.01),
        'x_scale': np.float32(2.0),
        'zero': np.int8(0),
        'axes': np.array([1]),
        'steps': np.array([4, 4]),
        'from': np.array([0, 0]),
        'to': np.array([2**31, 2**31]),
        'rows_columns': np.array([1, 2]),
    }
    nodes = [
        helper.make_node('Cast', ['image'], ['f'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['f'], ['x'], perm=[0, 3, 1, 2]),
        helper.make_node('QuantizeLinear', ['x', 'x_scale', 'zero'], ['xq']),
        helper.make_node('DequantizeLinear', ['xq', 'x_scale', 'zero'], ['xd']),
        helper.make_node('DequantizeLinear', ['w', 'w_scale', 'zero'], ['wd']),
        helper.make_node('Conv', ['xd', 'wd'], ['scores']),
        helper.make_node('ArgMax', ['scores'], ['best'], axis=1, keepdims=0),
        helper.make_node('Cast', ['best'], ['labels'], to=TensorProto.UINT8),
        helper.make_node('ReduceMax', ['scores', 'axes'], ['most'], keepdims=0),
        helper.make_node('Slice', ['most', 'from', 'to', 'rows_columns', 'steps'], ['few']),
        helper.make_node('Cast', ['few'], ['confidence'], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        'quantised',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['B', 'H', 'W', 3])],
        [
            helper.make_tensor_value_info('labels', TensorProto.UINT8, ['B', 'H', 'W']),
            helper.make_tensor_value_info('confidence', TensorProto.UINT8, ['B', 'h', 'w']),
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    network = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid('', 18)])
    helper.set_model_props(network, tiny_model.entries())
    onnx.save(network, path)
    return model_file.read(path)


def test_a_quantised_network_is_int8_and_nothing_else(tmp_path, rtx):
    model = quantised(tmp_path / 'quantised.onnx')
    frame = tiny_model.frame()[np.newaxis]
    before = run(model.path.read_bytes(), frame)
    network = make_typed_network(model, 'int8', (64, 128), 1)
    assert {n.op_type for n in graph_of(network).node} >= {'QuantizeLinear', 'DequantizeLinear'}
    for ours, theirs in zip(run(network.content, frame), before):
        np.testing.assert_array_equal(ours, theirs)
    assert build(rtx, model, PlanOptions('int8', (64, 128), 1, ('sm86',))).layers['int8'] >= 1
    with pytest.raises(PrecisionError, match='quantised: the one precision .* is int8'):
        make_typed_network(model, 'fp16', (64, 128), 1)


def test_weights_beyond_float16_are_refused(tmp_path, model):
    network = onnx.load(model.path)
    name = next(n.input[2] for n in network.graph.node if n.op_type == 'Conv' and len(n.input) > 2)
    tensor = next(t for t in network.graph.initializer if t.name == name)
    tensor.CopyFrom(
        numpy_helper.from_array(
            np.full(numpy_helper.to_array(tensor).shape, 1e5, np.float32), name
        )
    )
    onnx.save(network, tmp_path / 'large.onnx')
    large = model_file.read(tmp_path / 'large.onnx')
    with pytest.raises(PrecisionError, match='beyond what float16 holds: ask for fp32'):
        make_typed_network(large, 'fp16', SIZE, 1)
    make_typed_network(large, 'fp32', SIZE, 1)
