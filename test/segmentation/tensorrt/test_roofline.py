from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip('cuda.bindings', reason='needs the ROS environment')

from asap_ros.segmentation.tensorrt import cuda, roofline
from asap_ros.segmentation.tensorrt.cuda import Gpu
from asap_ros.segmentation.tensorrt.mixed_precision import make_typed_network
from asap_ros.segmentation.tensorrt.roofline import GpuPeak, LayerWork
from support import fake_gpu


def network():
    """Return 3x3 convolution 4 -> 8 in two groups on 16x32, then a product with 32x5, fp32."""
    graph = helper.make_graph(
        [
            helper.make_node('Conv', ['x', 'w'], ['y'], 'conv', pads=[1] * 4, group=2),
            helper.make_node('Relu', ['y'], ['r'], 'relu'),
            helper.make_node('MatMul', ['r', 'm'], ['z'], 'product'),
        ],
        'two',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 4, 16, 32])],
        [helper.make_tensor_value_info('z', TensorProto.FLOAT, [1, 8, 16, 5])],
        [
            numpy_helper.from_array(np.zeros((8, 2, 3, 3), np.float32), 'w'),
            numpy_helper.from_array(np.zeros((32, 5), np.float32), 'm'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)])
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


@pytest.mark.parametrize('batch', [1, 3])
def test_operations_and_bytes_by_hand(batch):
    conv, product = roofline.count_work(network(), batch)
    assert conv == LayerWork(
        'conv', batch * 2 * 8 * 16 * 32 * 2 * 9, 4 * (batch * (4 + 8) * 16 * 32 + 8 * 2 * 9)
    )
    assert product == LayerWork(
        'product', batch * 2 * 8 * 16 * 5 * 32, 4 * (batch * 8 * 16 * (32 + 5) + 32 * 5)
    )


def test_the_slower_of_the_two_counts_layer_by_layer():
    works = [LayerWork('busy', 10.0, 1.0), LayerWork('moving', 1.0, 30.0)]
    assert roofline.roofline_ms(works, GpuPeak(flops=5.0, bandwidth=10.0)) == 1e3 * (2.0 + 3.0)


def test_shipped_model(shipped):
    """Operations are those of the network whatever the precision; fp16 moves half the bytes."""
    half, full = (
        [
            sum(values)
            for values in zip(
                *[
                    (w.operations, w.bytes)
                    for w in roofline.count_work(
                        make_typed_network(shipped, precision, (512, 1024), 1).content, 1
                    )
                ]
            )
        ]
        for precision in ('fp16', 'fp32')
    )
    assert half[0] == full[0] == pytest.approx(2 * 6.03e9, rel=0.01)
    assert 0.5 < half[1] / full[1] < 0.6


def test_peak_of_a_known_gpu(monkeypatch):
    monkeypatch.setattr(cuda, 'cudart', fake_gpu.Gpu())  # the clocks of an RTX 3090
    ampere = Gpu('RTX 3090', 'sm86', 24 << 30, 24 << 30)
    found = roofline.gpu_peak(ampere, 'fp16')
    assert found.flops == pytest.approx(142e12, rel=0.01)
    assert found.bandwidth == pytest.approx(936e9, rel=0.01)
    assert roofline.gpu_peak(ampere, 'fp32').flops == pytest.approx(35.6e12, rel=0.01)
    assert roofline.gpu_peak(Gpu('new', 'sm999', 1, 1), 'fp16') is None
