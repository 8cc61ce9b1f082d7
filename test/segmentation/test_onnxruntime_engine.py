from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from asap_ros.segmentation import engine_selection, model_file
from asap_ros.segmentation.engine import GOLDEN_AGREEMENT, EngineError, EngineFacts, verify
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from support import tiny_model


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return model_file.read(tiny_model.write(tmp_path_factory.mktemp('model') / 'tiny.onnx'))


@pytest.fixture(scope='module')
def engine(model):
    return OnnxRuntimeEngine(model, 'cpu', 1)


def wrong_by(tmp_path, pixels):
    """Return the model with a golden mask that is wrong in so many of its pixels."""
    mask = tiny_model.expected_mask(tiny_model.frame(seed=1))
    mask.flat[:pixels] = (mask.flat[:pixels] + 1) % len(tiny_model.LABELS)
    return model_file.read(tiny_model.write(tmp_path / 'm.onnx', tiny_model.entries(mask)))


@pytest.mark.parametrize('shape', [(1, 64, 128), (2, 32, 32), (3, 96, 64), (1, 256, 512)])
def test_any_batch_and_size(engine, shape):
    batch, height, width = shape
    frames = np.stack([tiny_model.frame(height, width, seed) for seed in range(batch)])
    labels, confidence = engine.infer(frames)
    assert labels.dtype == confidence.dtype == np.uint8
    np.testing.assert_array_equal(labels, tiny_model.expected_mask(frames))
    np.testing.assert_array_equal(confidence, tiny_model.expected_confidence(frames))


@pytest.mark.parametrize(
    'frames',
    [
        np.zeros((1, 64, 128, 3), np.float32),
        np.zeros((64, 128, 3), np.uint8),
        np.zeros((1, 3, 64, 128), np.uint8),
        np.zeros((1, 64, 128, 4), np.uint8),
        np.zeros((1, 60, 128, 3), np.uint8),
        np.zeros((1, 64, 100, 3), np.uint8),
        np.zeros((0, 64, 128, 3), np.uint8),
        np.zeros((1, 0, 128, 3), np.uint8),
    ],
    ids=lambda frames: f'{frames.dtype} {frames.shape}',
)
def test_frames_of_another_shape_or_type_are_refused(engine, frames):
    with pytest.raises(ValueError, match=r'frames'):
        engine.infer(frames)


def test_failure_of_the_runtime_is_an_engine_error(engine, monkeypatch):
    class Broken:
        def run(self, *_):
            raise RuntimeError('out of memory')

    monkeypatch.setattr(engine, '_session', Broken())
    with pytest.raises(EngineError, match='failed on a batch: out of memory'):
        engine.infer(np.zeros((1, 32, 32, 3), np.uint8))


def test_facts(model):
    facts = engine_selection.open_onnxruntime(model, 'cpu', 1).facts
    assert facts == EngineFacts('onnxruntime', 'CPUExecutionProvider', 'fp32', 1.0)


def test_auto_takes_what_is_there(model):
    facts = engine_selection.open_onnxruntime(model).facts
    assert facts.name == 'onnxruntime'
    assert facts.provider in onnxruntime.get_available_providers()


def test_unknown_provider(model):
    with pytest.raises(EngineError, match="provider 'npu' is unknown: auto, cuda, cpu"):
        engine_selection.open_onnxruntime(model, provider='npu')


def test_cuda_without_its_provider(model, monkeypatch):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(EngineError, match="'cuda' is not in this ONNX Runtime, which has CPU"):
        engine_selection.open_onnxruntime(model, provider='cuda')


def test_runtime_that_falls_back_by_itself_is_found_out(model, monkeypatch):
    # ONNX Runtime with CUDA but without its libraries: the session silently is on the CPU.
    monkeypatch.setattr(
        onnxruntime,
        'get_available_providers',
        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'],
    )
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        'InferenceSession',
        lambda path, options, providers: session(
            path, options, providers=['CPUExecutionProvider']
        ),
    )
    with pytest.raises(EngineError, match='asked for CUDA.* and took CPU'):
        engine_selection.open_onnxruntime(model, provider='cuda')
    facts = engine_selection.open_onnxruntime(model, provider='auto').facts
    assert facts.provider == 'CPUExecutionProvider'


def test_wrong_golden_mask_is_refused(tmp_path):
    model = wrong_by(tmp_path, pixels=64)  # of 8192: 99.22 % agree
    with pytest.raises(EngineError, match=r'only 99\.22% of the golden frame .*m\.onnx'):
        engine_selection.open_onnxruntime(model)


def test_a_few_pixels_may_round_differently(tmp_path):
    facts = engine_selection.open_onnxruntime(wrong_by(tmp_path, pixels=40)).facts
    assert GOLDEN_AGREEMENT <= facts.golden_agreement < 1.0
    assert facts.golden_deviation == 40


def test_masks_of_another_size_prove_nothing(model):
    class Halving:
        name = provider = precision = 'any'

        def infer(self, frames):
            return tiny_model.expected_mask(frames)[:, ::2, ::2], None

    with pytest.raises(EngineError, match=r'only 0\.00%'):
        verify(Halving(), model.path, model.golden)
