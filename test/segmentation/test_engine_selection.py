"""Which engine is chosen: on this machine, and on one with a GPU (support/fake_gpu.py)."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip('cuda.bindings', reason='needs the ROS environment')

from asap_ros.segmentation import engine_selection
from asap_ros.segmentation.engine import EngineError, Severity
from asap_ros.segmentation.engine_manager import EngineState
from asap_ros.segmentation.engine_selection import EngineOptions, golden_at, select_engine
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import cuda, runtimes
from asap_ros.segmentation.tensorrt.cuda import CudaError
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from support import fake_gpu

SIZE = (64, 128)
PATIENCE = 120.0
CUDA = 'cudaErrorIllegalAddress'


@pytest.fixture(scope='module')
def reference(shipped):
    return OnnxRuntimeEngine(shipped, 'cpu', 1)


@pytest.fixture
def gpu(monkeypatch, rtx, reference):
    return fake_gpu.install(monkeypatch, rtx, reference.infer)


@pytest.fixture
def options(cache):
    return EngineOptions(
        'auto', 'cpu', 1, PlanOptions('fp16', SIZE), str(cache.folder), True, True
    )


@pytest.fixture
def served(shipped, options):
    """Serve the default model, options changed by name; news are kept in ``served.news``."""
    made = []

    def make(model=shipped, **changes):
        make.news = []
        made.append(
            select_engine(
                model,
                replace(options, **changes),
                lambda severity, text: make.news.append((severity, text)),
            )
        )
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def frame(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, *SIZE, 3), np.uint8)


def without_runtimes(monkeypatch):
    def load(name):
        raise EngineError(f'{name} is not installed')

    monkeypatch.setattr(runtimes, 'load', load)


def test_auto_without_a_gpu_loads_no_tensorrt(served, monkeypatch):
    def fail(name):
        raise AssertionError(f'{name} was loaded')

    def none():
        raise CudaError('cudaErrorNoDevice', 'there is no NVIDIA GPU')

    monkeypatch.setattr(cuda, 'gpu', none)
    monkeypatch.setattr(runtimes, 'load', fail)
    engine = served(allow_fallback=False)
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.CHOSEN
    assert engine.message == 'TensorRT is for GPUs: there is no NVIDIA GPU' and not served.news


def test_auto_without_tensorrt(served, gpu, monkeypatch):
    without_runtimes(monkeypatch)
    engine = served(allow_fallback=False)
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.CHOSEN
    assert engine.message == 'tensorrt is not installed; tensorrt_rtx is not installed'
    assert not served.news


@pytest.mark.parametrize('name', ['tensorrt', 'tensorrt_rtx'])
def test_tensorrt_that_is_not_there(served, monkeypatch, name):
    without_runtimes(monkeypatch)
    with pytest.raises(EngineError, match=f'{name} is not installed'):
        served(name=name, allow_fallback=False)
    engine = served(name=name)
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.FALLBACK
    assert served.news == [
        (Severity.WARNING, f'onnxruntime serves in place of TensorRT: {name} is not installed')
    ]


def test_unknown_engine(served):
    with pytest.raises(EngineError, match="engine 'abacus' is unknown: auto, tensorrt, tens"):
        served(name='abacus')


@pytest.mark.parametrize('name', ['auto', 'tensorrt_rtx'])
def test_an_engine_that_is_built_serves_at_once(served, gpu, cache, entry, reference, name):
    cache.put(entry.manifest, entry.plan)  # of batches up to 2, for sm86 and sm89
    engine = served(name=name, allow_fallback=False)
    facts = engine.facts
    assert (facts.name, facts.provider, facts.precision) == (
        'tensorrt_rtx',
        'Stand-in RTX 3090',
        'fp16',
    )
    assert facts.golden_deviation == 0 and facts.details['cuda_graph'] == 'yes'
    for ours, theirs in zip(engine.infer(frame()), reference.infer(frame())):
        np.testing.assert_array_equal(ours, theirs)
    engine.close()
    assert not gpu.held


def wait_until_built(engine):
    engine._building.join(PATIENCE)
    assert not engine._building.is_alive()


def test_onnxruntime_serves_while_the_engine_is_built_in_another_process(
    served, gpu, cache, reference
):
    engine = served()
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.BUILDING
    assert 'building it, onnxruntime serves meanwhile' in served.news[0][1]
    labels, _ = engine.infer(frame())
    np.testing.assert_array_equal(labels, reference.infer(frame())[0])
    wait_until_built(engine)
    labels, _ = engine.infer(frame(1))
    np.testing.assert_array_equal(labels, reference.infer(frame(1))[0])
    assert engine.facts.name == 'tensorrt_rtx' and engine.state is EngineState.CHOSEN
    assert 'switched from onnxruntime to tensorrt_rtx' in served.news[-1][1]
    (manifest,) = cache.manifests()
    assert manifest.key.archs == ('sm86',) and manifest.key.size == SIZE
    assert served().facts.name == 'tensorrt_rtx', 'the next time it is there'


def test_nothing_serves_meanwhile_where_that_is_not_allowed(served, gpu):
    for name in ('auto', 'tensorrt_rtx'):
        with pytest.raises(
            EngineError,
            match='no engine of asap_mobilenet_v2_camvid is built for '
            'tensorrt_rtx .*Stand-in.*ros2 run asap_ros build_engine '
            'asap_mobilenet_v2_camvid '
            '--runtime tensorrt_rtx --size 64x128 --cache .* builds it',
        ):
            served(name=name, allow_fallback=False)


def test_who_does_not_build_takes_what_there_is(served, gpu, cache):
    engine = served(build=False)
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.CHOSEN
    assert 'build_engine' in engine.message and not cache.manifests()
    with pytest.raises(EngineError, match='no engine'):
        served(name='tensorrt_rtx', build=False)


def test_a_build_that_fails_is_told(served, gpu):
    engine = served(plan=PlanOptions('int8', SIZE))
    wait_until_built(engine)
    assert engine.state is EngineState.FALLBACK and 'holds no quantisation' in engine.message
    assert engine.infer(frame())[0].shape == (1, *SIZE)


def test_closing_ends_the_build(served, gpu, cache):
    begun = time.monotonic()
    served().close()
    assert time.monotonic() - begun < PATIENCE
    assert not list(cache.folder.glob('*.partial'))


def test_a_damaged_engine_is_built_again(served, gpu, cache, entry):
    cache.put(entry.manifest, entry.plan[:-1])
    engine = served()
    assert any(
        'is damaged' in text and severity is Severity.WARNING for severity, text in served.news
    )
    wait_until_built(engine)
    engine.infer(frame())
    assert engine.facts.name == 'tensorrt_rtx'


def test_an_engine_that_the_runtime_refuses_is_built_again(
    served, monkeypatch, rtx, reference, cache, entry
):
    fake_gpu.install(monkeypatch, rtx, reference.infer, loads=lambda plan: plan != entry.plan)
    cache.put(entry.manifest, entry.plan)
    engine = served()
    assert any('cannot be used: tensorrt_rtx' in text for _, text in served.news)
    wait_until_built(engine)
    engine.infer(frame())
    assert engine.facts.name == 'tensorrt_rtx'


def test_an_engine_that_labels_otherwise_is_refused(
    served, monkeypatch, rtx, reference, cache, entry
):
    def wrong(frames):
        labels, confidence = reference.infer(frames)
        return labels ^ 1, confidence

    gpu = fake_gpu.install(monkeypatch, rtx, wrong)
    cache.put(entry.manifest, entry.plan)
    with pytest.raises(EngineError, match=r'labels only 0\.00% of the golden frame'):
        served(allow_fallback=False)
    engine = served()
    assert engine.facts.name == 'onnxruntime' and engine.state is EngineState.FALLBACK
    assert not gpu.held and len(cache.manifests()) == 1


def test_an_engine_that_is_right_for_one_frame_alone_is_refused(
    served, monkeypatch, rtx, reference, cache, entry
):
    def wrong(frames):
        labels, confidence = reference.infer(frames)
        labels[1:] ^= 1
        return labels, confidence

    fake_gpu.install(monkeypatch, rtx, wrong)
    cache.put(entry.manifest, entry.plan)  # of batches up to 2
    with pytest.raises(EngineError, match='of the golden frame'):
        served(allow_fallback=False)


def test_too_little_gpu_memory(served, gpu, cache, entry):
    cache.put(entry.manifest, entry.plan)
    gpu.fail['cudaMalloc'] = 'cudaErrorMemoryAllocation'
    with pytest.raises(EngineError, match='too little free memory'):
        served(allow_fallback=False)
    assert served().state is EngineState.FALLBACK
    assert not gpu.held


def test_cache_folder_that_cannot_be(served, gpu, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match='cannot be used for engines'):
        served(cache=str(tmp_path / 'file'), allow_fallback=False)
    assert served(cache=str(tmp_path / 'file')).state is EngineState.FALLBACK


def test_cuda_error_in_flight(served, gpu, cache, entry, reference):
    cache.put(entry.manifest, entry.plan)
    engine = served()
    for state, name in (
        (EngineState.CHOSEN, 'tensorrt_rtx'),
        (EngineState.FALLBACK, 'onnxruntime'),
    ):
        gpu.fail['cudaGraphLaunch'] = CUDA
        labels, _ = engine.infer(frame())
        np.testing.assert_array_equal(labels, reference.infer(frame())[0])
        assert (engine.state, engine.facts.name) == (state, name)
    assert CUDA in engine.message


def test_cuda_error_in_flight_without_fallback(served, gpu, cache, entry):
    cache.put(entry.manifest, entry.plan)
    engine = served(allow_fallback=False)
    gpu.fail['cudaGraphLaunch'] = CUDA
    engine.infer(frame())
    gpu.fail['cudaGraphLaunch'] = CUDA
    for _ in range(2):
        with pytest.raises(EngineError, match=CUDA):
            engine.infer(frame())
    assert engine.state is EngineState.STOPPED and not gpu.held


def test_golden_frame_at_another_resolution(shipped, reference):
    golden = golden_at(shipped, SIZE, 1)
    assert golden.frame.shape == (*SIZE, 3)
    np.testing.assert_array_equal(golden.mask, reference.infer(golden.frame[np.newaxis])[0][0])
    stated = cv2.resize(shipped.golden.mask, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    assert (golden.mask == stated).mean() > 0.5, 'it shows the same picture'
    assert golden_at(shipped, shipped.golden.mask.shape) is shipped.golden


def test_default_cache(monkeypatch, tmp_path, served, gpu):
    monkeypatch.setenv('ASAP_ROS_CACHE', str(tmp_path / 'asap'))
    served(cache='', build=False)
    assert PlanCache().folder == tmp_path / 'asap' / 'engines'
    assert engine_selection.ENGINES[0] == 'auto'
