"""The loop: it learns, goes on exactly where it stopped, and stops where it must."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from asap_training import checkpoint, former_names, recipe, train
from asap_training.optimisation import lr_factor
from asap_training.training_run import TrainingRun
from support import tiny_datasets
from support.full_disk import until_the_disk_is_full
from support.tiny_training import run_training as run


def history(out) -> list[dict]:
    return json.loads((out / 'history.json').read_text())


def test_a_run_learns_two_classes(trained):
    entries = history(trained)
    assert [entry['epoch'] for entry in entries] == list(range(1, 9))
    assert entries[-1]['loss'] < 0.7 * entries[0]['loss']
    # Both classes at 0.9 and more; a stray pixel of a third class counts as a class at 0.
    assert max(entry['miou'] for entry in entries) > 0.6
    assert all(entry['images_per_second'] > 0 for entry in entries)


def test_cityscapes_in_its_official_layout_is_trained_on(tmp_path, capsys):
    root = tiny_datasets.cityscapes(tmp_path / 'cityscapes')
    small = recipe.change(
        recipe.load('paper_cityscapes'),
        {
            'network': {'channels': 8, 'key_channels': 4, 'neck_channels': 8},
            'train': [
                {
                    'data': 'cityscapes',
                    'layout': 'cityscapes',
                    'split': 'train',
                    'resize': [64, 64],
                }
            ],
            'size': [64, 64],
            'augmentation': {'crop_size': [64, 64]},
            'optimisation': {'epochs': 6, 'warmup_steps': 1, 'lr': 0.03, 'ema_decay': 0.5},
        },
    )
    path = tmp_path / 'paper.yaml'
    path.write_text(json.dumps(json.loads(small.to_json())))
    train.main(
        [
            str(path),
            '--data',
            f'cityscapes={root}',
            '--out',
            str(tmp_path / 'run'),
            '--workers',
            '0',
            '--device',
            'cpu',
        ]
    )
    losses = [entry['loss'] for entry in history(tmp_path / 'run')]
    assert losses[-1] < 0.9 * losses[0]
    (
        root / 'gtFine' / 'val' / 'frankfurt' / 'frankfurt_000001_000019_gtFine_labelIds.png'
    ).write_bytes(b'nothing')
    with pytest.raises(SystemExit):
        train.main(
            [
                str(path),
                '--data',
                f'cityscapes={root}',
                '--out',
                str(tmp_path / 'other'),
                '--workers',
                '0',
                '--device',
                'cpu',
            ]
        )
    assert 'frankfurt_000001_000019_gtFine_labelIds.png' in capsys.readouterr().err
    assert not (tmp_path / 'other' / 'last.safetensors').exists()


def stop_after(steps: int, wish: signal.Signals, monkeypatch) -> None:
    """Send Ctrl-C, or what an init system sends, while the step of that number is at work."""
    original, made = TrainingRun.training_step, []

    def training_step(self, *arguments):
        made.append(1)
        if len(made) == steps:
            os.kill(os.getpid(), wish)
        return original(self, *arguments)

    monkeypatch.setattr(TrainingRun, 'training_step', training_step)


@pytest.mark.parametrize(
    'steps, wish',
    [(2, signal.SIGINT), (3, signal.SIGTERM)],
    ids=['at the end of an epoch', 'within an epoch'],
)
def test_a_stopped_run_goes_on_as_if_unbroken(
    tiny_recipe, tiny_camvid, tmp_path, monkeypatch, capsys, steps, wish
):
    unbroken, broken = tmp_path / 'unbroken', tmp_path / 'broken'
    run(tiny_recipe, tiny_camvid, unbroken)
    with monkeypatch.context() as patch:
        stop_after(steps, wish, patch)
        with pytest.raises(SystemExit) as stopped:
            run(tiny_recipe, tiny_camvid, broken)
    assert stopped.value.code == 130 and 'call again' in capsys.readouterr().err
    saved = checkpoint.load(broken / 'last.safetensors').facts
    assert (saved['epoch'], saved['step']) == (1, 1)
    run(tiny_recipe, tiny_camvid, broken)
    for name in ('last', 'best'):
        first, second = (load_file(out / f'{name}.safetensors') for out in (unbroken, broken))
        assert first.keys() == second.keys()
        for key, tensor in first.items():
            assert torch.equal(tensor, second[key]), key
    curves = [[(e['loss'], e['miou']) for e in history(out)] for out in (unbroken, broken)]
    assert curves[0] == curves[1]


def test_mixed_precision_learns_alike(trained, tiny_recipe, tiny_camvid, tmp_path):
    run(tiny_recipe, tiny_camvid, tmp_path / 'mixed', '--epochs', '8', '--precision', 'bfloat16')
    plain, mixed = history(trained), history(tmp_path / 'mixed')
    assert mixed[0]['loss'] != plain[0]['loss'], 'it must have been computed otherwise'
    assert mixed[-1]['loss'] == pytest.approx(plain[-1]['loss'], rel=0.2)
    tensors = load_file(tmp_path / 'mixed' / 'last.safetensors')
    assert {t.dtype for t in tensors.values()} == {torch.float32, torch.int64}


def test_float16_without_cuda_is_refused(tiny_recipe, tiny_camvid, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tiny_recipe, tiny_camvid, tmp_path / 'run', '--precision', 'float16')
    assert 'float16 needs CUDA' in capsys.readouterr().err


def test_resident_data_give_the_run_that_read_data_give(
    trained, tiny_recipe, tiny_camvid, tmp_path
):
    run(tiny_recipe, tiny_camvid, tmp_path / 'resident', '--epochs', '8', '--resident', 'yes')
    read, resident = (
        [e['loss'] for e in history(out)] for out in (trained, tmp_path / 'resident')
    )
    assert resident == pytest.approx(read, rel=0.02), 'the same views but for rounding'


def test_a_checkpoint_from_before_an_entry_of_recipes_goes_on(trained, tiny_recipe, tiny_camvid):
    old = checkpoint.load(trained / 'last.safetensors')
    document = json.loads(old.facts['recipe'])
    del document['optimisation']['precision'], document['keep_checkpoint']
    del old.facts['step'], old.facts['losses'], old.facts['scaler']
    old.facts['recipe'] = json.dumps(document)
    checkpoint.save(trained / 'last.safetensors', old)
    run(tiny_recipe, tiny_camvid, trained, '--epochs', '8')


def test_a_checkpoint_with_the_names_of_before_goes_on(trained, tiny_recipe, tiny_camvid):
    old = checkpoint.load(trained / 'last.safetensors')
    document = json.loads(old.facts['recipe'])
    assert former_names.recipe(document) == document, 'what is written has the names of today'
    for name, renamed in former_names.ENTRIES.items():
        entries = document[name] if name else document
        for former, present in renamed.items():
            entries[former] = entries.pop(present)
    old.facts |= {'config': document['network'], 'recipe': json.dumps(document), 'epoch': 7}
    old.tensors = {k.replace('/encoder.', '/trunk.'): v for k, v in old.tensors.items()}
    assert any('/trunk.' in name for name in old.tensors)
    checkpoint.save(trained / 'last.safetensors', old)
    run(tiny_recipe, tiny_camvid, trained, '--epochs', '8')
    assert json.loads(checkpoint.load(trained / 'last.safetensors').facts['recipe']) == (
        former_names.recipe(document)
    )


def test_a_checkpoint_of_another_recipe_or_seed_is_refused(
    trained, tiny_recipe, tiny_camvid, capsys
):
    with pytest.raises(SystemExit):
        run(tiny_recipe, tiny_camvid, trained, '--epochs', '9', '--seed', '1')
    said = capsys.readouterr().err
    assert 'another recipe or seed' in said
    assert 'optimisation.epochs is 8 there and 9 here' in said and 'seed is 0' in said


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_its_batch(
    tiny_recipe, tiny_camvid, tmp_path, monkeypatch, capsys
):
    original, out = TrainingRun.training_step, tmp_path / 'run'

    def training_step(self, frames, targets, steps):
        loss = original(self, frames, targets, steps)
        return loss * float('nan') if (self.epoch, self.step) == (1, 1) else loss

    monkeypatch.setattr(TrainingRun, 'training_step', training_step)
    with pytest.raises(SystemExit) as stopped:
        run(tiny_recipe, tiny_camvid, out)
    assert stopped.value.code == 1
    assert 'the loss is nan in epoch 2, step 0' in capsys.readouterr().err
    batch = checkpoint.load(out / 'bad_batch_0.safetensors')
    assert batch.tensors['frames'].shape == (4, 64, 64, 3)
    assert batch.tensors['targets'].shape == (4, 64, 64)
    assert (batch.facts['epoch'], batch.facts['step'], batch.facts['loss']) == (1, 0, 'nan')
    assert checkpoint.load(out / 'last.safetensors').facts['epoch'] == 1, 'still the sound state'


def test_a_full_disk_ends_the_run_in_a_sentence_and_it_goes_on(
    tiny_recipe, tiny_camvid, tmp_path, monkeypatch, capsys
):
    out = tmp_path / 'run'
    write = checkpoint.save_file
    full = until_the_disk_is_full(write)

    def fill_after_the_first(*arguments):
        return (full if (out / 'last.safetensors').exists() else write)(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, 'save_file', fill_after_the_first)
        with pytest.raises(SystemExit) as stopped:
            run(tiny_recipe, tiny_camvid, out)
    said = capsys.readouterr().err
    assert stopped.value.code == 1 and 'File too large' in said and 'as it was' in said
    run(tiny_recipe, tiny_camvid, out)
    assert [entry['epoch'] for entry in history(out)] == [1, 2]


def test_an_epoch_can_go_through_the_data_several_times(tiny_recipe, tiny_camvid, tmp_path):
    several = recipe.change(recipe.load(str(tiny_recipe)), {'optimisation': {'epoch_repeats': 3}})
    path = tmp_path / 'several.yaml'
    path.write_text(several.to_json())
    run(path, tiny_camvid, tmp_path / 'run', '--epochs', '1')
    events = EventAccumulator(str(tmp_path / 'run' / 'tensorboard')).Reload()
    assert len(events.Scalars('loss/step')) == 3 * 8 // 4


def test_missing_data_are_named(tiny_recipe, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([str(tiny_recipe), '--out', str(tmp_path / 'run')])
    assert '--data camvid=FOLDER' in capsys.readouterr().err


def test_an_optional_source_that_is_not_given_is_left_out_and_said(
    tiny_recipe, tiny_camvid, tmp_path, capsys
):
    more = recipe.change(
        recipe.load(str(tiny_recipe)),
        {
            'train': [
                {'data': 'camvid', 'layout': 'camvid', 'split': 'train'},
                {'data': 'rendered', 'layout': 'folder', 'optional': True},
            ]
        },
    )
    path = tmp_path / 'more.yaml'
    path.write_text(more.to_json())
    run(path, tiny_camvid, tmp_path / 'run', '--epochs', '1')
    assert 'without rendered' in capsys.readouterr().out
    used = json.loads(checkpoint.load(tmp_path / 'run' / 'last.safetensors').facts['recipe'])
    assert [source['data'] for source in used['train']] == ['camvid']


def test_tensorboard_shows_scalars_and_samples(trained):
    events = EventAccumulator(str(trained / 'tensorboard')).Reload()
    assert {'loss/step', 'lr', 'epoch/miou', 'iou/road'} <= set(events.Tags()['scalars'])
    assert len(events.Scalars('loss/step')) == 16
    miou = [round(e.value, 5) for e in events.Scalars('epoch/miou')]
    assert miou == [round(entry['miou'], 5) for entry in history(trained)]
    assert 'val_0/predicted_labelled' in events.Tags()['images']


def test_the_rate_warms_up_and_decays_to_zero():
    settings = recipe.Optimisation(warmup_steps=10, power=0.9)
    factors = [lr_factor(step, 100, settings) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and max(factors) == factors[9]
    assert factors[50] == pytest.approx(0.5**0.9) and factors[-1] < 0.02
    cosine = recipe.Optimisation(warmup_steps=10, lr_scheduler='cosine')
    factors = [lr_factor(step, 100, cosine) for step in range(100)]
    assert factors[0] == pytest.approx(0.1, rel=1e-3) and max(factors) == factors[9]
    assert factors[50] == pytest.approx(0.5) and factors[-1] < 0.001


def test_gradients_are_clipped_to_the_stated_norm(tiny_recipe, tiny_camvid, tmp_path):
    """With a limit so small that every gradient has it, weights move by lr times it."""
    clipped = recipe.change(
        recipe.load(str(tiny_recipe)),
        {
            'optimisation': {
                'clip_grad_norm': 1e-3,
                'momentum': 0.0,
                'weight_decay': 0.0,
                'encoder_lr_factor': 1.0,
                'warmup_steps': 0,
            }
        },
    )
    moving = TrainingRun(clipped, torch.ones(11), 0, torch.device('cpu'))
    before = [p.detach().clone() for p in moving.model.parameters()]
    moving.training_step(
        torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8),
        torch.randint(0, 11, (2, 64, 64)),
        2,
    )
    moved = torch.cat([(a - b).flatten() for a, b in zip(moving.model.parameters(), before)])
    assert moved.norm().item() == pytest.approx(0.02 * 1e-3, rel=1e-2)
