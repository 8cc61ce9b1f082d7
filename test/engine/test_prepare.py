from __future__ import annotations

from dataclasses import replace

import pytest

from asap_ros.engine import cuda, prepare
from asap_ros.engine.base import EngineError
from asap_ros.engine.build import BuildError, Recipe
from asap_ros.engine.cuda import CudaError, Gpu

RECIPE = Recipe('fp16', (64, 128), 2, ('sm86', 'sm89'))
AMPERE = Gpu('Stand-in', 'sm86', 24 << 30, 20 << 30)


def no_gpu():
    raise CudaError('cudaErrorNoDevice', 'there is no NVIDIA GPU')


def test_built_once_and_found_from_then_on(rtx, shipped, cache):
    phases = []
    first = prepare.prepare(rtx, shipped, RECIPE, cache, None,
                            report=lambda phase, share: phases.append(phase))
    assert phases
    phases.clear()
    again = prepare.prepare(rtx, shipped, RECIPE, cache, None,
                            report=lambda phase, share: phases.append(phase))
    assert again == first and not phases
    assert prepare.find(rtx, shipped, replace(RECIPE, archs=()), cache, AMPERE) == first


def test_a_damaged_one_is_built_again(rtx, shipped, cache, entry):
    cache.put(entry.manifest, entry.plan[:-1])
    mended = prepare.prepare(rtx, shipped, RECIPE, cache, None)
    assert len(mended.plan) > len(entry.plan) // 2 and len(cache.faults) == 1
    assert cache.find(entry.manifest.key) == mended


def test_a_stopped_build_leaves_the_cache_as_it_was(rtx, shipped, cache):
    with pytest.raises(BuildError, match='stopped'):
        prepare.prepare(rtx, shipped, RECIPE, cache, None, stopped=lambda: True)
    assert not cache.manifests() and not list(cache.folder.glob('*.partial'))
    with cache.lock(prepare.make_key(shipped, rtx, RECIPE, ''), wait=False) as held:
        assert held


def test_the_gpu_in_this_machine_where_none_is_named(rtx):
    assert prepare.aimed(rtx, Recipe(), AMPERE).archs == ('sm86',)
    assert prepare.aimed(rtx, Recipe(archs=('sm89', 'sm89')), AMPERE).archs == ('sm89',)


def test_gpus_that_a_runtime_does_not_build_for(rtx):
    with pytest.raises(BuildError, match='does not build for sm90 here: sm75, .* are possible'):
        prepare.aimed(rtx, Recipe(archs=('sm89', 'sm90')), None)


def test_machine_without_a_gpu(rtx, monkeypatch):
    monkeypatch.setattr(cuda, 'gpu', no_gpu)
    assert prepare.gpu_for(rtx, ('sm86',)) is None
    with pytest.raises(EngineError, match='needs a GPU: there is no .*; --arch builds for'):
        prepare.gpu_for(rtx)


def test_gpu_that_the_runtime_does_not_know(rtx, monkeypatch):
    monkeypatch.setattr(cuda, 'gpu', lambda: replace(AMPERE, name='H100', arch='sm90'))
    with pytest.raises(EngineError, match=r'does not know the H100 \(sm90\), only .*: use tensor'):
        prepare.gpu_for(rtx)
