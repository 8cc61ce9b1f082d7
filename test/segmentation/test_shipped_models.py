"""Every shipped network: whole, proven, small enough, and described by a card that is true."""

import pytest

from asap_ros import resources
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine_selection import open_onnxruntime

MODELS = model_file.shipped()


def test_the_default_model_is_shipped():
    assert SegmenterParameters().model in MODELS


@pytest.mark.parametrize('name', MODELS)
def test_a_shipped_model_reproduces_its_golden_frame(name):
    model = model_file.read(model_file.locate(name))
    facts = open_onnxruntime(model, threads=1).facts
    assert facts.golden_agreement >= 0.995
    assert model.path.stat().st_size < 25e6


@pytest.mark.parametrize('name', MODELS)
def test_the_card_states_what_the_file_carries(name):
    model = model_file.read(model_file.locate(name))
    card = resources.find(f'models/{name}.md').read_text()
    assert model.training['recipe'] in card
    assert model.training['scores'], 'the file carries no score'
    for score in model.training['scores']:
        assert f'{100 * score["miou"]:.1f}' in card
        for label, iou in score['per_class'].items():
            row = next(line for line in card.splitlines() if line.startswith(f'| {label} |'))
            assert f' {100 * iou:.1f} ' in row
