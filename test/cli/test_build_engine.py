"""``ros2 run asap_ros build_engine`` as a user runs it, without a GPU and with one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('cuda.bindings', reason='needs the ROS environment')

from asap_ros.cli import build_engine
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.onnxruntime_engine import OnnxRuntimeEngine
from asap_ros.segmentation.tensorrt import runtimes
from asap_ros.segmentation.tensorrt.plan import PlanKey
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from support import fake_gpu

MODEL = 'asap_mobilenet_v2_camvid'
SMALL = ['--size', '64x128', '--runtime', 'tensorrt_rtx']
PATIENCE = 60.0


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on a cache of its own; returns status, output, errors."""
    try:
        runtimes.load('tensorrt_rtx')
    except EngineError as error:
        pytest.skip(str(error))

    def call(*arguments, cache=tmp_path / 'engines'):
        status = build_engine.main([*arguments, '--cache', str(cache)])
        return status, *capsys.readouterr()

    return call


def test_build_list_and_clear(run):
    status, said, _ = run(MODEL, '--arch', 'SM86,sm89', '--batch', '2', *SMALL)
    assert status == 0
    assert f'{MODEL}: fp16, 64x128, batch 1 to 2, tensorrt_rtx' in said
    assert 'for sm86, sm89' in said and '148 fp16, 47 fp32; 33 of norms' in said
    assert 'built before' not in said and 'golden frame: not run' in said
    assert 'built before' in run(MODEL, '--arch', 'sm86,sm89', '--batch', '2', *SMALL)[1]
    listed = run('--list')[1]
    assert listed.count('.plan') == 1 and 'at most 4295 MB are kept' in listed
    assert 'MB removed from' in run('--clear')[1]
    assert '.plan' not in run('--list')[1]


def test_built_here_for_a_vehicle(run, tmp_path):
    output = tmp_path / 'small.plan'
    assert run(MODEL, '--arch', 'sm86', '--out', str(output), *SMALL)[0] == 0
    status, said, _ = run('--install', str(output), cache=tmp_path / 'vehicle')
    assert status == 0 and f'{MODEL}: fp16' in said
    (manifest,) = PlanCache(tmp_path / 'vehicle').manifests()
    assert manifest.key.archs == ('sm86',) and manifest.key.gpu == ''


def test_golden_frame_where_there_is_a_gpu(run, monkeypatch):
    model = model_file.read(model_file.locate(MODEL))
    rtx = runtimes.load('tensorrt_rtx')
    network = OnnxRuntimeEngine(model, 'cpu', 1).infer
    # The stand-in has no builder: the engine is there already.
    assert run(MODEL, '--arch', 'sm86', *SMALL)[0] == 0
    gpu = fake_gpu.install(monkeypatch, rtx, network)
    status, said, _ = run(MODEL, *SMALL)
    assert status == 0 and 'golden frame: 0 pixels differ, 100.00% agree' in said
    assert not gpu.held


@pytest.mark.parametrize(
    'arguments, status, says',
    [
        (['nothing', '--arch', 'sm86'], 2, "there is no model 'nothing'"),
        ([MODEL, '--arch', 'sm90'], 1, 'does not build for sm90 here'),
        ([MODEL, '--arch', 'sm86', '--precision', 'int8'], 1, 'holds no quantisation'),
        ([MODEL, '--arch', 'sm86', '--size', '100x100'], 2, '100x100'),
        (['--install', 'nowhere.plan'], 2, 'there is no engine nowhere.plan'),
    ],
)
def test_what_cannot_be_is_one_sentence(run, arguments, status, says):
    found, said, errors = run(*arguments, '--runtime', 'tensorrt_rtx')
    assert found == status and not said
    sentence = errors.strip().splitlines()[-1]
    assert sentence.startswith('build_engine: ') and says in sentence


@pytest.mark.parametrize(
    'arguments, says',
    [
        ([], f'which model? One of {MODEL}'),
        ([MODEL, '--batch', '0'], 'of at least 1'),
        ([MODEL, '--size', '64'], 'HEIGHTxWIDTH'),
        (['--list', '--clear'], 'not allowed with'),
    ],
)
def test_command_lines_that_are_none(capsys, arguments, says):
    assert build_engine.main(arguments) == 2
    assert says in capsys.readouterr().err


def test_ctrl_c_leaves_the_cache_as_it_was(run, tmp_path):
    folder = tmp_path / 'engines'
    model = model_file.read(model_file.locate(MODEL))
    key = PlanKey(
        model.sha256,
        'tensorrt_rtx',
        runtimes.load('tensorrt_rtx').version,
        '',
        ('sm86',),
        'fp16',
        (64, 128),
        1,
    )
    with PlanCache(folder).lock(key):  # the build waits, and is in the middle of things
        process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'asap_ros.cli.build_engine',
                MODEL,
                '--arch',
                'sm86',
                *SMALL,
                '--cache',
                str(folder),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said = ''
            end = time.monotonic() + PATIENCE
            while 'waiting for another' not in said and time.monotonic() < end:
                if select.select([process.stderr], [], [], 0.1)[0]:
                    said += os.read(process.stderr.fileno(), 4096).decode()
            assert 'waiting for another process' in said
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()
            process.communicate()
    assert sorted(path.suffix for path in folder.iterdir()) == ['.lock']
