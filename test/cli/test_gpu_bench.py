"""The benchmark of engines runs to its end and is whole; what it measures takes a GPU."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip('cuda.bindings', reason='needs the ROS environment')

from asap_ros.cli import gpu_bench
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import find_or_build, runtimes
from asap_ros.segmentation.tensorrt.plan import PlanOptions
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from support import fake_gpu

NAME = 'asap_mobilenet_v2_camvid'


@pytest.fixture
def bench(monkeypatch, tmp_path, capsys):
    """Run the benchmark on a GPU that is not there, with an engine of batch 2 that is."""
    try:
        rtx = runtimes.load('tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(gpu_bench, 'WARM_UP', 1)
    model = model_file.read(model_file.locate(NAME))
    cache = PlanCache(tmp_path / 'engines')
    find_or_build.find_or_build(
        rtx, model, PlanOptions('fp16', (64, 128), 2, ('sm86',)), cache, None
    )
    gpu = fake_gpu.install(monkeypatch, rtx, OnnxRuntimeEngine(model, 'cpu', 1).infer)

    def run(*arguments):
        status = gpu_bench.main(
            [
                '--model',
                NAME,
                '--size',
                '64x128',
                '--precision',
                'fp16',
                '--batch',
                '2',
                '--frames',
                '3',
                '--cache',
                str(cache.folder),
                *arguments,
            ]
        )
        assert not gpu.held
        return status, *capsys.readouterr()

    return run


def test_report(bench, tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((90, 160, 3), 60 * number, np.uint8))
    status, said, _ = bench('--pictures', str(tmp_path))
    found = json.loads(said)
    assert status == 0 and found['gpu']['name'] == 'Stand-in RTX 3090'
    (result,) = found['results']
    assert (result['batch'], result['precision']) == (2, 'fp16')
    assert result['golden'] == {'agreement': 1.0, 'deviation_pixels': 0}
    for name, captured in (('graph', True), ('no_graph', False)):
        times = result['ms'][name]
        assert times['captured'] is captured and times['frames_per_second'] > 0.0
        for kind in ('resize_and_host_to_host', 'host_to_host', 'device'):
            assert 0.0 < times[kind]['p50'] <= times[kind]['p99']
    assert result['roofline']['share'] == result['roofline']['ms'] / 1.5  # the stand-in's time
    assert found['agreements'] == [
        {'model': NAME, 'precision': 'fp16', 'pictures': 3, 'mean': 1.0, 'least': 1.0}
    ]


def test_masks_that_differ_are_counted():
    class Half:
        def infer(self, frames):
            labels = np.zeros(frames.shape[:3], np.uint8)
            labels[:, :, ::2] = frames[0, 0, 0, 0]
            return labels, None

    class None_:
        def infer(self, frames):
            return np.zeros(frames.shape[:3], np.uint8), None

    pictures = [np.full((32, 64, 3), value, np.uint8) for value in (0, 7)]
    assert gpu_bench.compare(Half(), None_(), pictures) == {
        'pictures': 2,
        'mean': 0.75,
        'least': 0.5,
    }


def test_pictures_are_spread_over_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_bench, 'PICTURES', 3)
    for number in range(9):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((8, 8, 3), 20 * number, np.uint8))
    found = gpu_bench.read_pictures(tmp_path, (32, 64))
    assert [int(p[0, 0, 0]) for p in found] == [0, 60, 120]
    assert found[0].shape == (32, 64, 3)


@pytest.mark.parametrize('content, says', [(None, 'holds no pictures'), (b'no', 'is damaged')])
def test_folder_without_pictures(tmp_path, content, says):
    if content:
        (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(EngineError, match=says):
        gpu_bench.read_pictures(tmp_path, (32, 64))


def test_machine_without_a_gpu(capsys):
    from asap_ros.segmentation.tensorrt import cuda

    try:
        cuda.gpu()
    except EngineError:
        assert gpu_bench.main(['--frames', '1']) == 1
        said = capsys.readouterr()
        assert 'bench: ' in said.err and 'GPU' in said.err and not said.out
    else:
        pytest.skip('there is a GPU')
