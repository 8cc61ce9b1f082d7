"""An engine for a network: out of the cache, or built into it once, whoever else wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from asap_ros.engine import cuda
from asap_ros.engine.base import EngineError
from asap_ros.engine.build import BuildError, Recipe, build
from asap_ros.engine.cache import EngineCache
from asap_ros.engine.cuda import CudaError, Gpu
from asap_ros.engine.manifest import Entry, describe, make_key
from asap_ros.engine.model_file import ModelFile
from asap_ros.engine.runtimes import TensorRt


def gpu_for(runtime: TensorRt, archs: tuple[str, ...] = ()) -> Gpu | None:
    """Return the GPU in this machine; None where there is none and ``archs`` need none.

    Raises EngineError where one is needed, or the runtime does not know the one there is.
    """
    try:
        gpu = cuda.gpu()
    except CudaError as error:
        if archs and runtime.cross_targets:
            return None
        raise EngineError(f'{runtime.name} needs a GPU: {error}' + (
            '; --arch builds for the GPU of another machine' if runtime.cross_targets else '')
        ) from error
    if runtime.cross_targets and not archs and gpu.arch not in runtime.cross_targets:
        raise EngineError(
            f'{runtime.name} {runtime.version} does not know the {gpu.name} ({gpu.arch}), only '
            f'{", ".join(runtime.cross_targets)}: use tensorrt')
    return gpu


def aimed(runtime: TensorRt, recipe: Recipe, gpu: Gpu | None) -> Recipe:
    """Return the recipe with its GPUs named; BuildError where it cannot be built for one."""
    archs = recipe.archs or (gpu.arch,)
    possible = runtime.cross_targets or (gpu.arch,)
    unknown = [arch for arch in archs if arch not in possible]
    if unknown:
        raise BuildError(
            f'{runtime.name} {runtime.version} does not build for {", ".join(unknown)} here: '
            f'{", ".join(possible)} are possible'
            + ('' if runtime.cross_targets else ', the GPU in this machine alone'))
    return replace(recipe, archs=tuple(dict.fromkeys(archs)))


def find(runtime: TensorRt, model: ModelFile, recipe: Recipe, cache: EngineCache,
         gpu: Gpu | None) -> Entry | None:
    """Return what the cache has for a recipe, None where it must be built."""
    name = gpu.name if gpu else ''
    return cache.find(make_key(model, runtime, aimed(runtime, recipe, gpu), name))


def prepare(runtime: TensorRt, model: ModelFile, recipe: Recipe, cache: EngineCache,
            gpu: Gpu | None, timing_cache: Path | None = None,
            report: Callable[[str, float], None] = lambda phase, share: None,
            stopped: Callable[[], bool] = lambda: False) -> Entry:
    """Return an engine from the cache, built first where it is not there.

    ``report`` gets (phase, share done) and ``stopped`` may end it: see ``build``. Where another
    process builds the same engine, its end is waited for. Raises EngineError.
    """
    recipe = aimed(runtime, recipe, gpu)
    key = make_key(model, runtime, recipe, gpu.name if gpu else '')
    with cache.lock(key, wait=False) as held:
        if held:
            return _find_or_build(
                runtime, model, recipe, cache, key, timing_cache, report, stopped)
    report('waiting for another process that builds the same engine', 0.0)
    with cache.lock(key):
        return _find_or_build(runtime, model, recipe, cache, key, timing_cache, report, stopped)


def _find_or_build(runtime, model, recipe, cache, key, timing_cache, report, stopped) -> Entry:
    found = cache.find(key)
    if found is not None:
        return found
    built = build(runtime, model, recipe, timing_cache, report, stopped)
    manifest = describe(built, key, model)
    cache.put(manifest, built.plan)
    return Entry(manifest, built.plan)
