"""Is it good enough: the figures of a report against goals, each stated beside its figure."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ros.evaluation.report_metrics import look_up

NO_BREAK = '\u00a0'
"""The space between a number and its unit."""


@dataclass(frozen=True)
class AcceptanceGoal:
    """What a figure should be: at least ``low`` and at most ``high``, None where open.

    ``percent`` for shares that people read so; ``scale`` and ``unit`` are for showing others.
    """

    path: str
    words: str
    low: float | None = None
    high: float | None = None
    percent: bool = False
    scale: float = 1.0
    unit: str = ''

    def met(self, value: float | None) -> bool | None:
        """Return whether a value meets the goal, None where there is no value."""
        if value is None:
            return None
        return (self.low is None or value >= self.low) and (
            self.high is None or value <= self.high
        )

    @property
    def shown(self) -> str:
        """Return the goal in words."""
        if self.low is not None and self.high is not None:
            return f'{self.form(self.low)} to {self.form(self.high)}'
        if self.low is not None:
            return f'at least {self.form(self.low)}'
        return f'at most {self.form(self.high)}'

    def form(self, value: float | None) -> str:
        """Return a value of this figure in words: 3 digits, more where it just misses the goal."""
        if value is None:
            return 'unknown'
        factor = 100.0 if self.percent else self.scale
        candidates = [f'{value * factor:.{digits}g}' for digits in range(3, 10)]
        number = next(
            (text for text in candidates if self.met(float(text) / factor) == self.met(value)),
            candidates[0],
        )
        if self.percent:
            return f'{number} %'
        return f'{number}{NO_BREAK + self.unit if self.unit else ""}'


GOALS = (
    AcceptanceGoal('frames.failed', 'frames that failed', high=0),
    AcceptanceGoal(
        'free_space.boundary_within_4px',
        'columns whose boundary is within 4 px',
        low=0.90,
        percent=True,
    ),
    AcceptanceGoal(
        'free_space.false_free', 'columns called free that are not', high=0.01, percent=True
    ),
    AcceptanceGoal(
        'road.curvature_rmse_20m',
        'curvature error (RMS) at 20 m',
        high=1.5e-3,
        scale=1e3,
        unit=f'·{NO_BREAK}10⁻³/m',
    ),
    AcceptanceGoal(
        'road.coverage_95',
        'true curvatures within the 95 % band',
        low=0.85,
        high=0.99,
        percent=True,
    ),
)
"""The project's own goals for the shipped networks on a drive."""


def sentence(found: dict) -> str:
    """Return what ``verdict`` returned in one line for a terminal, with each goal that is missed."""
    missed = [
        f'{check["words"]} {check["shown"]} (goal: {check["goal"]})'
        for check in found['checks']
        if check['met'] is False
    ]
    return ': '.join([found['summary'], *(['; '.join(missed)] if missed else [])])


def verdict(document: dict) -> dict:
    """Return the verdict on a report: ``summary``, ``good`` and one check a goal.

    ``good`` is None where no figure with truth is known.
    """
    checks = []
    for goal in GOALS:
        value = look_up(document, goal.path)
        checks.append(
            {
                'figure': goal.path,
                'words': goal.words,
                'value': value,
                'shown': goal.form(value),
                'goal': goal.shown,
                'met': goal.met(value),
            }
        )
    missed = [check for check in checks if check['met'] is False]
    compared = [
        check
        for check in checks
        if check['met'] is not None and check['figure'] != 'frames.failed'
    ]
    if missed:
        good, summary = (
            False,
            'Falls short of {} of {} goals'.format(
                len(missed), sum(check['met'] is not None for check in checks)
            ),
        )
    elif not document['frames']['processed']:
        good, summary = False, 'Not one frame was processed'
    elif compared:
        good, summary = True, 'Meets every goal that this drive can tell'
    else:
        good, summary = None, 'This drive holds no truth to judge by'
    if not document['complete']:
        summary += ', as far as it was run'
    return {'summary': summary, 'good': good, 'checks': checks}
