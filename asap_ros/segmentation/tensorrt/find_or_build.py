"""An engine for a network: out of the cache, or built into it once, whoever else wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asap_ros.segmentation.model_file import ModelFile
from asap_ros.segmentation.tensorrt.builder import build
from asap_ros.segmentation.tensorrt.cuda import Gpu
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions, describe, make_key
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime
from asap_ros.segmentation.tensorrt.target import aimed


def prepare(
    runtime: TensorRtRuntime,
    model: ModelFile,
    recipe: PlanOptions,
    cache: PlanCache,
    gpu: Gpu | None,
    timing_cache: Path | None = None,
    report: Callable[[str, float], None] = lambda phase, share: None,
    stopped: Callable[[], bool] = lambda: False,
) -> CachedPlan:
    """Return an engine from the cache, built first where it is not there.

    ``report`` gets (phase, share done) and ``stopped`` may end it: see ``build``. Where another
    process builds the same engine, its end is waited for. Raises EngineError.
    """
    recipe = aimed(runtime, recipe, gpu)
    key = make_key(model, runtime, recipe, gpu.name if gpu else '')
    with cache.lock(key, wait=False) as held:
        if held:
            return _find_or_build(
                runtime, model, recipe, cache, key, timing_cache, report, stopped
            )
    report('waiting for another process that builds the same engine', 0.0)
    with cache.lock(key):
        return _find_or_build(runtime, model, recipe, cache, key, timing_cache, report, stopped)


def _find_or_build(
    runtime, model, recipe, cache, key, timing_cache, report, stopped
) -> CachedPlan:
    found = cache.find(key)
    if found is not None:
        return found
    built = build(runtime, model, recipe, timing_cache, report, stopped)
    manifest = describe(built, key, model)
    cache.put(manifest, built.plan)
    return CachedPlan(manifest, built.plan)
