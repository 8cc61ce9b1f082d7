"""A network file in int8, made from an exported one and pictures without labels."""

import json

import numpy as np
import onnx
import pytest

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine_selection import open_onnxruntime
from asap_training import checkpoint, evaluate, export, quantise

pytestmark = pytest.mark.slow


@pytest.fixture
def exported(trained, tmp_path, tiny_golden):
    """Return the network file of the tiny run."""
    path = tmp_path / 'tiny.onnx'
    export.main([str(trained / 'best.safetensors'), '--out', str(path)])
    return path


def test_int8_sees_what_float_sees(exported, trained, tiny_camvid, tmp_path, capsys):
    """A calibrated file is a quarter of the weights' size and labels the same but for edges."""
    path, best = tmp_path / 'made' / 'int8.onnx', trained / 'best.safetensors'
    quantise.main(
        [
            str(exported),
            '--pictures',
            str(tiny_camvid / 'train'),
            '--size',
            '64x96',
            '--out',
            str(path),
        ]
    )
    assert 'of the pixels of 8 pictures as tiny.onnx does' in capsys.readouterr().out
    network = checkpoint.network(checkpoint.load(best))
    parameters = sum(p.numel() for p in network.parameters())
    assert path.stat().st_size < 1.3 * parameters, 'a byte a weight'
    model, before = model_file.read(path), model_file.read(exported)
    assert model.training == before.training | {'precision': 'int8', 'scores': []}
    assert model.labels == before.labels
    assert np.array_equal(model.golden.frame, before.golden.frame)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count('QuantizeLinear') > 30 and kinds.count('DequantizeLinear') > 60
    opened = open_onnxruntime(model, threads=1)
    engine, facts = opened.engine, opened.facts
    assert facts.golden_agreement == 1.0 and facts.precision == 'int8'
    evaluate.main([str(best), '--data', f'camvid={tiny_camvid}', '--onnx', str(path)])
    scores = json.loads(capsys.readouterr().out)
    assert scores['onnx']['agreement'] > 0.95
    engine.infer(np.zeros((2, 32, 160, 3), np.uint8))  # batch and size are still open


def refused(capsys, *given):
    """Return the error with which a call ends; nothing may have been written."""
    with pytest.raises(SystemExit) as ended:
        quantise.main([str(part) for part in given])
    assert ended.value.code in (1, 2)
    return capsys.readouterr().err


def test_what_cannot_be_quantised_is_said(exported, tiny_camvid, tmp_path, capsys):
    out, pictures = tmp_path / 'out.onnx', tiny_camvid / 'train'
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'torn').mkdir()
    whole = next(pictures.glob('*.png')).read_bytes()
    (tmp_path / 'torn' / 'a.png').write_bytes(whole[: len(whole) // 2])
    size = ('--size', '64x96')
    for folder, text in (
        ('empty', 'holds no picture'),
        ('torn', 'a.png cannot be read'),
        ('none', 'is not a folder'),
    ):
        error = refused(capsys, exported, '--pictures', tmp_path / folder, *size, '--out', out)
        assert text in error and str(tmp_path / folder) in error
    assert 'would take the place' in refused(
        capsys, exported, '--pictures', pictures, *size, '--out', exported
    )
    assert 'multiples of 32' in refused(
        capsys, exported, '--pictures', pictures, '--size', '60x96', '--out', out
    )
    assert not out.exists()
    quantise.main([str(exported), '--pictures', str(pictures), *size, '--out', str(out)])
    assert 'quantised already' in refused(
        capsys, out, '--pictures', pictures, *size, '--out', tmp_path / 'again.onnx'
    )
