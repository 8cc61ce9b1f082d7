"""Score the rows of the paper's Tables II and III: ``python -m asap_training.ablate``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from asap_ros.cli.arguments import CommandParser, add_out
from asap_ros.network import costs
from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig
from asap_ros.network.layers import to_channels_last
from asap_training import ablation_rows, arguments, inference, recipe, train
from asap_training.ablation_rows import LINES, ROWS, AblationRow
from asap_training.arguments import ending
from asap_training.inference import InferenceSettings
from asap_training.interruption import NotFinite
from asap_training.recipe import Recipe

TIMED = 20
EXAMPLES = """
  %(prog)s camvid_resnet18 --data camvid=data/camvid \\
      --encoder-weights weights/resnet18.safetensors --epochs 40 --seeds 3 --out runs/ablations
      every row with every seed; runs/ablations/table.md grows with each that is done.
      Ctrl-C saves; the same again goes on
  %(prog)s ... --rows asap wide_8 --split test
"""


def finished(folder: Path) -> dict | None:
    """Return the result of a row and seed, None where it is not done."""
    path = folder / 'result.json'
    return json.loads(path.read_text()) if path.is_file() else None


def make(options: argparse.Namespace, chosen: Recipe, row: AblationRow, seed: int) -> bool:
    """Train and score one row with one seed, or go on with it; False where the user stopped it.

    The averaged weights of the last epoch are scored: no row is helped by a choice.
    """
    folder = options.out / row.name / f'seed_{seed}'
    of_run = argparse.Namespace(
        **vars(options) | {'out': folder, 'seed': seed, 'start': None, 'resident': 'auto'}
    )
    settings = replace(
        chosen,
        name=f'{chosen.name}_{row.name}',
        keep_checkpoint='last',
        network=ablation_rows.network(row, chosen.network),
    )
    job = train.prepare(of_run, settings, torch.device(options.device))
    print(f'{row.name}, seed {seed}', flush=True)
    if not train.train(job):
        return False
    source = replace(settings.validation, split=options.split or settings.validation.split)
    data = arguments.open_source(options, source, settings)
    matrix = inference.score(
        job.run.average.model, data, settings.network.classes, InferenceSettings(settings.size)
    )
    write(
        folder / 'result.json',
        json.dumps(
            {
                'data': data.name,
                'epochs': settings.optimisation.epochs,
                'miou': matrix.miou(),
                'seconds': sum(entry['seconds'] for entry in job.run.history),
            }
        ),
    )
    return True


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_suffix('.partial')
    partial.write_text(text)
    os.replace(partial, path)


@torch.inference_mode()
def milliseconds(config: AsapConfig, size: tuple[int, int], device: torch.device) -> float:
    """Return the median time of one frame of ``size`` through the network, on ``device``."""
    model = to_channels_last(Asap(config).eval(), device)
    frame = torch.zeros(1, 3, *size, device=device).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(TIMED + 5):
        start = time.perf_counter()
        model.label_scores(frame).argmax(1).cpu()  # the copy waits until the GPU is done
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times[5:]))


def measured(
    out: Path, row: AblationRow, config: AsapConfig, size: tuple[int, int], device: torch.device
) -> dict:
    """Return what a row's network costs at ``size``, measured once and then kept."""
    path = out / row.name / 'cost.json'
    if path.is_file():
        return json.loads(path.read_text())
    macs = costs.counted(Asap(config).eval().to(device), *size)
    cost = {'macs': macs, 'ms': milliseconds(config, size, device), 'device': device.type}
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(cost))
    return cost


def table(options: argparse.Namespace, chosen: Recipe) -> str:
    """Return the Markdown of all that is done so far; what is not done is a dash."""
    base = chosen.network
    first = ablation_rows.distinct(base)
    rows = {row.name: row for row in ROWS}
    seeds = range(options.seeds)
    height, width = chosen.size
    rounds = chosen.optimisation.epochs * chosen.optimisation.epoch_repeats
    lines = [
        f'# Ablations of {chosen.name}',
        '',
        f'{rounds} times through the data, {options.seeds} seeds, mIoU in % as mean ± '
        'standard deviation of the averaged weights after the last epoch, on '
        f'{options.split or chosen.validation.split} of {chosen.validation.data} at '
        f'{height}x{width}. Multiply-accumulates (10⁹) of the whole network as it is run, and '
        f'milliseconds (median) of a frame through it in torch on {options.device}, both at '
        f'{height}x{width}. "Module": 10⁹ multiply-accumulates of the module alone as the paper '
        "writes it, at its input. The paper's figures are for Cityscapes val.",
    ]
    for name in dict.fromkeys(line.table for line in LINES):
        lines += [
            '',
            f'## {name}',
            '',
            '| | mIoU | paper | MAC | module | paper | ms |',
            '|---|---|---|---|---|---|---|',
        ]
        for line in (entry for entry in LINES if entry.table == name):
            row = rows[first[line.row]]
            config = ablation_rows.network(row, base)
            results = [finished(options.out / row.name / f'seed_{seed}') for seed in seeds]
            scores = [100 * result['miou'] for result in results if result]
            cost = (
                measured(options.out, row, config, chosen.size, torch.device(options.device))
                if scores
                else None
            )
            module = ablation_rows.module_cost(config, line)
            lines.append(
                '| '
                + ' | '.join(
                    [
                        line.label,
                        spread(scores, len(seeds)),
                        number(line.paper_miou, 1),
                        number(cost['macs'] / 1e9 if cost else None, 2),
                        number(module / 1e9 if module else None, 3),
                        number(line.paper_cost, 2),
                        number(cost['ms'] if cost else None, 1),
                    ]
                )
                + ' |'
            )
    return '\n'.join(lines) + '\n'


def spread(scores: list[float], wanted: int) -> str:
    """Return ``71.2 ± 0.4``, with the number of seeds where some are not done."""
    if not scores:
        return '–'
    deviation = f' ± {statistics.stdev(scores):.1f}' if len(scores) > 1 else ''
    part = f' ({len(scores)} of {wanted})' if len(scores) < wanted else ''
    return f'{statistics.mean(scores):.1f}{deviation}{part}'


def number(value: float | None, digits: int) -> str:
    """Return a number, or a dash for none."""
    return '–' if value is None else f'{value:.{digits}f}'


def main(given: list[str] | None = None) -> None:
    """Train every row of Tables II and III with several seeds and write one Markdown table."""
    parser = CommandParser('ablate', main.__doc__, EXAMPLES)
    parser.add_argument('recipe', help='the network "ASAP" of the tables, data and budget')
    arguments.add_data(parser)
    add_out(parser, 'folder of the runs and of table.md')
    parser.add_argument(
        '--encoder-weights', type=Path, help="safetensors of the encoder's ImageNet weights"
    )
    parser.add_argument('--epochs', type=int, help="instead of the recipe's, for every row")
    parser.add_argument('--seeds', type=int, default=3, help='runs of every row')
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=[row.name for row in ROWS],
        help='train only these (default all)',
    )
    parser.add_argument('--split', help="score on this split (default the recipe's validation)")
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that read pictures (default 1 on a CPU, else one a core)',
    )
    arguments.add_device(parser)
    options = parser.parse_args(given)
    with ending(parser, NotFinite):
        chosen = recipe.load(options.recipe)
        if options.epochs is not None:
            chosen = recipe.change(chosen, {'optimisation': {'epochs': options.epochs}})
        first = ablation_rows.distinct(chosen.network)
        wanted = {first[name] for name in options.rows or first}
        options.out.mkdir(parents=True, exist_ok=True)
        for seed in range(options.seeds):  # all rows of one seed first: the table fills evenly
            for row in (row for row in ROWS if row.name in wanted):
                if finished(options.out / row.name / f'seed_{seed}'):
                    continue
                if not make(options, chosen, row, seed):
                    parser.exit(130, f'stopped; call again to go on with {options.out}\n')
                write(options.out / 'table.md', table(options, chosen))
        write(options.out / 'table.md', table(options, chosen))
    print(f'{options.out / "table.md"}')


if __name__ == '__main__':
    main()
