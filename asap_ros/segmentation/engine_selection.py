"""Which engine runs a network: the one that was asked for, or the best that works."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from asap_ros.segmentation.engine import (
    EngineError,
    Notify,
    ReportProgress,
    Severity,
    VerifiedEngine,
    ignore_events,
    verify,
)
from asap_ros.segmentation.engine_manager import EngineManager, EngineState
from asap_ros.segmentation.model_file import GoldenFrame, ModelFile, locate, shipped
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import cuda, runtimes
from asap_ros.segmentation.tensorrt.build_process import BuildProcess, BuildRequest
from asap_ros.segmentation.tensorrt.cuda import CudaError
from asap_ros.segmentation.tensorrt.engine import TensorRtEngine
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.runtimes import first_that_works
from asap_ros.segmentation.tensorrt.session import PlanRefused
from asap_ros.segmentation.tensorrt.target import (
    Target,
    find_cached,
    local_gpu,
    resolve_targets,
)

TENSORRT = ('tensorrt', 'tensorrt_rtx')
ENGINES = ('auto', *TENSORRT, 'onnxruntime')
PROVIDERS = ('auto', 'cpu', 'cuda')


@dataclass(frozen=True)
class EngineOptions:
    """What is wanted of an engine.

    ``provider`` and ``threads`` are ONNX Runtime's, ``plan`` and ``cache`` (a folder, empty for
    the usual one) TensorRT's. ``allow_fallback``: ONNX Runtime may take over where TensorRT was
    asked for and fails. ``build``: a missing engine is built while ONNX Runtime runs.
    """

    name: str = 'auto'
    provider: str = 'auto'
    threads: int = 0
    plan: PlanOptions = field(default_factory=PlanOptions)
    cache: str = ''
    allow_fallback: bool = False
    build: bool = False


def open_onnxruntime(model: ModelFile, provider: str = 'auto', threads: int = 0) -> VerifiedEngine:
    """Return ONNX Runtime with the network, verified on its golden frame.

    Raises EngineError where it cannot be had or does not reproduce the frame.
    """
    return verify(OnnxRuntimeEngine(model, provider, threads), model.path, model.golden)


def select_engine(
    model: ModelFile, options: EngineOptions, notify: Notify = ignore_events
) -> EngineManager:
    """Return the engine that runs a network.

    ``notify``: see ``EngineManager``. Raises EngineError where nothing that is allowed works.
    """
    if options.name not in ENGINES:
        raise EngineError(f'engine {options.name!r} is unknown: {", ".join(ENGINES)} are possible')
    if options.name == 'onnxruntime':
        return _use_onnxruntime(model, options, '', notify)
    try:
        target = find_target(options.name)
    except EngineError as error:
        if options.name == 'auto':
            return _use_onnxruntime(model, options, str(error), notify)
        return _fall_back_at_once(model, options, error, notify)
    try:
        cache = PlanCache(Path(options.cache) if options.cache else None)
        engine = _open_cached(model, options, target, cache)
    except EngineError as error:
        return _fall_back_at_once(model, options, error, notify)
    for fault in cache.faults:
        notify(Severity.WARNING, fault)
    if engine is not None:
        return EngineManager(engine, _fall_back(model, options), notify=notify)
    return _build_missing(model, options, target, cache, notify)


def find_target(name: str = 'auto') -> Target:
    """Return a TensorRT runtime by name, or the first that works, and the GPU in this machine.

    Raises EngineError that says why there is none.
    """
    if name != 'auto':
        return _open_target(name)
    try:
        cuda.gpu()
    except CudaError as error:  # before hundreds of megabytes are loaded for nothing
        raise EngineError(f'TensorRT is for GPUs: {error}') from error
    return first_that_works(TENSORRT, _open_target)


def open_plan(
    model: ModelFile, target: Target, entry: CachedPlan, options: EngineOptions
) -> VerifiedEngine:
    """Return a plan as an engine, verified at its own resolution. Raises EngineError."""
    key = entry.manifest.key
    engine = TensorRtEngine(target.runtime, entry, target.gpu.name)
    try:
        golden = golden_at(model, key.size, options.threads)
        return verify(engine, model.path, golden, batches=(1, key.batch))
    except EngineError:
        engine.close()
        raise


def golden_at(model: ModelFile, size: tuple[int, int], threads: int = 0) -> GoldenFrame:
    """Return the golden frame at (height, width) and the mask that it must give.

    The file states the mask of one size. At another one it is that of ONNX Runtime on the CPU,
    which has to reproduce the stated one first.
    """
    if model.golden.mask.shape == tuple(size):
        return model.golden
    reference = open_onnxruntime(model, 'cpu', threads).engine
    frame = cv2.resize(model.golden.frame, size[::-1], interpolation=cv2.INTER_LINEAR)
    return GoldenFrame(frame, reference.infer(frame[np.newaxis])[0][0])


def _open_target(name: str) -> Target:
    runtime = runtimes.load(name)
    return Target(runtime, local_gpu(runtime))


def _open_cached(
    model: ModelFile, options: EngineOptions, target: Target, cache: PlanCache
) -> VerifiedEngine | None:
    """Return the engine that the cache has, verified; None where it must be built."""
    entry = find_cached(target.runtime, model, options.plan, cache, target.gpu)
    if entry is None:
        return None
    try:
        return open_plan(model, target, entry, options)
    except PlanRefused as error:  # whole, and yet not for this driver or GPU
        cache.discard(entry.manifest.key, str(error))
        return None


def _fall_back(model: ModelFile, options: EngineOptions) -> Callable[[], VerifiedEngine] | None:
    """Return what makes the engine that runs once TensorRT has failed, None for none."""
    if not options.allow_fallback:
        return None
    return lambda: open_onnxruntime(model, 'cpu', options.threads)  # the GPU may have failed


def _use_onnxruntime(
    model: ModelFile,
    options: EngineOptions,
    message: str,
    notify: Notify,
    state: EngineState = EngineState.CHOSEN,
) -> EngineManager:
    """Return ONNX Runtime alone; ``message``: why, where it was not asked for."""
    engine = open_onnxruntime(model, options.provider, options.threads)
    return EngineManager(engine, state=state, message=message, notify=notify)


def _fall_back_at_once(
    model: ModelFile, options: EngineOptions, error: EngineError, notify: Notify
) -> EngineManager:
    """Return ONNX Runtime in place of a TensorRT that failed, or raise where it may not."""
    if not options.allow_fallback:
        raise error
    notify(Severity.WARNING, f'onnxruntime serves in place of TensorRT: {error}')
    return _use_onnxruntime(model, options, str(error), notify, EngineState.FALLBACK)


def _build_command(model: ModelFile, options: EngineOptions, target: Target) -> str:
    """Return the command that builds what is missing, of its options those that are needed."""
    plan, usual = options.plan, PlanOptions()
    name = model.path.stem
    if name not in shipped() or not locate(name).samefile(model.path):
        name = str(model.path.resolve())
    words = ['ros2 run asap_ros build_engine', shlex.quote(name), '--runtime', target.runtime.name]
    if plan.precision != usual.precision:
        words += ['--precision', plan.precision]
    if plan.size != usual.size:
        words += ['--size', f'{plan.size[0]}x{plan.size[1]}']
    if plan.batch != usual.batch:
        words += ['--batch', str(plan.batch)]
    if options.cache:
        words += ['--cache', shlex.quote(options.cache)]
    return ' '.join(words)


def _build_missing(
    model: ModelFile, options: EngineOptions, target: Target, cache: PlanCache, notify: Notify
) -> EngineManager:
    """Return ONNX Runtime, and what was asked for once it is built."""
    missing = (
        f'no engine of {model.path.stem} is built for {target.runtime.name} '
        f'{target.runtime.version}, {target.gpu.name}, {options.plan.precision}, '
        f'{options.plan.size[0]}x{options.plan.size[1]}'
    )
    advice = f'{missing}: {_build_command(model, options, target)} builds it'
    if not options.build and options.name == 'auto':
        return _use_onnxruntime(model, options, advice, notify)
    if not (options.build and options.allow_fallback):
        raise EngineError(advice)
    manager = EngineManager(
        open_onnxruntime(model, options.provider, options.threads),
        _fall_back(model, options),
        message=advice,
        notify=notify,
    )
    process = BuildProcess(
        BuildRequest(
            str(model.path.resolve()),
            model.sha256,
            target.runtime.name,
            resolve_targets(target.runtime, options.plan, target.gpu),
            str(cache.folder),
        )
    )

    def build(report: ReportProgress) -> VerifiedEngine:
        process.wait(report)
        entry = find_cached(target.runtime, model, options.plan, cache, target.gpu)
        if entry is None:
            raise EngineError('; '.join(cache.faults) or 'the engine vanished from the cache')
        return open_plan(model, target, entry, options)

    manager.build_in_background(build, process.stop)
    notify(Severity.INFO, f'{missing}; building it, onnxruntime serves meanwhile')
    return manager
