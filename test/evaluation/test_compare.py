"""Two reports are compared figure by figure, with how sure a change is, for use as a gate."""

import json

import numpy as np
import pytest

from asap_ros.cli import evaluate
from asap_ros.evaluation import compare, frame_table
from asap_ros.evaluation.compare import CompareError
from asap_ros.evaluation.frame_table import FrameTable, FrameTableError


def rows(count=200, agreeing=900, noise=20, seed=1, infer=100.0, first=0):
    rng = np.random.default_rng(seed)
    return FrameTable.of(
        [
            {
                'stamp_ns': first + k,
                'time_s': k / 10,
                'pixels': 1000,
                'agreeing': agreeing + rng.normal() * noise,
                'valid': k % 10 != 0,
                'infer': infer + rng.normal(),
            }
            for k in range(count)
        ]
    )


def change(a, b, path, given=()):
    return next(c for c in compare.compare(a, b, compare.limits(given)) if c.path == path)


ACCURACY = 'segmentation.pixel_accuracy'


def test_a_clear_loss_is_worse_and_a_clear_gain_better():
    worse = change(rows(), rows(agreeing=850, seed=2), ACCURACY)
    assert worse.worse and worse.better is False and worse.high < 0
    assert worse.difference == pytest.approx(-0.05, abs=0.01)
    better = change(rows(agreeing=850), rows(seed=2), ACCURACY)
    assert not better.worse and better.better and better.low > 0


def test_a_loss_within_the_noise_is_not_called_one():
    a, b = rows(noise=150), rows(agreeing=895, noise=150, seed=9)
    told = change(a, b, ACCURACY)
    assert told.low < 0 < told.high and told.better is None and not told.worse


def test_a_sure_loss_within_its_limit_passes():
    a, b = rows(), rows(agreeing=850, seed=2)
    assert not change(a, b, ACCURACY, [f'{ACCURACY}=0.1']).worse
    assert change(a, b, ACCURACY, [f'{ACCURACY}=0.03']).worse


def test_for_times_less_is_better_and_limits_are_shares_of_the_value():
    slower = change(rows(), rows(infer=110.0, seed=2), 'latency_ms.infer.p50')
    assert slower.worse and slower.better is False and slower.allowed == pytest.approx(2, abs=0.1)
    assert change(rows(infer=110.0), rows(seed=2), 'latency_ms.infer.p50').better


def test_of_the_same_frames_what_is_hard_counts_in_both():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 100, 200)  # of the drive
    a, b = (
        FrameTable.of(
            [
                {'stamp_ns': k, 'pixels': 1000, 'agreeing': 800 + h - loss}
                for k, h in enumerate(hard)
            ]
        )
        for loss in (0, 10)
    )
    paired = change(a, b, ACCURACY)
    assert paired.high - paired.low < 1e-6 and paired.better is False
    apart = change(
        a,
        FrameTable.of(
            [
                {'stamp_ns': 1000 + k, 'pixels': 1000, 'agreeing': v}
                for k, v in enumerate(b['agreeing'])
            ]
        ),
        ACCURACY,
    )
    assert apart.high - apart.low > 0.02 and apart.better is None


@pytest.mark.slow
def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = 0
    for seed in range(40):
        told = change(rows(80, seed=seed), rows(80, 890, seed=1000 + seed, first=500), ACCURACY)
        held += told.low <= -0.01 <= told.high
    assert held >= 34  # 38 are expected of 40


def test_figures_that_only_one_report_has_are_left_out():
    paths = {c.path for c in compare.compare(rows(), rows(), compare.limits(()))}
    assert paths == {ACCURACY, 'road.availability', 'latency_ms.infer.p50'}


def test_few_frames_give_no_interval_and_are_judged_as_they_are():
    told = change(rows(5, noise=0), rows(5, 800, noise=0), ACCURACY)
    assert told.low is None and told.worse


@pytest.mark.parametrize(
    'given, sentence',
    [
        ('nonsense=1', "no figure 'nonsense'"),
        (f'{ACCURACY}=much', 'by how much'),
        (ACCURACY, 'by how much'),
        (f'{ACCURACY}=-1', 'by how much'),
    ],
)
def test_limits_that_make_no_sense(given, sentence):
    with pytest.raises(CompareError, match=sentence):
        compare.limits([given])


def report(folder, values, **changes):
    folder.mkdir()
    document = {
        'schema': 'asap_ros/report',
        'version': 2,
        'complete': True,
        'segmentation': {'reference': None},
        'frames': {'processed': 30},
        **changes,
    }
    (folder / 'report.json').write_text(json.dumps(document))
    values.write(folder / frame_table.NAME)
    return str(folder / 'report.json')


def test_as_a_gate(tmp_path, capsys):
    a = report(tmp_path / 'a', rows())
    b = report(tmp_path / 'b', rows(agreeing=850, seed=2), complete=False)
    assert evaluate.main(['--compare', a, b]) == 1
    told = capsys.readouterr().out
    assert f'worse beyond the limits: {ACCURACY}' in told and 'WORSE' in told
    assert 'note: B was ended before its last frame' in told and 'narrower' not in told
    assert evaluate.main(['--compare', a, b, '--limit', f'{ACCURACY}=0.2']) == 0
    assert evaluate.main(['--compare', b, a]) == 0
    assert 'better' in capsys.readouterr().out
    few = report(tmp_path / 'few', rows(30))
    assert evaluate.main(['--compare', few, few]) == 0
    assert 'narrower than they should be' in capsys.readouterr().out


def test_what_cannot_be_compared_is_said(tmp_path, capsys):
    a = report(tmp_path / 'a', rows())
    old = report(tmp_path / 'old', rows(), version=1)
    other = report(tmp_path / 'other', rows(), schema='x')
    empty = report(tmp_path / 'empty', FrameTable.of([{'stamp_ns': 1}]))
    failed = report(tmp_path / 'failed', rows(), frames={'processed': 0})
    bare = report(tmp_path / 'bare', rows())
    (tmp_path / 'bare' / 'frames.csv').unlink()
    for b, sentence in (
        (old, 'is of version 1'),
        (other, 'is not a report'),
        (str(tmp_path / 'none' / 'report.json'), 'No such file'),
        (str(tmp_path / 'a' / 'frames.csv'), 'is not a report'),
        (failed, 'not one frame was processed'),
        (bare, 'frames.csv, which belongs to the report, cannot be read'),
        (empty, 'no figure in common'),
    ):
        assert evaluate.main(['--compare', a, b]) == 2
        assert sentence in capsys.readouterr().err


def test_a_table_survives_writing_and_reading(tmp_path):
    kept = FrameTable.of([{'stamp_ns': 1_700_000_000_123_456_789, 'a': 0.1}, {'a': None, 'b': 2}])
    kept.write(tmp_path / 'frames.csv')
    read = frame_table.read(tmp_path / 'frames.csv')
    assert read.names == ['stamp_ns', 'a', 'b'] and len(read) == 2
    assert read['a'][0] == 0.1 and np.isnan(read['a'][1]) and read['b'][1] == 2
    assert read['stamp_ns'][0] == kept['stamp_ns'][0]
    assert np.isnan(read['absent']).all()
    (tmp_path / 'frames.csv').write_text('a,b\n1\n')
    with pytest.raises(FrameTableError, match='not a table of frames'):
        frame_table.read(tmp_path / 'frames.csv')
