"""An engine for a network: out of the cache, or built into it once, whoever else wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asap_ros.segmentation.engine import ReportProgress
from asap_ros.segmentation.model_file import ModelFile
from asap_ros.segmentation.tensorrt.builder import build
from asap_ros.segmentation.tensorrt.cuda import Gpu
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions, make_key, make_manifest
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime
from asap_ros.segmentation.tensorrt.target import resolve_targets


def find_or_build(
    runtime: TensorRtRuntime,
    model: ModelFile,
    options: PlanOptions,
    cache: PlanCache,
    gpu: Gpu | None,
    timing_cache: Path | None = None,
    report: ReportProgress = lambda phase, share: None,
    stopped: Callable[[], bool] = lambda: False,
) -> CachedPlan:
    """Return an engine from the cache, built first where it is not there.

    ``stopped`` may end the build: see ``build``. Where another process builds the same engine,
    its end is waited for. Raises EngineError.
    """
    options = resolve_targets(runtime, options, gpu)
    key = make_key(model, runtime, options, gpu.name if gpu else '')

    def locked() -> CachedPlan:
        found = cache.find(key)
        if found is not None:
            return found
        built = build(runtime, model, options, timing_cache, report, stopped)
        manifest = make_manifest(built, key, model)
        cache.put(manifest, built.plan)
        return CachedPlan(manifest, built.plan)

    with cache.lock(key, wait=False) as held:
        if held:
            return locked()
    report('waiting for another process that builds the same engine', 0.0)
    with cache.lock(key):
        return locked()
