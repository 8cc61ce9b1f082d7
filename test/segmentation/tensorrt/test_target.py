from __future__ import annotations

from dataclasses import replace

import pytest

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.tensorrt import cuda, target
from asap_ros.segmentation.tensorrt.cuda import CudaError, Gpu
from asap_ros.segmentation.tensorrt.plan import BuildError, PlanOptions

AMPERE = Gpu('Stand-in', 'sm86', 24 << 30, 20 << 30)


def no_gpu():
    raise CudaError('cudaErrorNoDevice', 'there is no NVIDIA GPU')


def test_the_gpu_in_this_machine_where_none_is_named(rtx):
    assert target.resolve_targets(rtx, PlanOptions(), AMPERE).archs == ('sm86',)
    assert target.resolve_targets(rtx, PlanOptions(archs=('sm89', 'sm89')), AMPERE).archs == (
        'sm89',
    )


def test_gpus_that_a_runtime_does_not_build_for(rtx):
    with pytest.raises(BuildError, match='does not build for sm90 here: sm75, .* are possible'):
        target.resolve_targets(rtx, PlanOptions(archs=('sm89', 'sm90')), None)


def test_machine_without_a_gpu(rtx, monkeypatch):
    monkeypatch.setattr(cuda, 'gpu', no_gpu)
    assert target.find_gpu(rtx, ('sm86',)) is None
    with pytest.raises(EngineError, match='needs a GPU: there is no .*; --arch builds for'):
        target.find_gpu(rtx)


def test_gpu_that_the_runtime_does_not_know(rtx, monkeypatch):
    monkeypatch.setattr(cuda, 'gpu', lambda: replace(AMPERE, name='H100', arch='sm90'))
    with pytest.raises(EngineError, match=r'does not know the H100 \(sm90\), only .*: use tensor'):
        target.find_gpu(rtx)
