"""Many runs on one machine, in pieces of a few minutes: ``python -m asap_training.campaign``."""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from asap_training import checkpoint, recipe
from asap_training.arguments import fail
from asap_training.checkpoint import Checkpoint

PLANS = Path(__file__).parent / 'plans'
PATIENCE = 60.0
"""Seconds that a run is given to save its state when it is asked to end."""
SMALLEST_HALVED = 1024
"""Weights of fewer values stay float32 in what is carried away, as in an exported network."""
EXAMPLES = """examples:
  python -m asap_training.campaign better_weights --packed packed --trunks weights \\
      --work runs --at-once 3 --minutes 9 --out carried
      nine minutes of the plan, three runs at a time; the same again goes on. What is finished
      stands in carried/ in parts of at most 15 MB; join them with: cat NAME.part_* > NAME
"""


class PlanError(ValueError):
    """A plan that cannot be understood or followed."""


@dataclass(frozen=True)
class Task:
    """One run of a plan: its folder below the work folder, its recipe, and its start."""

    name: str
    seed: int
    recipe: recipe.Recipe
    trunk: Path | None

    def folder(self, work: Path) -> Path:
        """Return where its files lie."""
        return work / self.name / f'seed_{self.seed}'

    def finished(self, work: Path) -> bool:
        """Return whether all its epochs are done."""
        return (self.folder(work) / 'history.json').is_file()


def tasks(document: object, trunks: Path | None) -> list[Task]:
    """Return the runs of a plan, the seeds of a recipe one after the other; PlanError."""
    found = []
    try:
        for run in document['runs']:
            unknown = set(run) - {'name', 'recipe', 'trunk', 'seeds', 'change'}
            if unknown:
                raise PlanError(f'{run["name"]}: unknown entries {", ".join(sorted(unknown))}')
            chosen = recipe.change(recipe.load(run['recipe']), run.get('change', {}))
            trunk = None
            if 'trunk' in run:
                if trunks is None or not (trunks / run['trunk']).is_file():
                    raise PlanError(f'{run["name"]}: {run["trunk"]} is not in --trunks {trunks}')
                trunk = trunks / run['trunk']
            found += [Task(run['name'], int(seed), chosen, trunk) for seed in run['seeds']]
    except (KeyError, TypeError) as error:
        raise PlanError(f'the plan cannot be understood: {error!r}') from error
    if len({(task.name, task.seed) for task in found}) < len(found):
        raise PlanError('two runs of the plan have one name and seed')
    return found


def start(task: Task, options: argparse.Namespace) -> subprocess.Popen:
    """Start a run, or go on with it, as a process whose output goes to its log."""
    folder = task.folder(options.work)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = folder / 'recipe.yaml'
    chosen.write_text(task.recipe.to_json())  # JSON is YAML
    command = [sys.executable, '-m', 'asap_training.train', str(chosen), '--packed',
               str(options.packed), '--out', str(folder), '--seed', str(task.seed),
               '--device', options.device]
    if task.trunk:
        command += ['--trunk', str(task.trunk)]
    with (folder / 'log.txt').open('a') as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def said(task: Task, work: Path, what: str = 'epoch ') -> str:
    """Return the last line of a run's log that begins with ``what``."""
    lines = (task.folder(work) / 'log.txt').read_text().replace('\r', '\n').splitlines()
    found = [line for line in lines if line.startswith(what) and 'loss' in line]
    return found[-1] if found else 'has begun'


def work_on(waiting: list[Task], options: argparse.Namespace) -> list[str]:
    """Run tasks, some at once, until all are done or time is up; return what failed and why."""
    end = time.monotonic() + 60 * options.minutes
    running: dict[Task, subprocess.Popen] = {}
    failed: list[str] = []
    next_word = 0.0
    try:
        while (waiting or running) and time.monotonic() < end:
            while waiting and len(running) < options.at_once:
                task = waiting.pop(0)
                running[task] = start(task, options)
            for task in [t for t, process in running.items() if process.poll() is not None]:
                code = running.pop(task).returncode
                if code:
                    lines = (task.folder(options.work) / 'log.txt').read_text().splitlines()
                    failed.append(f'{task.name}, seed {task.seed}: exit code {code}: {lines[-1]}')
            if time.monotonic() > next_word:
                for task in running:
                    print(f'{task.name}, seed {task.seed}: {said(task, options.work)}', flush=True)
                next_word = time.monotonic() + 30
            time.sleep(0.2)
    finally:
        for process in running.values():  # each finishes the step in work and saves
            process.send_signal(signal.SIGTERM)
        for task, process in running.items():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                failed.append(f'{task.name}, seed {task.seed}: did not end in {PATIENCE:.0f} s')
    return failed


def summary(all_tasks: list[Task], work: Path) -> list[dict]:
    """Return how far each run is: epochs, its best score on validation, images a second."""
    found = []
    for task in all_tasks:
        path = task.folder(work) / 'last.safetensors'
        history = checkpoint.load(path).facts['history'] if path.is_file() else []
        rates = [entry['images_per_second'] for entry in history]
        found.append({
            'run': task.name, 'seed': task.seed, 'epochs': len(history),
            'of': task.recipe.optimisation.epochs, 'finished': task.finished(work),
            'best_miou': max((entry['miou'] for entry in history), default=None),
            'last_miou': history[-1]['miou'] if history else None,
            'images_per_second': statistics.median(rates) if rates else None})
    return found


def carry(all_tasks: list[Task], work: Path, out: Path, part: int, files: int) -> list[str]:
    """Put finished results that were not yet taken into ``out``, in parts of ``part`` bytes.

    Large weights become float16, which is what an exported network holds. At most ``files``
    files are written; what does not fit waits for the next call. Returns the names taken.
    """
    taken = []
    for task in all_tasks:
        folder = task.folder(work)
        if not task.finished(work) or (folder / 'taken').exists():
            continue
        result = checkpoint.load(folder / 'best.safetensors')
        tensors = {name: value.half() if value.is_floating_point()
                   and value.numel() >= SMALLEST_HALVED else value
                   for name, value in result.tensors.items()}
        small = folder / 'carried.safetensors'
        checkpoint.save(small, Checkpoint(tensors, result.facts))
        data = small.read_bytes()
        count = math.ceil(len(data) / part)
        if count > files:
            continue
        files -= count
        name = f'{task.name}_seed_{task.seed}.safetensors'
        for number in range(count):
            (out / f'{name}.part_{number:02d}').write_bytes(
                data[number * part:(number + 1) * part])
        (folder / 'taken').touch()
        taken.append(name)
    return taken


def main(given: list[str] | None = None) -> None:
    """Work on the runs of a plan for some minutes; the same again goes on where they stopped."""
    parser = argparse.ArgumentParser(
        prog='python -m asap_training.campaign', description=main.__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('plan', help='a packaged plan by name, or a YAML file')
    parser.add_argument('--packed', type=Path, required=True,
                        help='what asap_training.pack made of the recipes')
    parser.add_argument('--trunks', type=Path, help="folder of the trunks' ImageNet weights")
    parser.add_argument('--work', type=Path, required=True, help='folder of the runs')
    parser.add_argument('--out', type=Path, required=True,
                        help='folder of what is to be carried away: summary.json and results')
    parser.add_argument('--minutes', type=float, default=9.0)
    parser.add_argument('--at-once', type=int, default=3, help='runs at a time')
    parser.add_argument('--part-mb', type=float, default=15.0, help='largest file in --out')
    parser.add_argument('--files', type=int, default=4, help='most files of results in --out')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    options = parser.parse_args(given)
    with fail(parser):
        path = Path(options.plan)
        if path.suffix not in ('.yaml', '.yml'):
            path = PLANS / f'{options.plan}.yaml'
        if not path.is_file():
            raise PlanError(f'there is no plan {options.plan}')
        all_tasks = tasks(yaml.safe_load(path.read_text()), options.trunks)
        options.out.mkdir(parents=True, exist_ok=True)
        waiting = [task for task in all_tasks if not task.finished(options.work)]
        failed = work_on(waiting, options)
        results = summary(all_tasks, options.work)
        (options.out / 'summary.json').write_text(json.dumps(results, indent=2))
        print(json.dumps(results, indent=2))
        for name in carry(all_tasks, options.work, options.out, int(options.part_mb * 1e6),
                          options.files):
            print(f'{options.out}: {name}')
    if failed:
        parser.exit(1, '\n'.join(failed) + '\n')


if __name__ == '__main__':
    main()
