"""The verdict follows from the figures that are known, and from nothing else."""

import pytest

from asap_ros.evaluation.acceptance import GOALS, AcceptanceGoal, sentence, verdict


def document(processed=10, complete=True, **figures):
    made = {
        'complete': complete,
        'frames': {'processed': processed, 'failed': 0},
        'free_space': {},
        'road': {},
    }
    for path, value in figures.items():
        part, _, name = path.partition('__')
        made[part][name] = value
    return made


GOOD = {
    'free_space__boundary_within_4px': 0.95,
    'free_space__false_free': 0.002,
    'road__curvature_rmse_20m': 0.4e-3,
    'road__coverage_95': 0.93,
}


def test_every_goal_that_is_known_must_be_met():
    assert verdict(document(**GOOD))['good'] is True
    only = verdict(document(road__coverage_95=0.93))
    assert only['good'] is True and sum(c['met'] is None for c in only['checks']) == 3


@pytest.mark.parametrize(
    'path, value',
    [
        ('free_space__boundary_within_4px', 0.899),
        ('free_space__false_free', 0.011),
        ('road__curvature_rmse_20m', 1.6e-3),
        ('road__coverage_95', 0.84),
        ('road__coverage_95', 0.995),
        ('frames__failed', 1),
    ],
)
def test_one_that_is_missed_is_counted(path, value):
    told = verdict(document(**{**GOOD, path: value}))
    assert told['good'] is False and told['summary'] == 'Falls short of 1 of 5 goals'


def test_a_line_for_the_terminal_names_what_is_missed():
    assert sentence(verdict(document(**GOOD))) == 'Meets every goal that this drive can tell'
    assert sentence(verdict(document(**{**GOOD, 'free_space__false_free': 0.0148}))) == (
        'Falls short of 1 of 5 goals: columns called free that are not 1.48 % (goal: at most 1 %)'
    )


@pytest.mark.parametrize(
    'path, value, shown',
    [
        ('free_space.false_free', 0.010034, '1.003 %'),
        ('free_space.false_free', 0.009996, '1 %'),
        ('free_space.boundary_within_4px', 0.89998, '89.998 %'),
        ('road.coverage_95', 0.99, '99 %'),
        ('road.coverage_95', 0.9951, '99.5 %'),
    ],
)
def test_what_just_misses_a_goal_does_not_look_like_it(path, value, shown):
    (goal,) = (goal for goal in GOALS if goal.path == path)
    assert goal.form(value) == shown


def test_without_truth_there_is_no_verdict_and_without_frames_a_bad_one():
    assert verdict(document())['good'] is None
    assert verdict(document(processed=0))['good'] is False
    assert verdict(document(complete=False, **GOOD))['summary'].endswith('as far as it was run')


def test_figures_in_words():
    forms = {goal.path: goal for goal in GOALS}
    assert forms['road.curvature_rmse_20m'].form(0.000257) == '0.257\u00a0·\u00a010⁻³/m'
    assert forms['road.coverage_95'].shown == '85 % to 99 %'
    assert AcceptanceGoal('x', 'x', high=0.01, percent=True).form(0.0123) == '1.23 %'
    assert AcceptanceGoal('x', 'x', low=1).form(None) == 'unknown'
