"""Two processes train as one: the same losses, gradients and weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from asap_training import checkpoint, recipe
from support.paths import ROOT, SUPPORT
from support.tiny_training import run_training

ALONE = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def torchrun(*arguments: str) -> subprocess.CompletedProcess:
    """Run a command in two processes that meet on the loopback by gloo."""
    return subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--nproc-per-node',
            '2',
            '--master-addr',
            '127.0.0.1',
            '--master-port',
            str(free_port()),
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=ALONE,
    )


@pytest.fixture
def chosen(tiny_recipe) -> Path:
    """A recipe with everything in it that processes must agree on."""
    recipe_file = tiny_recipe.with_name('chosen.yaml')
    changed = recipe.change(
        recipe.load(str(tiny_recipe)),
        {'optimisation': {'lr': 0.002, 'class_weight_exponent': 0.3, 'clip_grad_norm': 5.0}},
    )
    recipe_file.write_text(changed.to_json())
    return recipe_file


@pytest.mark.slow
def test_the_arithmetic_of_two_processes_is_that_of_one(chosen, tmp_path):
    """In float64, so that nothing but the arithmetic shows.

    Shared batch norm, OHEM by its threshold and by its least share, the mean over pixels that
    the processes have different numbers of, clipping.
    """
    script = str(SUPPORT / 'float64_training_steps.py')
    subprocess.run(
        [sys.executable, script, str(chosen), str(tmp_path / 'one.pt')],
        cwd=ROOT,
        env=ALONE,
        check=True,
        timeout=300,
    )
    ran = torchrun(script, str(chosen), str(tmp_path / 'two.pt'))
    assert ran.returncode == 0, ran.stderr[-2000:]
    one, two = (torch.load(tmp_path / f'{name}.pt') for name in ('one', 'two'))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        # The network's own norms are float32 whatever the precision around them.
        torch.testing.assert_close(two[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.slow
def test_two_processes_give_the_result_of_one(chosen, tiny_camvid, tmp_path):
    """The whole command by torchrun: data shared out, validation too, one checkpoint."""
    run_training(chosen, tiny_camvid, tmp_path / 'one')
    ran = torchrun(
        '-m',
        'asap_training.train',
        str(chosen),
        '--data',
        f'camvid={tiny_camvid}',
        '--out',
        str(tmp_path / 'two'),
        '--workers',
        '0',
        '--device',
        'cpu',
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    one, two = (checkpoint.load(tmp_path / name / 'last.safetensors') for name in ('one', 'two'))
    for first, second in zip(one.facts['history'], two.facts['history'], strict=True):
        assert second['loss'] == pytest.approx(first['loss'], rel=1e-4)
        assert second['miou'] == pytest.approx(first['miou'], abs=1e-3)
    weights = {k: v for k, v in one.part('model').items() if 'running' not in k}
    for name, tensor in weights.items():
        torch.testing.assert_close(two.part('model')[name], tensor, atol=1e-4, rtol=1e-3, msg=name)


def test_what_the_first_process_finds_wrong_ends_all(chosen, tiny_camvid, tmp_path):
    (tiny_camvid / 'train' / 'train_3.png').write_bytes(b'nothing')
    ran = torchrun(
        '-m',
        'asap_training.train',
        str(chosen),
        '--data',
        f'camvid={tiny_camvid}',
        '--out',
        str(tmp_path / 'run'),
        '--workers',
        '0',
        '--device',
        'cpu',
    )
    assert ran.returncode == 1 and 'train_3.png cannot be read' in ran.stderr
    assert not (tmp_path / 'run' / 'last.safetensors').exists()
