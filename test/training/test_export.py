"""From a checkpoint to the network file, and what both see."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from asap_ros.network.asap import Asap
from asap_ros.network.config import SLIM_4
from asap_ros.network.deployed import Deployed
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine_selection import open_onnxruntime
from asap_training import checkpoint, evaluate, export, golden_frame, recipe


@pytest.mark.slow
def test_export_keeps_what_torch_sees(trained, tiny_camvid, tmp_path, tiny_golden, capsys):
    """The whole path: checkpoint, ONNX file, engine; both sides label the same pixels."""
    path = tmp_path / 'made' / 'tiny.onnx'
    export.main([str(trained / 'best.safetensors'), '--out', str(path)])
    assert str(Path(export.__file__).parents[1]).encode() not in path.read_bytes()
    model = model_file.read(path)
    assert model.labels.name == 'camvid' and model.training['recipe'] == 'tiny'
    opened = open_onnxruntime(model, threads=1)
    engine, facts = opened.engine, opened.facts
    assert facts.golden_agreement == 1.0
    network = checkpoint.network(checkpoint.load(trained / 'best.safetensors'))
    for shape in ((1, 64, 96, 3), (2, 32, 160, 3)):
        frames = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
        labels, confidence = engine.infer(frames)
        with torch.inference_mode():
            expected, sure = Deployed(network)(torch.from_numpy(frames))
        assert (labels == expected.numpy()).mean() > 0.99
        assert np.abs(confidence.astype(int) - sure.numpy()).max() <= 2
    capsys.readouterr()
    evaluate.main(
        [str(trained / 'best.safetensors'), '--data', f'camvid={tiny_camvid}', '--onnx', str(path)]
    )
    scores = json.loads(capsys.readouterr().out)
    assert scores['onnx']['agreement'] > 0.999
    assert scores['onnx']['miou'] == pytest.approx(scores['miou'], abs=0.02)


@pytest.mark.slow
def test_an_untrained_network_is_not_exported_as_if_it_were(tmp_path):
    torch.manual_seed(0)
    model = Asap(SLIM_4).eval()
    torch.nn.init.zeros_(model.classifier.weight)
    with pytest.raises(ValueError, match='fewer than 3 classes'):
        export.export(model, recipe.load('camvid_resnet18').label_set, {}, tmp_path / 'x.onnx')
    assert not list(tmp_path.iterdir())


def test_the_golden_frame_is_the_same_everywhere():
    frame = golden_frame.frame()
    assert frame.shape == (*golden_frame.SIZE, 3) and frame.dtype == np.uint8
    assert np.array_equal(frame, golden_frame.frame())
