"""Plots of a run as inline SVG whose colours are the page's own, light or dark."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from asap_ros.evaluation.birdseye import Moment
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.report_metrics import STAGES, TWO_SIGMA

INK, FAINT, GRID, ONE, TWO, THREE, FOUR, PAPER = (
    '#010101',
    '#020202',
    '#030303',
    '#040404',
    '#050505',
    '#060606',
    '#070707',
    '#080808',
)
"""Stand-ins that become variables of the page: --ink, --faint, --grid, --one to --four, --paper.
No plot may use these as real colours."""
VARIABLES = dict(
    zip(
        (INK, FAINT, GRID, ONE, TWO, THREE, FOUR, PAPER),
        ('ink', 'faint', 'grid', 'one', 'two', 'three', 'four', 'paper'),
    )
)
RC: dict[Any, Any] = {
    'svg.fonttype': 'none',
    'font.family': 'sans-serif',
    'font.size': 11,
    'axes.edgecolor': GRID,
    'axes.labelcolor': FAINT,
    'axes.titlecolor': INK,
    'axes.titlesize': 11,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.facecolor': 'none',
    'figure.facecolor': 'none',
    'grid.color': GRID,
    'grid.linewidth': 0.7,
    'text.color': INK,
    'xtick.color': FAINT,
    'ytick.color': FAINT,
    'xtick.major.size': 0,
    'ytick.major.size': 0,
    'lines.linewidth': 1.8,
    'legend.frameon': False,
    'legend.fontsize': 10,
}
WIDE, NARROW = (11.6, 3.1), (4.6, 3.2)
"""Inches of a plot over time: for a desk and for a phone."""
SHOWN = 45
"""Metres ahead that a view from above reaches."""


def curvature(table: FrameTable, metres: int, size: tuple[float, float]) -> str | None:
    """Return curvature at ``metres`` ahead over time with its 95 % band, against the truth.

    None where no frame told any.
    """
    told, sigma = table[f'curvature_{metres}m'], table[f'sigma_{metres}m']
    if not np.isfinite(told).any():
        return None
    with matplotlib.rc_context(RC):
        figure, axes = _axes(size)
        time = table['time_s']
        axes.axhline(0, color=GRID, linewidth=1)
        axes.fill_between(
            time,
            1e3 * (told - TWO_SIGMA * sigma),
            1e3 * (told + TWO_SIGMA * sigma),
            color=ONE,
            alpha=0.22,
            linewidth=0,
            label='95 % band',
        )
        axes.plot(time, 1e3 * told, color=ONE, label='told', marker='o', markersize=2.2)
        for name, colour, style, words in (
            ('true', TWO, '-', 'true'),
            ('driven', THREE, '--', 'path then driven'),
        ):
            values = table[f'{name}_curvature_{metres}m']
            if np.isfinite(values).any():
                axes.plot(time, 1e3 * values, color=colour, linestyle=style, label=words)
        axes.set_ylabel('curvature, 10⁻³/m')
        _over_time(axes, time)
        return _svg(figure, f'curvature{metres}{size[0]}')


def free_columns(table: FrameTable, size: tuple[float, float]) -> str | None:
    """Return the shares of columns within 4 px and falsely free over time, None without any."""
    columns = table['columns']
    if not np.isfinite(columns).any():
        return None
    with matplotlib.rc_context(RC), np.errstate(invalid='ignore', divide='ignore'):
        figure, axes = _axes(size)
        for name, colour, style, words in (
            ('within_4px', ONE, '-', 'boundary within 4 px'),
            ('false_free', FOUR, '--', 'called free that is not'),
        ):
            axes.plot(
                table['time_s'],
                100 * table[name] / columns,
                color=colour,
                linestyle=style,
                label=words,
            )
        axes.set_ylim(-2, 102)
        axes.set_ylabel('% of columns')
        _over_time(axes, table['time_s'])
        return _svg(figure, f'columns{size[0]}')


def latency(table: FrameTable) -> str | None:
    """Return the histogram of what a frame costs, stage by stage; None without timings."""
    stages = [s for s in ('infer', 'road', 'total', 'age') if np.isfinite(table[s]).any()]
    if not stages:
        stages = [s for s in STAGES if np.isfinite(table[s]).any()]
    if not stages:
        return None
    with matplotlib.rc_context(RC):
        figure = Figure((5.0, 1.0 + 1.05 * len(stages)), layout='constrained')
        every = figure.subplots(len(stages), 1, squeeze=False)[:, 0]
        for axes, stage in zip(every, stages):
            values = table[stage][np.isfinite(table[stage])]
            axes.hist(values, bins=min(40, max(8, len(values) // 3)), color=ONE, alpha=0.75)
            for q, style in ((50, '-'), (95, '--')):
                axes.axvline(
                    np.percentile(values, q),
                    color=TWO,
                    linestyle=style,
                    linewidth=1.5,
                    label=f'p{q} {_milliseconds(np.percentile(values, q))}',
                )
            axes.set_title(stage)
            axes.grid(axis='y', visible=False)
            axes.set_yticks([])
            _legend(axes)
        every[-1].set_xlabel('ms')
        return _svg(figure, 'latency')


def bars(values: dict[str, float | None], xlabel: str, name: str, colour: str = ONE) -> str | None:
    """Return horizontal bars of shares by name, those that are None left out."""
    known = {k.replace('_', ' '): v for k, v in values.items() if v is not None}
    if not known:
        return None
    with matplotlib.rc_context(RC):
        figure, axes = _axes((5.0, 0.8 + 0.3 * len(known)))
        names = list(known)[::-1]
        heights = [100 * known[n] for n in names]
        axes.barh(names, heights, color=colour, alpha=0.8, height=0.66)
        for k, value in enumerate(heights):
            axes.text(
                min(value + 1.5, 101), k, f'{value:.1f}', va='center', fontsize=10, color=INK
            )
        axes.set_xlim(0, 112)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel(xlabel)
        axes.grid(axis='y', visible=False)
        axes.tick_params(axis='y', labelcolor=INK)
        return _svg(figure, name)


def confusion(counts: np.ndarray, names: list[str]) -> str | None:
    """Return a confusion matrix int (N, N + 1), rows shares of the true class; None if empty."""
    present = np.flatnonzero((counts.sum(1) > 0) | (counts[:, :-1].sum(0) > 0))
    if not len(present):
        return None
    unlabelled = counts[:, -1].any()
    columns = np.append(present, len(names)) if unlabelled else present
    part = counts[present][:, columns].astype(float)
    share = 100 * part / np.maximum(part.sum(1, keepdims=True), 1)
    words = [n.replace('_', ' ') for n in names] + ['unlabelled']
    with matplotlib.rc_context({**RC, 'axes.grid': False}):
        side = 1.6 + 0.36 * len(columns)
        figure, axes = _axes((side + 0.4, side))
        for i in range(len(present)):
            for j in range(len(columns)):
                value = share[i, j]
                right = columns[j] == present[i]
                axes.add_patch(
                    matplotlib.patches.Rectangle(
                        (j - 0.47, i - 0.47),
                        0.94,
                        0.94,
                        linewidth=0,
                        facecolor=ONE if right else FOUR,
                        alpha=0.06 + 0.84 * value / 100,
                    )
                )
                if value >= 1:
                    axes.text(
                        j,
                        i,
                        f'{value:.0f}',
                        ha='center',
                        va='center',
                        fontsize=8.5,
                        color=PAPER if value >= 55 else INK,
                    )
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(present) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), [words[k] for k in columns], rotation=60, ha='right')
        axes.set_yticks(range(len(present)), [words[k] for k in present])
        axes.set_xlabel('told')
        axes.set_ylabel('reference')
        axes.spines[:].set_visible(False)
        return _svg(figure, 'confusion')


def birdseye(moment: Moment) -> str:
    """Return one moment from above: x forward is up, y left is left."""
    with matplotlib.rc_context(RC):
        figure, axes = _axes((4.2, 5.0))
        outline = np.vstack([[[0.0, 0.0]], moment.free]) if len(moment.free) else moment.free
        if len(outline):
            axes.fill(-outline[:, 1], outline[:, 0], color=ONE, alpha=0.16, linewidth=0)
            at = moment.free[moment.blocked]
            axes.plot(-at[:, 1], at[:, 0], '.', color=ONE, markersize=3)
        if moment.truth is not None:
            axes.plot(-moment.truth[:, 1], moment.truth[:, 0], '.', color=TWO, markersize=1.6)
        if moment.corridor is not None:
            for line in moment.corridor.edges or ():
                band = np.vstack([line.first, line.second[::-1]])
                axes.fill(-band[:, 1], band[:, 0], color=THREE, alpha=0.3, linewidth=0)
                axes.plot(-line.points[:, 1], line.points[:, 0], color=THREE, linewidth=1)
            centre = moment.corridor.centre.points
            axes.plot(-centre[:, 1], centre[:, 0], color=THREE, linewidth=2)
        if moment.road is not None and len(moment.road):
            axes.plot(
                -moment.road[:, 1], moment.road[:, 0], color=TWO, linewidth=1.2, linestyle='--'
            )
        axes.plot(0, 0, '^', color=INK, markersize=7)
        axes.set_xlim(-18, 18)
        axes.set_ylim(-2, SHOWN)
        axes.set_aspect('equal')
        axes.set_xticks([-10, 0, 10], ['10 left', '0', '10 right'])
        axes.set_title(f't {moment.time:.1f} s')
        axes.set_ylabel('m ahead')
        return _svg(figure, f'birdseye{moment.row}')


def _milliseconds(value: float) -> str:
    return f'{value:.0f} ms' if value >= 10 else f'{value:.2g} ms'


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(size, layout='constrained')
    return figure, figure.subplots()


def _over_time(axes: Axes, time: np.ndarray) -> None:
    """Let a plot span the whole drive, whatever part of it has figures."""
    margin = 0.01 * max(np.ptp(time), 0.1)
    axes.set_xlim(time[0] - margin, time[-1] + margin)
    axes.set_xlabel('time, s')
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Put the legend above the plot, where it covers nothing."""
    axes.legend(
        loc='lower right',
        bbox_to_anchor=(1, 1),
        ncols=4,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=1.2,
    )


def _svg(figure: Figure, salt: str) -> str:
    """Return the figure as an svg element without a size of its own, ids made of ``salt``."""
    text = io.StringIO()
    with matplotlib.rc_context({'svg.hashsalt': salt}):
        FigureCanvasSVG(figure).print_svg(
            text, metadata={'Date': None, 'Creator': None, 'Format': None, 'Type': None}
        )
    svg = text.getvalue()
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', '', svg, count=2)
    svg = re.sub(r'\bid="(?!m[0-9a-f]|p[0-9a-f])[^"]*"', '', svg)
    svg = re.sub(r'font(?:-family)?: ([\d.]+px) [^;"]*', r'font-size: \1', svg)
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f'var(--{name})')
    return svg.replace('<svg ', '<svg aria-hidden="true" focusable="false" ', 1)
