from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from asap_ros.bags.reader import Bag
from asap_simulation import simulate
from asap_simulation.scenario import SCENARIOS

SMALL = ['--size', '64x128', '--fps', '10']


def test_a_drive_and_its_repetition_are_the_same_bytes(tmp_path, capsys):
    for name in ('a', 'b'):
        assert (
            simulate.main(
                [
                    '--out',
                    str(tmp_path / name / 'drive'),
                    '--seconds',
                    '0.3',
                    '--scenario',
                    'night',
                    *SMALL,
                ]
            )
            == 0
        )
    first, second = ((tmp_path / n / 'drive' / 'drive.mcap').read_bytes() for n in 'ab')
    assert first == second
    assert '3 frames, 0.3 s of night, seed 1' in capsys.readouterr().out


def test_it_does_not_overwrite(tmp_path, capsys):
    (tmp_path / 'kept').mkdir()
    assert simulate.main(['--out', str(tmp_path / 'kept'), *SMALL]) == 2
    assert 'kept exists already' in capsys.readouterr().err
    assert simulate.main(['--dataset', '--out', str(tmp_path), *SMALL]) == 2
    assert 'exists already' in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ['kept']


def test_a_place_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert simulate.main(['--out', str(tmp_path / 'file' / 'drive'), *SMALL]) == 2
    assert 'file' in capsys.readouterr().err


@pytest.mark.parametrize(
    'given, reason',
    [
        (['--out', 'x', '--size', '512'], 'HEIGHTxWIDTH'),
        (['--out', 'x', '--size', '8x8'], '64 to 4096'),
        (['--out', 'x', '--seconds', '0'], 'not a number from'),
        (['--out', 'x', '--seconds', 'nan'], 'not a number from'),
        (['--out', 'x', '--seed', '-1'], 'not a number from'),
        (['--out', 'x', '--fps', 'fast'], 'not a number from'),
        (['--out', 'x', '--scenario', 'moon'], 'invalid choice'),
        (['--out', 'x', '--frames', '9'], '--frames is of --dataset'),
        (['--out', 'x', '--dataset', '--uncompressed'], '--uncompressed is of a bag'),
        ([], 'required: --out'),
    ],
)
def test_bad_arguments_are_explained(given, reason, capsys):
    assert simulate.main(given) == 2
    assert reason in capsys.readouterr().err


def test_help_lists_every_scenario(capsys):
    assert simulate.main(['--help']) == 0
    text = capsys.readouterr().out
    assert all(s.name in text and s.summary in text for s in SCENARIOS.values())


def test_frames_for_training(tmp_path, capsys):
    root = tmp_path / 'rendered'
    assert (
        simulate.main(
            ['--dataset', '--out', str(root), '--frames', '2', '--scenario', 'winding', *SMALL]
        )
        == 0
    )
    assert '2 frames with labels' in capsys.readouterr().out
    images, masks = (sorted(p.name for p in (root / n).iterdir()) for n in ('images', 'labels'))
    assert images == masks and len(images) == 2


def test_ctrl_c_leaves_a_sound_shorter_bag(tmp_path):
    out = tmp_path / 'drive'
    process = subprocess.Popen(
        [
            sys.executable,
            '-u',
            '-m',
            'asap_simulation.simulate',
            '--out',
            str(out),
            '--seconds',
            '60',
            *SMALL,
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)},
    )
    progress = ''
    # The bar is not drawn for every frame.
    while max(map(int, re.findall(r' (\d+)/600', progress)), default=0) < 3:
        character = process.stderr.read(1)
        assert character, progress
        progress += character
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert 'ended early' in printed
    assert [p.name for p in tmp_path.iterdir()] == ['drive']
    with Bag(out) as bag:
        counts = {t.count for t in bag.topics if t.name != '/tf_static'}
        assert len(counts) == 1 and 3 <= counts.pop() < 600
        stamps = [
            m.stamp_ns for m in bag.messages(*(t for t in bag.topics if t.name == '/odometry'))
        ]
        assert set(np.diff(stamps)) <= {100_000_000} and bag.damage is None
