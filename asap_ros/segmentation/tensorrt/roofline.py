"""The least time that a GPU can take for a network: its operations, its bytes, its peaks.

Each convolution and product of matrices takes at least its operations over the peak rate and at
least its bytes over the bandwidth; so does, by its bytes, what moves whole maps (resizing,
pooling, means, argmax). All else is taken to be fused into these and to cost nothing. The network
cannot be faster than their sum unless it joins several of these into one kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from asap_ros.segmentation.tensorrt import cuda
from asap_ros.segmentation.tensorrt.cuda import Gpu

FLOPS_PER_CLOCK = {
    'fp16': {
        'sm75': 1024,
        'sm80': 2048,
        'sm86': 1024,
        'sm87': 2048,
        'sm89': 1024,
        'sm90': 4096,
        'sm120': 1024,
    },
    'fp32': {
        'sm75': 128,
        'sm80': 128,
        'sm86': 256,
        'sm87': 256,
        'sm89': 256,
        'sm90': 256,
        'sm120': 256,
    },
}
"""Operations of one multiprocessor in one clock, a multiply-accumulate being two: dense tensor
cores for fp16, plain cores for fp32. From the peak rates in NVIDIA's architecture papers."""
COMPUTE_OPS = ('Conv', 'Gemm', 'MatMul')
MEMORY_OPS = ('Resize', 'MaxPool', 'ReduceMean', 'ReduceMax', 'ArgMax', 'Softmax')


@dataclass(frozen=True)
class GpuPeak:
    """What a GPU can do at most; ``flops`` a second, ``bandwidth`` in bytes a second."""

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class LayerWork:
    """One layer; ``operations`` counts a multiply-accumulate as two."""

    name: str
    operations: float
    bytes: float


def gpu_peak(gpu: Gpu, precision: str) -> GpuPeak | None:
    """Return what the first GPU can do at its highest clocks, None where it is not known."""
    per_clock = FLOPS_PER_CLOCK.get(precision, {}).get(gpu.arch)
    if per_clock is None:
        return None
    clock, memory_clock, bus, processors = (
        cuda.call('cudaDeviceGetAttribute', getattr(cuda.cudart.cudaDeviceAttr, name), 0)
        for name in (
            'cudaDevAttrClockRate',
            'cudaDevAttrMemoryClockRate',
            'cudaDevAttrGlobalMemoryBusWidth',
            'cudaDevAttrMultiProcessorCount',
        )
    )
    # Clocks are in kHz, memory moves data twice a clock.
    return GpuPeak(processors * per_clock * clock * 1e3, 2 * memory_clock * 1e3 * bus / 8)


def count_work(content: bytes, batch: int) -> list[LayerWork]:
    """Return the work of a typed network (``make_typed_network`` of batch 1) for a batch."""
    graph = onnx.load_from_string(content).graph
    sizes = {
        v.name: (
            tuple(d.dim_value for d in v.type.tensor_type.shape.dim),
            v.type.tensor_type.elem_type,
        )
        for v in [*graph.input, *graph.value_info, *graph.output]
    }
    weights = {t.name: (tuple(t.dims), t.data_type) for t in graph.initializer}
    return list(_count(graph, sizes, weights, batch))


def _count(graph: onnx.GraphProto, sizes: dict, weights: dict, batch: int) -> Iterator[LayerWork]:
    def nbytes(shape: tuple[int, ...], kind: int) -> float:
        return float(np.prod(shape)) * onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize

    for node in graph.node:
        if node.op_type not in (*COMPUTE_OPS, *MEMORY_OPS):
            continue
        made = sizes[node.output[0]]
        moved = batch * nbytes(*made)
        for name in node.input:
            if name in weights:
                moved += nbytes(*weights[name])
            elif name:
                moved += batch * nbytes(*sizes[name])
        operations = 0.0
        if node.op_type == 'Conv':
            kernel, _ = weights[node.input[1]]
            operations = 2.0 * batch * np.prod(made[0]) * np.prod(kernel[1:])
        elif node.op_type in COMPUTE_OPS:
            inner = (sizes.get(node.input[0]) or weights[node.input[0]])[0][-1]
            operations = 2.0 * batch * np.prod(made[0]) * inner
        yield LayerWork(node.name, float(operations), moved)


def roofline_ms(works: list[LayerWork], peak: GpuPeak) -> float:
    """Return the milliseconds that a GPU takes at least."""
    return 1e3 * sum(
        max(work.operations / peak.flops, work.bytes / peak.bandwidth) for work in works
    )
