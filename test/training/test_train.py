"""The loop, its checkpoints and the export, on a tiny data set."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from asap_ros.engine import model_file
from asap_ros.engine.choice import open_engine
from asap_ros.network.asap import Asap
from asap_ros.network.config import SLIM_4
from asap_ros.network.deployed import Deployed
from asap_training import checkpoint, evaluate, export, golden, recipe, train
from asap_training.checkpoint import Checkpoint, CheckpointError
from asap_training.train import EpochView, schedule


def run(tiny_recipe, tiny_camvid, out, *extra):
    train.main([str(tiny_recipe), '--data', f'camvid={tiny_camvid}', '--out', str(out),
                '--workers', '0', '--device', 'cpu', *extra])


@pytest.fixture
def trained(tiny_recipe, tiny_camvid, tmp_path):
    """Return the folder of a finished run of eight epochs."""
    out = tmp_path / 'run'
    run(tiny_recipe, tiny_camvid, out, '--epochs', '8')
    return out


def test_a_run_learns_two_classes(trained):
    history = json.loads((trained / 'history.json').read_text())
    assert [entry['epoch'] for entry in history] == list(range(1, 9))
    assert history[-1]['loss'] < 0.7 * history[0]['loss']
    # Both classes at 0.9 and more; a stray pixel of a third class counts as a class at 0.
    assert max(entry['miou'] for entry in history) > 0.6


def test_mixed_precision_learns_alike(trained, tiny_recipe, tiny_camvid, tmp_path):
    run(tiny_recipe, tiny_camvid, tmp_path / 'mixed', '--epochs', '8', '--precision', 'bfloat16')
    plain, mixed = (json.loads((out / 'history.json').read_text())
                    for out in (trained, tmp_path / 'mixed'))
    assert mixed[0]['loss'] != plain[0]['loss'], 'it must have been computed otherwise'
    assert mixed[-1]['loss'] == pytest.approx(plain[-1]['loss'], rel=0.2)
    tensors = load_file(tmp_path / 'mixed' / 'last.safetensors')
    assert {t.dtype for t in tensors.values()} == {torch.float32, torch.int64}


def test_a_checkpoint_from_before_an_entry_of_recipes_goes_on(trained, tiny_recipe, tiny_camvid):
    old = checkpoint.load(trained / 'last.safetensors')
    document = json.loads(old.facts['recipe'])
    del document['optimisation']['precision']
    old.facts['recipe'] = json.dumps(document)
    checkpoint.save(trained / 'last.safetensors', old)
    run(tiny_recipe, tiny_camvid, trained, '--epochs', '8')


def test_a_resumed_run_repeats_the_unbroken_one(tiny_recipe, tiny_camvid, tmp_path, monkeypatch):
    unbroken, broken = tmp_path / 'unbroken', tmp_path / 'broken'
    run(tiny_recipe, tiny_camvid, unbroken)
    original = train.Run.run_epoch

    def stop_in_the_second(self, workers):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return original(self, workers)

    monkeypatch.setattr(train.Run, 'run_epoch', stop_in_the_second)
    with pytest.raises(SystemExit) as stopped:
        run(tiny_recipe, tiny_camvid, broken)
    assert stopped.value.code == 130
    monkeypatch.setattr(train.Run, 'run_epoch', original)
    run(tiny_recipe, tiny_camvid, broken)
    first, second = (load_file(out / 'last.safetensors') for out in (unbroken, broken))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_a_checkpoint_of_another_recipe_or_seed_is_refused(
        trained, tiny_recipe, tiny_camvid, capsys):
    with pytest.raises(SystemExit):
        run(tiny_recipe, tiny_camvid, trained, '--epochs', '8', '--seed', '1')
    assert 'another recipe or seed' in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run(tiny_recipe, tiny_camvid, tmp_path, monkeypatch):
    monkeypatch.setattr(train, 'total_loss', lambda *_: torch.tensor(float('nan')))
    with pytest.raises(FloatingPointError, match='loss is nan in epoch 1'):
        run(tiny_recipe, tiny_camvid, tmp_path / 'run')


def test_missing_data_are_named(tiny_recipe, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([str(tiny_recipe), '--out', str(tmp_path / 'run')])
    assert '--data camvid=FOLDER' in capsys.readouterr().err


def test_an_epoch_draws_by_weight_and_repeats(tiny_camvid):
    used = recipe.load('camvid_resnet18')
    data = used.train[0].open({'camvid': tiny_camvid}, used.label_set)
    heavy = type(data)(data.name, data.pairs, data.table, weight=1.5)
    view = EpochView([data, heavy], used.augmentation, seed=0, epoch=3)
    numbers = np.array(view.order)[:, 0]
    assert (numbers == 0).sum() == 8 and (numbers == 1).sum() == 12
    again = EpochView([data, heavy], used.augmentation, seed=0, epoch=3)
    assert torch.equal(view[5][0], again[5][0])
    other = EpochView([data, heavy], used.augmentation, seed=0, epoch=4)
    assert not np.array_equal(view.order, other.order)


def test_the_rate_warms_up_and_decays_to_zero():
    settings = recipe.Optimisation(warm_up=10, power=0.9)
    factors = [schedule(step, 100, settings) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and np.argmax(factors) == 9
    assert factors[50] == pytest.approx(0.5 ** 0.9) and factors[-1] < 0.02


@pytest.mark.parametrize('name', sorted(p.stem for p in recipe.FOLDER.glob('*.yaml')))
def test_packaged_recipes_are_sound(name):
    assert recipe.load(name).name == name


@pytest.mark.parametrize('change, message', [
    ({'labels': 'mars'}, 'mars'), ({'sise': [1, 2]}, 'sise'),
    ({'network': {'trunk': 'vgg'}}, 'vgg'), ({'optimisation': {'rte': 1}}, 'rte')])
def test_recipe_faults_are_named(change, message):
    document = recipe.yaml.safe_load((recipe.FOLDER / 'camvid_resnet18.yaml').read_text())
    with pytest.raises((recipe.RecipeError, FileNotFoundError), match=message):
        recipe.parse(document | change)


def test_an_unknown_recipe_names_the_packaged_ones():
    with pytest.raises(recipe.RecipeError, match='camvid_resnet18'):
        recipe.load('nothing')


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / 'last.safetensors'
    checkpoint.save(path, Checkpoint({'average/x': torch.ones(2)}, {'epoch': 1}))

    def full(tensors, partial, metadata):
        partial.write_bytes(b'half of it')
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(checkpoint, 'save_file', full)
    with pytest.raises(OSError, match='No space left'):
        checkpoint.save(path, Checkpoint({'average/x': torch.zeros(2)}, {'epoch': 2}))
    kept = checkpoint.load(path)
    assert kept.facts['epoch'] == 1 and kept.part('average')['x'].tolist() == [1, 1]


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match='no checkpoint'):
        checkpoint.load(tmp_path / 'none.safetensors')
    (tmp_path / 'cut.safetensors').write_bytes(b'\x10\0\0\0\0\0\0\0{"a"')
    with pytest.raises(CheckpointError, match='damaged'):
        checkpoint.load(tmp_path / 'cut.safetensors')
    save_file({'x': torch.ones(1)}, tmp_path / 'other.safetensors')
    with pytest.raises(CheckpointError, match='not written by asap_training'):
        checkpoint.load(tmp_path / 'other.safetensors')


def test_weights_of_another_configuration_are_refused():
    small = Asap(SLIM_4).state_dict() | {'classifier.weight': torch.zeros(3, 64, 1, 1)}
    with pytest.raises(CheckpointError, match='(?s)another configuration.*classifier.weight'):
        checkpoint.load_weights(Asap(SLIM_4), small)


def test_trunk_weights_fit_or_are_refused(tmp_path):
    model = Asap(SLIM_4)
    tensors = {k: torch.full_like(v, 0.5) for k, v in model.trunk.state_dict().items()
               if not k.endswith('num_batches_tracked')}
    save_file(tensors | {'fc.weight': torch.zeros(2, 2)}, tmp_path / 'trunk.safetensors')
    checkpoint.load_trunk(model, tmp_path / 'trunk.safetensors')
    assert (model.trunk.conv1.weight == 0.5).all()
    del tensors['layer3.0.conv1.weight']
    save_file(tensors, tmp_path / 'less.safetensors')
    with pytest.raises(CheckpointError, match='layer3.0.conv1.weight'):
        checkpoint.load_trunk(model, tmp_path / 'less.safetensors')


def test_export_keeps_what_torch_sees(trained, tiny_camvid, tmp_path, monkeypatch, capsys):
    """The whole path: checkpoint, ONNX file, engine; both sides label the same pixels."""
    monkeypatch.setattr(golden, 'frame', lambda: np.random.default_rng(0).integers(
        0, 256, (64, 96, 3)).astype(np.uint8))
    monkeypatch.setattr(export, 'FEWEST_CLASSES', 1)
    path = tmp_path / 'tiny.onnx'
    export.main([str(trained / 'best.safetensors'), '--out', str(path)])
    assert str(Path(export.__file__).parents[1]).encode() not in path.read_bytes()
    model = model_file.read(path)
    assert model.labels.name == 'camvid' and model.training['recipe'] == 'tiny'
    engine, facts = open_engine(model, threads=1)
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
    evaluate.main([str(trained / 'best.safetensors'), '--data', f'camvid={tiny_camvid}',
                   '--onnx', str(path)])
    scores = json.loads(capsys.readouterr().out)
    assert scores['onnx']['agreement'] > 0.999
    assert scores['onnx']['miou'] == pytest.approx(scores['miou'], abs=0.02)


def test_an_untrained_network_is_not_exported_as_if_it_were(tmp_path):
    torch.manual_seed(0)
    model = Asap(SLIM_4).eval()
    torch.nn.init.zeros_(model.classifier.weight)
    with pytest.raises(ValueError, match='fewer than 3 classes'):
        export.export(model, recipe.load('camvid_resnet18').label_set, {}, tmp_path / 'x.onnx')
    assert not list(tmp_path.iterdir())


def test_the_golden_frame_is_the_same_everywhere():
    frame = golden.frame()
    assert frame.shape == (*golden.SIZE, 3) and frame.dtype == np.uint8
    assert np.array_equal(frame, golden.frame())
