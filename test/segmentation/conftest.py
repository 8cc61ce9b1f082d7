"""The TensorRT-RTX that builds without a GPU, and plans of shipped models that it built."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.tensorrt import runtimes
from asap_ros.segmentation.tensorrt.builder import build
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions, make_key, make_manifest
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache

OPTIONS = PlanOptions('fp16', (64, 128), 2, ('sm86', 'sm89'))
NAME = 'asap_mobilenet_v2_camvid'


@pytest.fixture(scope='session')
def rtx():
    """TensorRT-RTX, which builds on any x86-64 machine."""
    try:
        return runtimes.load('tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='session')
def shipped():
    """The default model."""
    return model_file.read(model_file.locate(NAME))


@pytest.fixture(scope='session')
def entry(rtx, shipped):
    """A real plan of the default model for SM86 and SM89, fp16, batches of 1 and 2."""
    return make_entry(rtx, shipped, OPTIONS)


@pytest.fixture(scope='session')
def other(rtx, shipped):
    """A real plan of the same network in fp32."""
    return make_entry(rtx, shipped, replace(OPTIONS, precision='fp32'))


@pytest.fixture
def cache(tmp_path):
    """A cache of its own."""
    return PlanCache(tmp_path / 'engines')


def make_entry(runtime, model, options) -> CachedPlan:
    """Build a plan and return it as a cache does."""
    built = build(runtime, model, options)
    return CachedPlan(
        make_manifest(built, make_key(model, runtime, options, ''), model), built.plan
    )
