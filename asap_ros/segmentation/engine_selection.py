"""Which engine runs a network: the one that was asked for, or the best that works."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from asap_ros.segmentation.engine import Engine, EngineError, EngineFacts, prove
from asap_ros.segmentation.engine_manager import EngineManager, EngineState, ProvenEngine
from asap_ros.segmentation.model_file import GoldenFrame, ModelFile, locate, shipped
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import cuda, runtimes
from asap_ros.segmentation.tensorrt.build_process import BuildProcess, BuildRequest
from asap_ros.segmentation.tensorrt.cuda import CudaError
from asap_ros.segmentation.tensorrt.engine import PlanRefused, TensorRtEngine
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.target import Target, aimed, find_built, gpu_for

TENSORRT = ('tensorrt', 'tensorrt_rtx')
ENGINES = ('auto', *TENSORRT, 'onnxruntime')
PROVIDERS = ('auto', 'cpu', 'cuda')


@dataclass(frozen=True)
class EngineOptions:
    """What is wanted of an engine.

    ``provider`` and ``threads`` are ONNX Runtime's, ``recipe`` and ``cache`` (a folder, empty for
    the usual one) TensorRT's. ``allow_fallback``: ONNX Runtime may serve where TensorRT was
    asked for and fails. ``build``: a missing engine is built while ONNX Runtime serves.
    """

    name: str = 'auto'
    provider: str = 'auto'
    threads: int = 0
    recipe: PlanOptions = field(default_factory=PlanOptions)
    cache: str = ''
    allow_fallback: bool = False
    build: bool = False


def open_engine(
    model: ModelFile,
    provider: str = 'auto',
    threads: int = 0,
) -> tuple[Engine, EngineFacts]:
    """Return ONNX Runtime with the network, proven on its golden frame, and what it is.

    Raises EngineError where it cannot be had or does not reproduce the frame.
    """
    engine = OnnxRuntimeEngine(model, provider, threads)
    return engine, prove('onnxruntime', engine, model.path, model.golden)


def serve(
    model: ModelFile,
    options: EngineOptions,
    notify: Callable[[bool, str], None] = lambda good, text: None,
) -> EngineManager:
    """Return the engine that serves a network.

    ``notify``: see ``EngineManager``. Raises EngineError where nothing that is allowed works.
    """
    if options.name not in ENGINES:
        raise EngineError(f'engine {options.name!r} is unknown: {", ".join(ENGINES)} are possible')
    target, reason = (None, '') if options.name == 'onnxruntime' else find_target(options)
    if target is None:
        return _without(model, options, reason, options.name in TENSORRT, notify)
    try:
        cache = PlanCache(Path(options.cache) if options.cache else None)
        proven = _cached(model, options, target, cache)
    except EngineError as error:
        return _without(model, options, str(error), True, notify)
    for fault in cache.faults:
        notify(False, fault)
    if proven is not None:
        return EngineManager(proven, _fall_back(model, options), notify=notify)
    return _while_building(model, options, target, cache, notify)


def find_target(options: EngineOptions) -> tuple[Target | None, str]:
    """Return the runtime and GPU that were asked for, or the first there are, or None and why."""
    if options.name == 'auto':
        try:
            cuda.gpu()
        except CudaError as error:  # before hundreds of megabytes are loaded for nothing
            return None, f'TensorRT is for GPUs: {error}'
    reasons = []
    for name in TENSORRT if options.name == 'auto' else (options.name,):
        try:
            runtime = runtimes.load(name)
            return Target(runtime, gpu_for(runtime)), ''
        except EngineError as error:
            reasons.append(str(error))
    return None, '; '.join(reasons)


def open_plan(
    model: ModelFile, target: Target, entry: CachedPlan, options: EngineOptions
) -> ProvenEngine:
    """Return a plan as an engine, proven at its own resolution. Raises EngineError."""
    engine = TensorRtEngine(target.runtime, entry, target.gpu.name)
    try:
        golden = golden_at(model, entry.manifest.key.size, options.threads)

        def again() -> EngineFacts:
            facts = prove(
                target.runtime.name,
                engine,
                model.path,
                golden,
                batches=(1, entry.manifest.key.batch),
            )
            return replace(facts, details=engine.details())

        return ProvenEngine(engine, again(), again)
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
    reference, _ = open_engine(model, 'cpu', threads)
    frame = cv2.resize(model.golden.frame, size[::-1], interpolation=cv2.INTER_LINEAR)
    return GoldenFrame(frame, reference.infer(frame[np.newaxis])[0][0])


def _cached(
    model: ModelFile, options: EngineOptions, target: Target, cache: PlanCache
) -> ProvenEngine | None:
    """Return the engine that the cache has, proven; None where it must be built."""
    entry = find_built(target.runtime, model, options.recipe, cache, target.gpu)
    if entry is None:
        return None
    try:
        return open_plan(model, target, entry, options)
    except PlanRefused as error:  # whole, and yet not for this driver or GPU
        cache.discard(entry.manifest.key, str(error))
        return None


def _onnxruntime(model: ModelFile, provider: str, threads: int) -> ProvenEngine:
    engine, facts = open_engine(model, provider, threads)
    return ProvenEngine(engine, facts, lambda: facts)


def _fall_back(model: ModelFile, options: EngineOptions) -> Callable[[], ProvenEngine] | None:
    """Return what makes the engine that serves once TensorRT has failed, None for none."""
    if not options.allow_fallback:
        return None
    return lambda: _onnxruntime(model, 'cpu', options.threads)  # the GPU may be what failed


def _without(
    model: ModelFile, options: EngineOptions, reason: str, failed: bool, notify
) -> EngineManager:
    """Return ONNX Runtime: asked for, or the best there is, or because TensorRT has ``failed``."""
    if failed and not options.allow_fallback:
        raise EngineError(reason)
    if failed:
        notify(False, f'onnxruntime serves in place of TensorRT: {reason}')
    return EngineManager(
        _onnxruntime(model, options.provider, options.threads),
        state=EngineState.FALLBACK if failed else EngineState.CHOSEN,
        message=reason,
        notify=notify,
    )


def _build_command(model: ModelFile, options: EngineOptions, target: Target) -> str:
    """Return the command that builds what is missing, of its options those that are needed."""
    recipe, usual = options.recipe, PlanOptions()
    name = model.path.stem
    if name not in shipped() or not locate(name).samefile(model.path):
        name = str(model.path.resolve())
    words = ['ros2 run asap_ros build_engine', shlex.quote(name), '--runtime', target.runtime.name]
    if recipe.precision != usual.precision:
        words += ['--precision', recipe.precision]
    if recipe.size != usual.size:
        words += ['--size', f'{recipe.size[0]}x{recipe.size[1]}']
    if recipe.batch != usual.batch:
        words += ['--batch', str(recipe.batch)]
    if options.cache:
        words += ['--cache', shlex.quote(options.cache)]
    return ' '.join(words)


def _while_building(
    model: ModelFile, options: EngineOptions, target: Target, cache: PlanCache, notify
) -> EngineManager:
    """Return ONNX Runtime, and what was asked for once it is built."""
    missing = (
        f'no engine of {model.path.stem} is built for {target.runtime.name} '
        f'{target.runtime.version}, {target.gpu.name}, {options.recipe.precision}, '
        f'{options.recipe.size[0]}x{options.recipe.size[1]}: '
        f'{_build_command(model, options, target)} builds it'
    )
    if not options.build and options.name == 'auto':
        return _without(model, options, missing, False, notify)
    if not (options.build and options.allow_fallback):
        raise EngineError(missing)
    served = EngineManager(
        _onnxruntime(model, options.provider, options.threads),
        _fall_back(model, options),
        message=missing,
        notify=notify,
    )
    process = BuildProcess(
        BuildRequest(
            str(model.path.resolve()),
            target.runtime.name,
            aimed(target.runtime, options.recipe, target.gpu),
            str(cache.folder),
        )
    )

    def make(report: Callable[[str, float], None]) -> ProvenEngine:
        process.wait(report)
        entry = find_built(target.runtime, model, options.recipe, cache, target.gpu)
        if entry is None:
            raise EngineError('; '.join(cache.faults) or 'the engine vanished from the cache')
        return open_plan(model, target, entry, options)

    served.prepare(make, process.stop)
    notify(
        True, f'{missing[: missing.index(": ros2")]}; building it, onnxruntime serves meanwhile'
    )
    return served
