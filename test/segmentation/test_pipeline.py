from __future__ import annotations

import numpy as np
import pytest

from asap_ros.imaging.pixel_formats import CameraPicture, PixelFormat
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.engine_selection import EngineOptions
from asap_ros.segmentation.model_file import ModelError
from asap_ros.segmentation.pipeline import Pipeline
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from support import tiny_model

SIZE = (64, 128)


def picture(frame, layout=PixelFormat.RGB):
    return CameraPicture(frame, layout, *frame.shape[:2])


@pytest.fixture(scope='module')
def pipeline(tiny_file):
    return Pipeline.open(
        str(tiny_file), EngineOptions('onnxruntime', 'cpu', 1, PlanOptions(size=SIZE))
    )


def test_frame_of_the_networks_size(pipeline):
    frame = tiny_model.frame(*SIZE)
    found = pipeline.run(picture(frame))
    np.testing.assert_array_equal(found.frame, frame)
    np.testing.assert_array_equal(found.mask, tiny_model.expected_mask(frame))
    np.testing.assert_array_equal(found.confidence, tiny_model.expected_confidence(frame))


def test_blue_first(pipeline):
    frame = tiny_model.frame(*SIZE)
    found = pipeline.run(picture(frame[..., ::-1].copy(), PixelFormat.BGR))
    np.testing.assert_array_equal(found.frame, frame)


@pytest.mark.parametrize('size', [(128, 256), (128, 128), (32, 64), (48, 300)])
def test_frame_of_any_size_fills_the_networks_grid(pipeline, size):
    frame = np.zeros((*size, 3), np.uint8)
    frame[:, : size[1] // 2] = 72  # left half: class 3
    mask = pipeline.run(picture(frame)).mask
    assert mask.shape == SIZE
    assert (mask[:, :60] == 3).all() and (mask[:, 68:] == 0).all()


def test_frames_after_one_another_do_not_mix(pipeline):
    first = pipeline.run(picture(tiny_model.frame(*SIZE, seed=2)))
    mask = first.mask.copy()
    pipeline.run(picture(tiny_model.frame(*SIZE, seed=3)))
    np.testing.assert_array_equal(first.mask, mask)


def test_every_stage_has_its_time(pipeline):
    timings = pipeline.run(picture(tiny_model.frame(*SIZE))).timings
    assert set(timings) == {'preprocess', 'infer'}
    assert all(value >= 0.0 for value in timings.values())


def test_facts(pipeline, tiny_file):
    facts = pipeline.engine_facts()
    assert facts == {
        'name': 'onnxruntime',
        'provider': 'CPUExecutionProvider',
        'precision': 'fp32',
        'model': 'tiny',
        'model_sha256': pipeline.model.sha256,
        'label_set': 'camvid',
        'resolution': '64x128',
        'golden_agreement': '1.0000',
        'golden_deviation': '0 pixels',
        'state': 'chosen',
        'message': '',
    }
    assert pipeline.labels == tiny_model.LABELS


@pytest.mark.parametrize('size', [(0, 0), (60, 128), (64, 100), (-32, 64), (16, 16)])
def test_resolution_that_the_network_cannot_have(tiny_file, size):
    with pytest.raises(ModelError, match='multiples of 32'):
        Pipeline.open(str(tiny_file), EngineOptions(plan=PlanOptions(size=size)))


def test_what_cannot_be_opened(tmp_path, tiny_file):
    with pytest.raises(ModelError, match='nothing.onnx is not there'):
        Pipeline.open(str(tmp_path / 'nothing.onnx'))
    with pytest.raises(EngineError, match="engine 'abacus' is unknown"):
        Pipeline.open(str(tiny_file), EngineOptions('abacus'))
