"""What tools/gpu_check.sh makes of its measurements, and what it says without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.paths import ROOT

TIMES = {
    'resize_and_host_to_host': {'p50': 3.0, 'p95': 3.1, 'p99': 3.2},
    'host_to_host': {'p50': 2.0, 'p95': 2.1, 'p99': 2.2},
    'device': {'p50': 1.0, 'p95': 1.0, 'p99': 1.1},
    'frames_per_second': 333.0,
}
RESULT = {
    'model': 'm',
    'precision': 'fp16',
    'batch': 1,
    'golden': {'agreement': 1.0},
    'ms': {'graph': TIMES, 'no_graph': TIMES},
    'gpu_memory_mb': 300.0,
    'roofline': {'ms': 0.5, 'share': 0.5},
}
BENCH = {
    'gpu': {'name': 'G', 'arch': 'sm86'},
    'runtime': 'tensorrt',
    'version': '10',
    'results': [RESULT, RESULT | {'batch': 8}],
    'agreements': [{'model': 'm', 'precision': 'fp16', 'least': 0.999}],
}
TORCH = {
    'torch': '2',
    'results': [{'model': 'm', 'batch': 1, 'device_ms': {'eager': {'p50': 2.5}}}],
}


def judge(folder, bench, torch=TORCH):
    (folder / 'bench.json').write_text(json.dumps(bench))
    if torch is not None:
        (folder / 'torch.json').write_text(json.dumps(torch))
    return subprocess.run(
        [
            sys.executable,
            str(ROOT / 'tools' / 'gpu_summary.py'),
            str(folder / 'bench.json'),
            str(folder / 'torch.json'),
        ],
        capture_output=True,
        text=True,
    )


def test_all_goals_met(tmp_path):
    said = judge(tmp_path, BENCH)
    assert said.returncode == 0 and 'MISSED' not in said.stdout
    assert said.stdout.count('met   ') == 6
    assert (
        'm fp16 x1: times as fast as torch eager fp16 (paper 1.99): 2.5, at least 2' in said.stdout
    )


@pytest.mark.parametrize(
    'path, value, says',
    [
        (('results', 0, 'golden', 'agreement'), 0.99, 'golden frame: 0.99, at least 0.995'),
        (
            ('results', 0, 'ms', 'graph', 'host_to_host', 'p99'),
            3.0,
            'p99 over p50: 1.5, at most 1.3',
        ),
        (
            ('results', 0, 'ms', 'graph', 'device', 'p50'),
            2.0,
            'torch eager fp16 (paper 1.99): 1.25',
        ),
        (('results', 1, 'roofline', 'share'), 0.3, 'share of the roofline: 0.3, at least 0.4'),
        (('results', 1, 'roofline', 'share'), None, 'share of the roofline: not measured'),
        (('agreements',), [], 'agreement with ONNX Runtime: not measured'),
    ],
)
def test_a_goal_that_is_missed_or_was_not_measured(tmp_path, path, value, says):
    bench = json.loads(json.dumps(BENCH))
    where = bench
    for key in path[:-1]:
        where = where[key]
    where[path[-1]] = value
    said = judge(tmp_path, bench)
    (missed,) = [line for line in said.stdout.splitlines() if 'MISSED' in line]
    assert said.returncode == 1 and says in missed


def test_without_torch_the_ratio_is_not_judged_as_met(tmp_path):
    said = judge(tmp_path, BENCH, None)
    assert said.returncode == 1 and 'paper 1.99): not measured' in said.stdout


def test_help():
    said = subprocess.run(
        [ROOT / 'tools' / 'gpu_check.sh', '--help'], capture_output=True, text=True
    )
    assert said.returncode == 0 and 'tools/gpu_check.sh [PICTURES [OUT]]' in said.stdout


def test_machine_without_a_gpu(tmp_path):
    from asap_ros.segmentation.engine import EngineError
    from asap_ros.segmentation.tensorrt import cuda

    try:
        cuda.gpu()
        pytest.skip('there is a GPU')
    except EngineError:
        said = subprocess.run(
            [ROOT / 'tools' / 'gpu_check.sh', '', str(tmp_path / 'out')],
            capture_output=True,
            text=True,
            env=os.environ | {'PYTHON': sys.executable, 'TORCH_PYTHON': ''},
        )
        assert said.returncode == 1 and 'bench: ' in said.stderr
        assert not (tmp_path / 'out' / 'bench.json').exists()
