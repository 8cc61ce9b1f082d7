"""The engine's calls against the published CUDA and TensorRT signatures (support/fake_gpu.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('cuda.bindings', reason='needs the ROS environment')

from asap_ros.segmentation.engine import EngineError, verify
from asap_ros.segmentation.tensorrt import cuda
from asap_ros.segmentation.tensorrt.cuda import CudaError
from asap_ros.segmentation.tensorrt.engine import TensorRtEngine
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanKey, PlanManifest
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime, make_logger
from asap_ros.segmentation.tensorrt.session import PlanRefused
from support import fake_gpu
from support.fake_gpu import RTX_CLASSES
from support.tensorrt_api import TENSORRT_8_6, PublishedApi

SIZE = (64, 128)


def network(frames):
    return tiny_model.expected_mask(frames), tiny_model.expected_confidence(frames)


@pytest.fixture
def gpu(monkeypatch):
    made = fake_gpu.Gpu()
    monkeypatch.setattr(cuda, 'cudart', made)
    return made


@pytest.fixture(params=['tensorrt 8.6', 'tensorrt_rtx'])
def runtime(request, gpu):
    """Either runtime with the signatures of its real release."""
    name, _, version = request.param.partition(' ')
    if name == 'tensorrt':
        published = PublishedApi.of_text(TENSORRT_8_6)
    else:
        rtx = request.getfixturevalue('rtx')
        published, version = PublishedApi.of_module(rtx.trt, *RTX_CLASSES), rtx.version
    return make(gpu, name, published, version)


def make(gpu, name, published, version, **options):
    trt = fake_gpu.make_trt(gpu, published, options.pop('network', network), version, **options)
    return TensorRtRuntime(name, trt, make_logger(trt))


def plan(runtime, batch=3, size=SIZE):
    key = PlanKey('0' * 64, runtime.name, runtime.version, '', ('sm86',), 'fp16', size, batch)
    return CachedPlan(
        PlanManifest(key, 'tiny', '0' * 64, 4, {'fp16': 9, 'fp32': 3}, 3, 0.0, 1.0), b'plan'
    )


@pytest.fixture
def engine(runtime):
    made = TensorRtEngine(runtime, plan(runtime), 'Stand-in RTX 3090')
    yield made
    made.close()


def frames(batch, seed=0):
    return np.stack([tiny_model.frame(*SIZE, seed + n) for n in range(batch)])


@pytest.mark.parametrize('graph', [True, False])
def test_batches_of_any_size_in_any_order(runtime, graph):
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU', graph)
    for number, batch in enumerate((1, 3, 2, 1, 3)):
        given = frames(batch, 10 * number)
        labels, confidence = engine.infer(given)
        np.testing.assert_array_equal(labels, tiny_model.expected_mask(given))
        np.testing.assert_array_equal(confidence, tiny_model.expected_confidence(given))
    engine.close()


def test_results_are_the_callers(engine):
    labels, confidence = engine.infer(frames(1))
    before = labels.copy(), confidence.copy()
    engine.infer(frames(1, seed=5))
    np.testing.assert_array_equal(labels, before[0])
    np.testing.assert_array_equal(confidence, before[1])


def test_a_frame_is_one_launch_and_one_wait(engine, gpu):
    engine.infer(frames(2))
    gpu.calls.clear()
    runs = gpu.executions
    engine.infer(frames(2, seed=7))
    assert gpu.calls == ['cudaGraphLaunch', 'cudaStreamSynchronize']
    assert gpu.executions == runs + 1


def test_without_graph_nothing_is_allocated_either(runtime, gpu):
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU', use_graph=False)
    engine.infer(frames(2))
    gpu.calls.clear()
    engine.infer(frames(2))
    assert gpu.calls == [*['cudaMemcpyAsync'] * 3, 'cudaStreamSynchronize']
    assert engine.details()['cuda_graph'] == 'no'
    engine.close()


def test_a_stream_that_cannot_be_captured_is_not(gpu, rtx):
    runtime = make(
        gpu,
        'tensorrt_rtx',
        PublishedApi.of_module(rtx.trt, *RTX_CLASSES),
        rtx.version,
        capturable=False,
    )
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU')
    labels, _ = engine.infer(frames(1))
    np.testing.assert_array_equal(labels, tiny_model.expected_mask(frames(1)))
    assert 'cudaStreamBeginCapture' not in gpu.calls
    assert engine.details()['cuda_graph'] == 'no'
    engine.close()


def test_closing_frees_everything_and_may_be_repeated(engine, gpu):
    engine.infer(frames(1))
    assert gpu.held
    for _ in range(2):
        engine.close()
        assert not gpu.held
    with pytest.raises(EngineError, match='closed'):
        engine.infer(frames(1))


def test_golden_frame(engine, tiny_file):
    from asap_ros.segmentation import model_file

    model = model_file.read(tiny_file)
    facts = verify(engine, model.path, model.golden, batches=(1, 3)).facts
    assert (facts.provider, facts.precision) == ('Stand-in RTX 3090', 'fp16')
    assert facts.golden_deviation == 0


def test_a_batch_that_comes_out_wrong_is_found(gpu, tiny_file):
    def swapped(given):  # right for one frame, wrong for the last of several
        labels, confidence = network(given)
        labels[1:] = 0
        return labels, confidence

    from asap_ros.segmentation import model_file

    model = model_file.read(tiny_file)
    published = PublishedApi.of_text(TENSORRT_8_6)
    runtime = make(gpu, 'tensorrt', published, '8.6', network=swapped)
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU')
    with pytest.raises(EngineError, match='pixels differ'):
        verify(engine, model.path, model.golden, batches=(1, 3))
    engine.close()


@pytest.mark.parametrize('shape', [(4, 64, 128, 3), (1, 128, 64, 3), (1, 32, 64, 3)])
def test_frames_that_the_engine_was_not_built_for(engine, shape):
    with pytest.raises(ValueError, match='do not fit an engine for at most 3 of 64x128'):
        engine.infer(np.zeros(shape, np.uint8))


def test_too_little_memory_is_said_and_leaves_nothing_behind(runtime, gpu):
    gpu.fail['cudaMalloc'] = 'cudaErrorMemoryAllocation'
    with pytest.raises(CudaError, match='too little free memory.*cudaErrorMemoryAllocation'):
        TensorRtEngine(runtime, plan(runtime), 'GPU')
    assert not gpu.held


def test_context_that_cannot_be_made(runtime, gpu):
    gpu.fail['create_execution_context'] = ''
    with pytest.raises(EngineError, match='cannot prepare the engine'):
        TensorRtEngine(runtime, plan(runtime), 'GPU')
    assert not gpu.held


def test_plan_that_the_runtime_does_not_take(gpu):
    published = PublishedApi.of_text(TENSORRT_8_6)
    runtime = make(gpu, 'tensorrt', published, '8.6', loads=lambda plan: False)
    with pytest.raises(PlanRefused, match='cannot load the engine'):
        TensorRtEngine(runtime, plan(runtime), 'GPU')
    assert not gpu.held


@pytest.mark.parametrize(
    'function, code',
    [
        ('cudaGraphLaunch', 'cudaErrorIllegalAddress'),
        ('cudaStreamSynchronize', 'cudaErrorLaunchFailure'),
    ],
)
def test_error_in_flight_and_a_new_context(engine, gpu, function, code):
    engine.infer(frames(1))
    gpu.fail[function] = code
    with pytest.raises(CudaError, match=f'{code} in {function}') as raised:
        engine.infer(frames(1))
    assert raised.value.code == code
    engine.reopen()
    assert 'cudaDeviceReset' in gpu.calls
    labels, _ = engine.infer(frames(1, seed=3))
    np.testing.assert_array_equal(labels, tiny_model.expected_mask(frames(1, seed=3)))


def test_network_that_fails_without_a_cuda_error(runtime, gpu):
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU', use_graph=False)
    gpu.fail['execute_async_v3'] = ''
    runtime.logger.log(runtime.trt.ILogger.ERROR, 'kernel not found')
    with pytest.raises(CudaError, match='failed on a batch .kernel not found.'):
        engine.infer(frames(1))
    engine.close()


def test_failed_capture_ends_the_capture(runtime, gpu):
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU')
    gpu.fail['cudaGraphInstantiate'] = 'cudaErrorMemoryAllocation'
    with pytest.raises(CudaError):
        engine.infer(frames(1))
    assert gpu._captured is None
    engine.close()
    assert not gpu.held


def test_time_on_the_device(engine, gpu):
    assert engine.time_on_device(2, 3) == [1.5] * 3
    labels, _ = engine.infer(frames(2))
    np.testing.assert_array_equal(labels, tiny_model.expected_mask(frames(2)))


@pytest.mark.parametrize('graph', [True, False])
def test_time_on_the_device_is_that_of_the_batch_asked_for(gpu, graph):
    seen = []

    def watched(given):
        seen.append(len(given))
        return network(given)

    published = PublishedApi.of_text(TENSORRT_8_6)
    runtime = make(gpu, 'tensorrt', published, '8.6', network=watched)
    engine = TensorRtEngine(runtime, plan(runtime), 'GPU', graph)
    for batch in (2, 3):
        engine.infer(frames(batch))
    seen.clear()
    engine.time_on_device(2, 3)
    assert seen == [2, 2, 2]
    engine.close()


def test_what_the_engine_says_of_itself(engine):
    engine.infer(frames(1))
    details = engine.details()
    assert details['layers'] == '9 fp16, 3 fp32' and details['cuda_graph'] == 'yes'
    assert details['engine'] == engine.key.digest and details['batch'] == '3'


def test_the_stand_in_refuses_what_tensorrt_would(gpu, rtx):
    published = PublishedApi.of_module(rtx.trt, *RTX_CLASSES)
    for arguments, says in (
        (('image', 3), 'shape must be'),
        (('image',), '1 arguments'),
        ((1, (1, 2)), 'name must be'),
    ):
        with pytest.raises(AssertionError, match=says):
            published.check('IExecutionContext', 'set_input_shape', arguments)
    with pytest.raises(AssertionError, match='has no method'):
        published.check('IExecutionContext', 'execute_async_v2', ())
    with pytest.raises(TypeError):
        gpu.cudaMemcpyAsync(0, 0, 'many', None, None)


def test_both_tables_agree_on_what_the_engine_calls(rtx):
    """What is in the table of 8.6 is in TensorRT-RTX, with as many arguments."""
    old = PublishedApi.of_text(TENSORRT_8_6).members
    new = PublishedApi.of_module(rtx.trt, *RTX_CLASSES).members
    for name, signatures in old.items():
        assert name in new
        if signatures and name != 'ICudaEngine.create_execution_context':
            counts = {len(signature.parameters) for signature in new[name]}
            assert len(signatures[0].parameters) in counts


def test_key_of_the_plan_is_what_is_served(runtime):
    entry = plan(runtime)
    wider = replace(entry.manifest.key, archs=('sm86', 'sm89'))
    assert wider.satisfies(entry.manifest.key) and not entry.manifest.key.satisfies(wider)
