from __future__ import annotations

from dataclasses import replace

import pytest

from asap_ros.segmentation.tensorrt import target
from asap_ros.segmentation.tensorrt.cuda import Gpu
from asap_ros.segmentation.tensorrt.find_or_build import find_or_build
from asap_ros.segmentation.tensorrt.plan import BuildError, PlanOptions, make_key

OPTIONS = PlanOptions('fp16', (64, 128), 2, ('sm86', 'sm89'))
AMPERE = Gpu('Stand-in', 'sm86', 24 << 30, 20 << 30)


def test_built_once_and_found_from_then_on(rtx, shipped, cache):
    phases = []
    first = find_or_build(
        rtx, shipped, OPTIONS, cache, None, report=lambda phase, share: phases.append(phase)
    )
    assert phases
    phases.clear()
    again = find_or_build(
        rtx, shipped, OPTIONS, cache, None, report=lambda phase, share: phases.append(phase)
    )
    assert again == first and not phases
    assert target.find_cached(rtx, shipped, replace(OPTIONS, archs=()), cache, AMPERE) == first


def test_a_damaged_one_is_built_again(rtx, shipped, cache, entry):
    cache.put(entry.manifest, entry.plan[:-1])
    mended = find_or_build(rtx, shipped, OPTIONS, cache, None)
    assert len(mended.plan) > len(entry.plan) // 2 and len(cache.faults) == 1
    assert cache.find(entry.manifest.key) == mended


def test_a_stopped_build_leaves_the_cache_as_it_was(rtx, shipped, cache):
    with pytest.raises(BuildError, match='stopped'):
        find_or_build(rtx, shipped, OPTIONS, cache, None, stopped=lambda: True)
    assert not cache.manifests() and not list(cache.folder.glob('*.partial'))
    with cache.lock(make_key(shipped, rtx, OPTIONS, ''), wait=False) as held:
        assert held
