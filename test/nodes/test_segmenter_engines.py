"""The live node on a stand-in for a GPU (support/fake_gpu.py): what serves, and what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from rclpy.lifecycle import TransitionCallbackReturn

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.frame_statistics import Counts
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import runtimes
from support import fake_gpu
from support.live_segmenter import SIZE, pixels

MODEL = 'asap_mobilenet_v2_camvid'
OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
FAILURE = TransitionCallbackReturn.FAILURE


@pytest.fixture(scope='module')
def reference():
    return OnnxRuntimeEngine(model_file.read(model_file.locate(MODEL)), 'cpu', 1)


@pytest.fixture
def gpu(monkeypatch, reference):
    try:
        rtx = runtimes.load('tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))
    return fake_gpu.install(monkeypatch, rtx, reference.infer)


def right(segmenter, reference, number):
    """Assert that the latest mask is that of the number'th frame."""
    assert segmenter.heard['mask'][-1].header == segmenter.header(number)
    expected, _ = reference.infer(tiny_model.frame(*SIZE, seed=number)[np.newaxis])
    np.testing.assert_array_equal(pixels(segmenter.heard['mask'][-1]), expected[0])


def values(status):
    return {v.key: v.value for v in status.values}


def start(make_segmenter, tmp_path, **parameters):
    return make_segmenter(
        MODEL, engine='auto', engine_cache=str(tmp_path / 'engines'), **parameters
    ).start('mask', 'confidence', 'timings')


def test_frames_are_answered_before_while_and_after_the_engine_is_built(
    make_segmenter, tmp_path, gpu, reference, capfd
):
    segmenter = start(make_segmenter, tmp_path)
    served, number = segmenter.engine, 0
    while served._building.is_alive():
        segmenter.send(segmenter.frame(number))
        right(segmenter, reference, number)
        number += 1
    assert number >= 1
    for _ in range(2):
        segmenter.send(segmenter.frame(number))
        right(segmenter, reference, number)
        number += 1
    assert segmenter.counts == Counts(received=number, processed=number)
    building = segmenter.status('engine', 'on onnxruntime, CPUExecutionProvider, fp32; building')
    assert building.level == OK and values(building)['state'] == 'building'
    status = segmenter.status('engine', f'{MODEL} on tensorrt_rtx, Stand-in RTX 3090, fp16')
    found = values(status)
    assert status.level == OK and found['state'] == 'chosen'
    assert 'switched from onnxruntime to tensorrt_rtx after' in found['message']
    assert found['golden_deviation'] == '0 pixels' and found['layers'] == '148 fp16, 47 fp32'
    said = capfd.readouterr().err
    assert 'building it, onnxruntime serves meanwhile' in said and 'between two frames' in said


def test_cleanup_in_the_middle_of_a_build(make_segmenter, tmp_path, gpu):
    segmenter = start(make_segmenter, tmp_path)
    process = segmenter.engine._building
    assert segmenter.node.trigger_deactivate() == segmenter.node.trigger_cleanup()
    assert not process.is_alive() and not gpu.held
    assert not list(Path(tmp_path / 'engines').glob('*.partial'))


def built(make_segmenter, tmp_path, **parameters):
    """Return a live segmenter whose built engine serves, after its first frame."""
    segmenter = start(make_segmenter, tmp_path, **parameters)
    segmenter.engine._building.join()
    segmenter.send(segmenter.frame())
    return segmenter


def test_cuda_error_in_flight(make_segmenter, tmp_path, gpu, reference):
    segmenter = built(make_segmenter, tmp_path)
    gpu.fail['cudaGraphLaunch'] = 'cudaErrorIllegalAddress'
    segmenter.send(segmenter.frame(1))
    right(segmenter, reference, 1)
    segmenter.status('engine', 'on tensorrt_rtx')
    gpu.fail['cudaGraphLaunch'] = 'cudaErrorIllegalAddress'
    segmenter.send(segmenter.frame(2))
    right(segmenter, reference, 2)
    status = segmenter.status(
        'engine', 'on onnxruntime, CPUExecutionProvider, fp32; tensorrt_rtx fa'
    )
    assert status.level == WARN and 'cudaErrorIllegalAddress' in status.message
    assert segmenter.counts == Counts(received=3, processed=3)


def test_no_engine_left(make_segmenter, tmp_path, gpu):
    built(make_segmenter, tmp_path).close()
    segmenter = start(make_segmenter, tmp_path, allow_fallback=False)
    for number in (1, 2, 3):  # at the second error nothing is left
        gpu.fail['cudaGraphLaunch'] = 'cudaErrorIllegalAddress'
        segmenter.send(segmenter.frame(number))
    assert (pixels(segmenter.heard['mask'][-1]) == 255).all()
    assert segmenter.heard['mask'][-1].header == segmenter.header(3)
    assert segmenter.counts == Counts(received=3, processed=1, failed=2)
    status = segmenter.status('engine', 'nothing may take its place')
    assert status.level == ERROR and values(status)['state'] == 'stopped'
    assert segmenter.status('frames', 'nothing may take its place').level == ERROR


@pytest.mark.parametrize(
    'parameters, says',
    [
        ({'allow_fallback': False}, 'ros2 run asap_ros build_engine asap_mobilenet_v2_camvid'),
        ({'allow_fallback': False, 'engine': 'tensorrt'}, 'tensorrt is not installed'),
        ({'precision': 'fp64'}, "precision: 'fp64' is not one of fp32, fp16, int8"),
    ],
)
def test_refusals(make_segmenter, tmp_path, gpu, capfd, parameters, says):
    segmenter = make_segmenter(
        MODEL, **{'engine': 'auto', 'engine_cache': str(tmp_path)} | parameters
    )
    assert segmenter.node.trigger_configure() == FAILURE
    assert says in capfd.readouterr().err
    assert segmenter.node.engine_facts() is None and not gpu.held


def test_the_road_that_cannot_be_lets_go_of_the_engine(make_segmenter, tmp_path, gpu, capfd):
    segmenter = make_segmenter(
        MODEL, engine='auto', engine_cache=str(tmp_path), **{'camera.pose_from': 'parameters'}
    )
    assert segmenter.node.trigger_configure() == FAILURE
    assert 'set the camera height' in capfd.readouterr().err
    assert segmenter.node.engine_facts() is None and not gpu.held


def test_the_node_imports_neither_tensorrt_nor_onnx_nor_torch():
    """TensorRT is looked for where it is asked for, and ONNX is the building process's."""
    import subprocess

    said = subprocess.run(
        [
            sys.executable,
            '-c',
            'import asap_ros.nodes.segmenter, sys; print([m for m in ("torch", '
            '"onnx", "tensorrt", "tensorrt_rtx_bindings") if m in sys.modules])',
        ],
        capture_output=True,
        text=True,
    )
    assert said.stdout == '[]\n', said.stderr
