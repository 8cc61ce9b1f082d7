"""Building a TensorRT engine: from a typed network to a plan, and what precision it has."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from asap_ros.segmentation.engine import ReportProgress
from asap_ros.segmentation.model_file import ModelFile
from asap_ros.segmentation.tensorrt.mixed_precision import TypedNetwork, make_typed_network
from asap_ros.segmentation.tensorrt.plan import BuildError, BuiltPlan, PlanOptions, describe_layers
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime, make_monitor

PRECISION_OF_DTYPE = {
    'FLOAT': 'fp32',
    'HALF': 'fp16',
    'INT8': 'int8',
    'BF16': 'bf16',
    'FP8': 'fp8',
}

INSPECTOR_WORDS = {'fp16': ('FP16', 'Half'), 'fp32': ('FP32', 'Float'), 'int8': ('Int8', 'INT8')}
"""How the inspector of one version or another calls a precision, within longer words."""
ONNX_NODE = re.compile(r'\[ONNX Layer: ([^|\]]+?) *[|\]]')
"""What TensorRT's parser writes into the metadata of every layer that it makes of a node."""


def build(
    runtime: TensorRtRuntime,
    model: ModelFile,
    options: PlanOptions,
    timing_cache: Path | None = None,
    report: ReportProgress = lambda phase, share: None,
    stopped: Callable[[], bool] = lambda: False,
) -> BuiltPlan:
    """Build an engine.

    ``report`` and ``stopped``: see ``make_monitor``. ``timing_cache``: a file of measured kernels
    that is read where it is there and written in the end. Raises PrecisionError where the network
    cannot have the precision, BuildError where TensorRT fails, does not deliver it, or
    ``stopped``.
    """
    start = time.monotonic()
    if timing_cache is not None and runtime.cross_targets:
        raise BuildError(
            f'{runtime.name} measures no kernels while it builds: a timing cache is for tensorrt'
        )
    network_file = make_typed_network(
        model, options.precision, options.size, options.batch, runtime.opset
    )
    trt = runtime.trt
    builder = runtime.create('Builder')
    network = parse_network(runtime, builder, network_file, model)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: fp32 would hold 11 bits, not 24
    profile = builder.create_optimization_profile()
    shape = (*options.size, 3)
    profile.set_shape('image', (1, *shape), (options.batch, *shape), (options.batch, *shape))
    config.add_optimization_profile(profile)
    if not runtime.strongly_typed:
        set_precision_constraints(runtime, network, config, network_file, options.precision)
    if runtime.tactic_sources is not None:
        config.set_tactic_sources(runtime.tactic_sources)
    set_target_archs(runtime, config, options.archs)
    monitor = make_monitor(trt, report, stopped)
    if monitor is not None:
        config.progress_monitor = monitor
    if timing_cache is not None:
        load_timing_cache(config, timing_cache)
    layers, float32 = check_precisions(trt, network, network_file)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        reason = 'it was stopped' if stopped() else runtime.logger.take()
        raise BuildError(
            f'{runtime.name} {runtime.version} built no engine of {model.path}: {reason}'
        )
    plan = bytes(memoryview(plan))
    if timing_cache is not None:
        save_timing_cache(config, timing_cache)
    if not runtime.strongly_typed:  # it may have chosen otherwise
        layers = count_inspected_layers(runtime, plan)
    if options.precision not in layers:
        raise BuildError(
            f'{runtime.name} {runtime.version} built an engine without one layer in '
            f'{options.precision} ({describe_layers(layers)}): this GPU does not have it'
        )
    return BuiltPlan(plan, layers, float32, time.monotonic() - start)


def parse_network(
    runtime: TensorRtRuntime, builder: Any, network_file: TypedNetwork, model: ModelFile
) -> Any:
    """Return TensorRT's network; BuildError with the parser's own words where it refuses."""
    network = builder.create_network(runtime.network_flags)
    parser = runtime.trt.OnnxParser(network, runtime.logger)
    if not parser.parse(network_file.content):
        errors = '; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise BuildError(f'{runtime.name} {runtime.version} cannot read {model.path}: {errors}')
    return network


def set_target_archs(runtime: TensorRtRuntime, config: Any, archs: tuple[str, ...]) -> None:
    """Choose the GPUs that the engine is for, where the runtime can build for others."""
    if not runtime.cross_targets:
        return
    config.num_compute_capabilities = len(archs)
    for index, arch in enumerate(archs):
        target = getattr(runtime.trt.ComputeCapability, arch.upper())
        if not config.set_compute_capability(target, index):
            raise BuildError(f'{runtime.name} refuses {arch}: {runtime.logger.take()}')


def set_precision_constraints(
    runtime: TensorRtRuntime,
    network: Any,
    config: Any,
    network_file: TypedNetwork,
    precision: str,
) -> None:
    """State the precision to a TensorRT without strong typing, and hold the norms at float32."""
    trt = runtime.trt
    if precision == 'fp32':
        return
    config.set_flag(trt.BuilderFlag.FP16)
    if precision == 'int8':
        config.set_flag(trt.BuilderFlag.INT8)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for _, layer in float32_layers(network, network_file):
        floats = layer.get_output(0).dtype in (trt.DataType.FLOAT, trt.DataType.HALF)
        if floats and layer.type != trt.LayerType.CAST:  # a cast states its type already
            layer.precision = trt.DataType.FLOAT
            layer.set_output_type(0, trt.DataType.FLOAT)


def float32_layers(network: Any, network_file: TypedNetwork) -> Iterator[tuple[str, Any]]:
    """Yield (node, layer) for each layer that the parser made of a node that stays float32."""
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        found = ONNX_NODE.search(layer.metadata or '')
        node = found.group(1) if found else layer.name
        if node in network_file.float32:
            yield node, layer


def check_precisions(
    trt: ModuleType, network: Any, network_file: TypedNetwork
) -> tuple[dict[str, int], int]:
    """Return layers by precision, and how many hold norms and statistics, all in float32.

    Raises BuildError where one of those is not, or cannot be found.
    """
    counts: Counter[str] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type == trt.LayerType.CONSTANT or not layer.num_outputs:
            continue
        name = PRECISION_OF_DTYPE.get(layer.get_output(0).dtype.name)
        if name is not None:
            counts[name] += 1
    found = list(float32_layers(network, network_file))
    missing = network_file.float32 - {node for node, _ in found}
    lower = [
        node
        for node, layer in found
        if layer.get_output(0).dtype in (trt.DataType.HALF, trt.DataType.INT8)
    ]
    if missing or lower:
        raise BuildError(
            'norms and statistics must be float32, but '
            + (
                f'{", ".join(sorted(lower))} came out lower'
                if lower
                else f'{", ".join(sorted(missing))} cannot be found in the parsed network'
            )
        )
    return dict(counts), len(found)


def count_inspected_layers(runtime: TensorRtRuntime, plan: bytes) -> dict[str, int]:
    """Return layers by the precision of what they put out, as TensorRT's inspector says."""
    loader = runtime.create('Runtime')
    engine = loader.deserialize_cuda_engine(plan)
    if engine is None:
        raise BuildError(f'{runtime.name} cannot load what it built: {runtime.logger.take()}')
    text = engine.create_engine_inspector().get_engine_information(
        runtime.trt.LayerInformationFormat.JSON
    )
    counts: Counter[str] = Counter()
    for layer in json.loads(text)['Layers']:
        formats = [output['Format/Datatype'] for output in layer['Outputs'][:1]]
        counts.update(
            name
            for name, words in INSPECTOR_WORDS.items()
            if any(word in said for said in formats for word in words)
        )
    return dict(counts)


def load_timing_cache(config: Any, path: Path) -> None:
    """Give the builder the measured kernels of a file, or none where there is no file yet."""
    content = path.read_bytes() if path.is_file() else b''
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        raise BuildError(f'the timing cache {path} is of another GPU or TensorRT: delete it')


def save_timing_cache(config: Any, path: Path) -> None:
    """Write the measured kernels, whole or not at all."""
    partial = path.with_name(f'{path.name}.partial')
    partial.write_bytes(bytes(memoryview(config.get_timing_cache().serialize())))
    partial.replace(path)
