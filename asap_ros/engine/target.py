"""What a TensorRT engine is for: a runtime and a GPU, in this machine or another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asap_ros.engine import cuda
from asap_ros.engine.base import EngineError
from asap_ros.engine.cache import EngineCache
from asap_ros.engine.cuda import CudaError, Gpu
from asap_ros.engine.manifest import BuildError, Entry, Recipe, make_key
from asap_ros.engine.model_file import ModelFile
from asap_ros.engine.runtimes import TensorRt


@dataclass(frozen=True)
class Target:
    """A TensorRT runtime and the GPU that it would run on."""

    runtime: TensorRt
    gpu: Gpu


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


def find_built(runtime: TensorRt, model: ModelFile, recipe: Recipe, cache: EngineCache,
               gpu: Gpu | None) -> Entry | None:
    """Return what the cache has for a recipe, None where it must be built."""
    name = gpu.name if gpu else ''
    return cache.find(make_key(model, runtime, aimed(runtime, recipe, gpu), name))
