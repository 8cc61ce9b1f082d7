"""Starting from an exported network: the same function, trainable, and clear errors."""

from pathlib import Path

import onnx
import pytest
import torch

from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig, Fusion
from asap_ros.network.normalisation import normalise
from asap_ros.segmentation import model_file
from asap_training import export, former_names, initial_weights
from asap_training.checkpoint import CheckpointError

pytestmark = pytest.mark.slow

SMALL = {'classes': 4, 'neck_channels': 8, 'channels': 8, 'key_channels': 4}


def frames() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)


def network(**config) -> Asap:
    """Return a network whose batch norms are none of them trivial, in evaluation mode."""
    torch.manual_seed(0)
    model = Asap(AsapConfig(**{**SMALL, **config}))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


def exported(model: Asap, path: Path) -> Path:
    """Write the network as export does, but for what the metadata would hold."""
    proto = export.to_onnx(model)
    export.halve_weights(proto)
    onnx.save(proto, path)
    return path


@pytest.fixture(
    scope='module',
    params=[
        {'encoder': 'resnet18'},
        {'encoder': 'mobilenet_v2'},
        {'fusion': 'general'},
        {'merge': 'concat', 'fused_stride': 8},
        {'attention': 'conventional'},
    ],
    ids=str,
)
def trained_and_file(request, tmp_path_factory):
    """Return a network and its network file."""
    model = network(**request.param)
    path = tmp_path_factory.mktemp('start') / 'net.onnx'
    scores = model(normalise(frames()))
    return model.config, scores.detach(), exported(model, path)


def test_the_network_computes_what_the_file_does(trained_and_file):
    config, expected, path = trained_and_file
    fresh = Asap(config)
    kept = initial_weights.from_network_file(fresh, path, [frames()])
    assert kept == ['aux3', 'aux4'], 'no file holds the auxiliary heads'
    scores = fresh.eval()(normalise(frames()))
    torch.testing.assert_close(scores, expected, rtol=0.02, atol=0.02 * expected.std().item())


def test_batch_norms_hold_the_statistics_of_the_new_data(trained_and_file):
    config, _, path = trained_and_file
    if config.fusion is Fusion.GENERAL:
        pytest.skip('its norm behind the fusion is not folded and keeps its own statistics')
    fresh = Asap(config)
    initial_weights.from_network_file(fresh, path, [frames()])
    image = normalise(frames())
    judged = fresh.eval()(image)
    # In training mode the batch's own statistics are used: the same ones, this being the batch.
    with torch.no_grad():
        trained = fresh.train()(image)
    torch.testing.assert_close(trained, judged, rtol=1e-2, atol=1e-2 * judged.std().item())


def test_another_number_of_classes_keeps_all_but_the_classifier(trained_and_file):
    config, _, path = trained_and_file
    fresh = Asap(AsapConfig(**{**config.to_dict(), 'classes': 7}))
    assert initial_weights.from_network_file(fresh, path, [frames()]) == [
        'aux3',
        'aux4',
        'classifier',
    ]


@pytest.mark.parametrize(
    'other',
    [
        {'channels': 12},
        {'fusion': 'layer_norm', 'channels': 16},
        {'encoder': 'other'},
        {'attention': 'none'},
    ],
)
def test_another_configuration_is_refused(trained_and_file, other):
    config, _, path = trained_and_file
    if 'encoder' in other:
        other = {'encoder': {'resnet18': 'mobilenet_v2'}.get(config.encoder.value, 'resnet18')}
    fresh = Asap(AsapConfig(**{**config.to_dict(), **other}))
    with pytest.raises(CheckpointError, match='another configuration'):
        initial_weights.from_network_file(fresh, path, [frames()])


@pytest.mark.parametrize('name', model_file.shipped())
def test_shipped_files_are_a_start(name):
    path = model_file.locate(name)
    written = model_file.read(path).training['config']
    fresh = Asap(AsapConfig.from_dict(former_names.section('network', written)))
    assert initial_weights.from_network_file(fresh, path, [frames()]) == ['aux3', 'aux4']


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'no network')
    with pytest.raises(CheckpointError, match='cannot be read'):
        initial_weights.from_network_file(network(), path, [frames()])
