"""Scoring a network: sizes, scales, mirroring, figures, and the server's folder."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from asap_ros import labels
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_training import checkpoint, evaluate, inference, plots, recipe, submit
from asap_training.inference import InferenceSettings
from asap_training.training_run import TrainingRun
from support import tiny_datasets


class LeftIsBright(nn.Module):
    """Class 1 where a pixel is brighter than the mean of its row to the left, else class 0.

    It sees left and right differently, as a network that has learnt its pictures' bias.
    """

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, image):
        self.seen.append(tuple(image.shape[-2:]))
        grey = image.mean(1, keepdim=True)
        return torch.cat(
            [torch.zeros_like(grey), grey + torch.linspace(1, -1, grey.shape[-1]) + self.bias], 1
        )


def test_input_sizes():
    assert InferenceSettings((64, 96)).sizes((360, 480)) == [(64, 96)]
    assert InferenceSettings(None).sizes((360, 480)) == [(352, 480)]
    assert InferenceSettings((1024, 1024), (0.75, 1.0)).sizes((1024, 2048)) == [
        (768, 768),
        (1024, 1024),
    ]
    assert InferenceSettings(None, (0.01,)).sizes((64, 64)) == [(32, 32)]


def test_masks_have_the_pictures_own_resolution():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    model = LeftIsBright().eval()
    assert inference.predict(model, image, (32, 64)).shape == (50, 70)
    assert inference.label_mask(model, image, InferenceSettings(None)).shape == (50, 70)
    assert model.seen == [(32, 64), (64, 64)]


def test_mirroring_takes_a_networks_own_bias_away():
    grey = np.full((32, 64, 3), 116, np.uint8)
    model = LeftIsBright().eval()
    plain = inference.label_mask(model, grey, InferenceSettings(None))
    assert plain[:, :16].all() and not plain[:, -16:].any()
    both = inference.label_mask(model, grey, InferenceSettings(None, flip=True))
    np.testing.assert_array_equal(both, both[:, ::-1])


def test_several_scales_go_through_the_network():
    model = LeftIsBright().eval()
    image = np.zeros((64, 64, 3), np.uint8)
    inference.label_mask(model, image, InferenceSettings((64, 64), (0.5, 1.0, 1.5), flip=True))
    assert model.seen == [(32, 32)] * 2 + [(64, 64)] * 2 + [(96, 96)] * 2


def test_the_command_scores_with_all_inference_settings(trained_once, capsys, tmp_path):
    command = [
        str(trained_once / 'run' / 'best.safetensors'),
        '--data',
        f'camvid={trained_once / "camvid"}',
        '--device',
        'cpu',
    ]
    results = []
    for extra in (
        [],
        ['--size', 'full'],
        [
            '--size',
            '32x64',
            '--scales',
            '1',
            '2',
            '--flip',
            '--figure',
            str(tmp_path / 'confusion.png'),
        ],
    ):
        evaluate.main([*command, *extra])
        results.append(json.loads(capsys.readouterr().out))
    plain, full, several = results
    assert plain['miou'] == full['miou'] and full['size'] == 'full', '64x96 is its own size'
    assert several['size'] == [32, 64] and several['flip'] and several['scales'] == [1.0, 2.0]
    assert set(plain['per_class']) == set(labels.load('camvid').names)
    history = json.loads((trained_once / 'run' / 'history.json').read_text())
    assert plain['miou'] == pytest.approx(max(e['miou'] for e in history))
    assert cv2.imread(str(tmp_path / 'confusion.png')).shape[0] > 500
    with pytest.raises(SystemExit):
        evaluate.main([*command, '--size', 'huge'])
    assert "'huge' is not HEIGHTxWIDTH" in capsys.readouterr().err


def test_a_confusion_figure_shows_classes_that_do_not_occur(tmp_path):
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8))
    plots.confusion(matrix, ('road', 'sky', 'car'), tmp_path / 'a.png')
    assert cv2.imread(str(tmp_path / 'a.png')).std() > 0


@pytest.fixture
def cityscapes_network(tmp_path):
    """Return the checkpoint of a small network for Cityscapes' classes."""
    chosen = recipe.change(
        recipe.load('paper_cityscapes'),
        {'network': {'channels': 8, 'key_channels': 4, 'neck_channels': 8}, 'size': [64, 64]},
    )
    made = TrainingRun(chosen, torch.ones(19), 0, torch.device('cpu'))
    checkpoint.save(tmp_path / 'net.safetensors', made.best())
    return tmp_path / 'net.safetensors'


def test_a_submission_holds_label_ids_by_city(cityscapes_network, tmp_path, capsys):
    root = tiny_datasets.cityscapes(tmp_path / 'cityscapes')
    command = [
        str(cityscapes_network),
        str(root),
        '--split',
        'train',
        '--device',
        'cpu',
        '--out',
        str(tmp_path / 'out'),
    ]
    submit.main(command)
    written = sorted(p.relative_to(tmp_path / 'out') for p in (tmp_path / 'out').glob('*/*'))
    assert [str(p) for p in written] == [
        f'{city}/{city}_{n:06d}_000019_labelIds.png'
        for city in ('aachen', 'bremen')
        for n in range(2)
    ]
    mask = cv2.imread(str(tmp_path / 'out' / written[0]), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (64, 96) and mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {c.raw_ids[0] for c in labels.load('cityscapes').classes}
    before = (tmp_path / 'out' / written[0]).stat().st_mtime_ns
    submit.main(command)
    assert (tmp_path / 'out' / written[0]).stat().st_mtime_ns == before, 'goes on, not again'


def test_a_network_of_other_classes_is_not_submitted(trained_once, tmp_path, capsys):
    with pytest.raises(SystemExit):
        submit.main(
            [
                str(trained_once / 'run' / 'best.safetensors'),
                str(tmp_path),
                '--out',
                str(tmp_path / 'out'),
            ]
        )
    assert 'the server wants those of cityscapes' in capsys.readouterr().err


def test_a_split_can_be_scored_whole_though_training_excludes_some(trained_once, capsys):
    """--split names another split, of which the recipe's own exclusions say nothing."""
    saved = checkpoint.load(trained_once / 'run' / 'best.safetensors')
    used = recipe.parse(json.loads(saved.facts['recipe']))
    used = replace(used, validation=replace(used.validation, exclude=('val_1',)))
    saved.facts['recipe'] = used.to_json()
    path = trained_once / 'excluding.safetensors'
    checkpoint.save(path, saved)
    frames = []
    for extra in ([], ['--split', 'train']):
        evaluate.main([str(path), '--data', f'camvid={trained_once / "camvid"}', *extra])
        frames.append(json.loads(capsys.readouterr().out)['frames'])
    assert frames == [1, 8]
