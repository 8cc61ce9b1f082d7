from __future__ import annotations

import json

import pytest
import torch

from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig
from asap_ros.network.deployed import Deployed
from asap_training import torch_speed


def test_the_baseline_is_the_exported_network():
    config = AsapConfig(encoder='mobilenet_v2')
    torch.manual_seed(0)
    baseline = torch_speed.Baseline(config, 'cpu')
    torch.manual_seed(0)
    reference = Deployed(Asap(config)).eval()
    frames = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    labels, confidence = baseline(frames)
    with torch.inference_mode():
        expected, sure = reference(frames)
    assert labels.shape == expected.shape and labels.dtype == confidence.dtype == torch.uint8
    assert (labels == expected).float().mean() > 0.9  # bfloat16, random weights
    assert (confidence.int() - sure.int()).abs().float().mean() < 4
    weights = {p.dtype for p in baseline.parameters()}
    assert weights == {torch.bfloat16}


def test_times_as_json(capsys):
    torch_speed.main(
        [
            '--device',
            'cpu',
            '--size',
            '32x64',
            '--frames',
            '2',
            '--batch',
            '1',
            '--no-compile',
            '--model',
            'asap_mobilenet_v2_camvid',
        ]
    )
    found = json.loads(capsys.readouterr().out)
    (result,) = found['results']
    assert (found['device'], result['batch'], result['size']) == ('cpu', 1, [32, 64])
    for times in (result['device_ms']['eager'], result['host_to_host_ms']):
        assert 0.0 < times['p50'] <= times['p95'] <= times['p99']


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_no_gpu(capsys):
    with pytest.raises(SystemExit) as ended:
        torch_speed.main([])
    assert ended.value.code == 1 and 'finds no GPU; --device cpu' in capsys.readouterr().err
