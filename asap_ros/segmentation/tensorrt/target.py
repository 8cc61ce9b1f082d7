"""What a TensorRT engine is for: a runtime and a GPU, in this machine or another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import ModelFile
from asap_ros.segmentation.tensorrt import cuda
from asap_ros.segmentation.tensorrt.cuda import CudaError, Gpu
from asap_ros.segmentation.tensorrt.plan import BuildError, CachedPlan, PlanOptions, make_key
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime


@dataclass(frozen=True)
class Target:
    """A TensorRT runtime and the GPU that it would run on."""

    runtime: TensorRtRuntime
    gpu: Gpu


def gpu_for(runtime: TensorRtRuntime, archs: tuple[str, ...] = ()) -> Gpu | None:
    """Return the GPU in this machine; None where there is none and ``archs`` need none.

    Raises EngineError where one is needed, or the runtime does not know the one there is.
    """
    try:
        gpu = cuda.gpu()
    except CudaError as error:
        if archs and runtime.cross_targets:
            return None
        raise EngineError(
            f'{runtime.name} needs a GPU: {error}'
            + ('; --arch builds for the GPU of another machine' if runtime.cross_targets else '')
        ) from error
    if runtime.cross_targets and not archs and gpu.arch not in runtime.cross_targets:
        raise EngineError(
            f'{runtime.name} {runtime.version} does not know the {gpu.name} ({gpu.arch}), only '
            f'{", ".join(runtime.cross_targets)}: use tensorrt'
        )
    return gpu


def aimed(runtime: TensorRtRuntime, recipe: PlanOptions, gpu: Gpu | None) -> PlanOptions:
    """Return the recipe with its GPUs named; BuildError where it cannot be built for one."""
    archs = recipe.archs or (gpu.arch,)
    possible = runtime.cross_targets or (gpu.arch,)
    unknown = [arch for arch in archs if arch not in possible]
    if unknown:
        raise BuildError(
            f'{runtime.name} {runtime.version} does not build for {", ".join(unknown)} here: '
            f'{", ".join(possible)} are possible'
            + ('' if runtime.cross_targets else ', the GPU in this machine alone')
        )
    return replace(recipe, archs=tuple(dict.fromkeys(archs)))


def find_built(
    runtime: TensorRtRuntime,
    model: ModelFile,
    recipe: PlanOptions,
    cache: PlanCache,
    gpu: Gpu | None,
) -> CachedPlan | None:
    """Return what the cache has for a recipe, None where it must be built."""
    name = gpu.name if gpu else ''
    return cache.find(make_key(model, runtime, aimed(runtime, recipe, gpu), name))
