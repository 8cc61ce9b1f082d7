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


def find_gpu(runtime: TensorRtRuntime, archs: tuple[str, ...] = ()) -> Gpu | None:
    """Return the GPU to build on; None where there is none and ``archs`` need none.

    Raises EngineError where one is needed: see ``local_gpu``.
    """
    if not (archs and runtime.cross_targets):
        return local_gpu(runtime)
    try:
        return cuda.gpu()
    except CudaError:
        return None


def local_gpu(runtime: TensorRtRuntime) -> Gpu:
    """Return the GPU in this machine; EngineError where the runtime has none that it knows."""
    try:
        gpu = cuda.gpu()
    except CudaError as error:
        raise EngineError(
            f'{runtime.name} needs a GPU: {error}'
            + ('; --arch builds for the GPU of another machine' if runtime.cross_targets else '')
        ) from error
    if runtime.cross_targets and gpu.arch not in runtime.cross_targets:
        raise EngineError(
            f'{runtime.name} {runtime.version} does not know the {gpu.name} ({gpu.arch}), only '
            f'{", ".join(runtime.cross_targets)}: use tensorrt'
        )
    return gpu


def resolve_targets(
    runtime: TensorRtRuntime, options: PlanOptions, gpu: Gpu | None
) -> PlanOptions:
    """Return the options with their GPUs named; BuildError where one is not to be built for."""
    here = (gpu.arch,) if gpu else ()
    archs, possible = options.archs or here, runtime.cross_targets or here
    if not archs:
        raise BuildError(f'{runtime.name} builds for no GPU: there is none here and none is named')
    unknown = [arch for arch in archs if arch not in possible]
    if unknown:
        raise BuildError(
            f'{runtime.name} {runtime.version} does not build for {", ".join(unknown)} here: '
            f'{", ".join(possible)} are possible'
            + ('' if runtime.cross_targets else ', the GPU in this machine alone')
        )
    return replace(options, archs=tuple(dict.fromkeys(archs)))


def find_cached(
    runtime: TensorRtRuntime,
    model: ModelFile,
    options: PlanOptions,
    cache: PlanCache,
    gpu: Gpu,
) -> CachedPlan | None:
    """Return the plan that the cache has for these options, None where it must be built."""
    return cache.find(make_key(model, runtime, resolve_targets(runtime, options, gpu), gpu.name))
