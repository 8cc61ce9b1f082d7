"""Tell what tools/gpu_check.sh measured, and judge it by the goals of docs/engines.md."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

PAPER_RATIO = 191 / 96
"""TensorRT to torch in the paper."""


@dataclass(frozen=True)
class Goal:
    """One goal: ``value`` None where it could not be measured, else compared with ``bound``."""

    name: str
    value: float | None
    bound: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Return whether it was measured and is good enough."""
        if self.value is None:
            return False
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """Return it as text."""
        value = 'not measured' if self.value is None else f'{self.value:.4g}'
        sign = 'at least' if self.at_least else 'at most'
        return f'{"met   " if self.met else "MISSED"}  {self.name}: {value}, {sign} {self.bound:g}'


def eager_ms(torch: dict, model: str, batch: int) -> float | None:
    """Return the median of torch's eager mode for a model and batch, None where it was not run."""
    for result in torch.get('results', []):
        if (result['model'], result['batch']) == (model, batch):
            return result['device_ms']['eager']['p50']
    return None


def goals(bench: dict, torch: dict) -> list[Goal]:
    """Return every goal with what was measured for it."""
    found = []
    agreements = {(a['model'], a['precision']): a['least'] for a in bench['agreements']}
    for result in bench['results']:
        model, precision, batch = result['model'], result['precision'], result['batch']
        name = f'{model} {precision} x{batch}'
        found.append(Goal(f'{name}: golden frame', result['golden']['agreement'], 0.995))
        if batch == 1:
            found.append(
                Goal(
                    f'{name}: worst real picture, agreement with ONNX Runtime',
                    agreements.get((model, precision)),
                    0.995,
                )
            )
        if precision != 'fp16':
            continue
        times = result['ms']['graph']
        if batch == 1:
            eager, ours = eager_ms(torch, model, 1), times['device']['p50']
            found.append(
                Goal(
                    f'{name}: times as fast as torch eager fp16 (paper {PAPER_RATIO:.2f})',
                    None if eager is None else eager / ours,
                    2.0,
                )
            )
            host = times['host_to_host']
            found.append(
                Goal(
                    f'{name}: host to host, p99 over p50',
                    host['p99'] / host['p50'],
                    1.3,
                    at_least=False,
                )
            )
        if batch == 8:
            found.append(Goal(f'{name}: share of the roofline', result['roofline']['share'], 0.4))
    return found


def table(bench: dict, torch: dict) -> str:
    """Return the times as text."""
    lines = [
        f'{bench["gpu"]["name"]} ({bench["gpu"]["arch"]}), {bench["runtime"]} '
        f'{bench["version"]}; torch {torch.get("torch", "not run")}',
        '',
        'model                      precision batch   fps with resize   ms host to host '
        'p50/p95/p99   ms device p50   no graph   roofline ms   torch eager   memory MB',
    ]
    for result in bench['results']:
        graph, plain = result['ms']['graph'], result['ms']['no_graph']
        host = '/'.join(f'{graph["host_to_host"][p]:.2f}' for p in ('p50', 'p95', 'p99'))
        least, eager = result['roofline']['ms'], eager_ms(torch, result['model'], result['batch'])
        lines.append(
            f'{result["model"]:26} {result["precision"]:9} {result["batch"]:5} '
            f'{graph["frames_per_second"]:17.0f} {host:>29} {graph["device"]["p50"]:15.3f} '
            f'{plain["device"]["p50"]:10.3f} {least if least is None else round(least, 3)!s:>13} '
            f'{eager if eager is None else round(eager, 3)!s:>13} {result["gpu_memory_mb"]:11.0f}'
        )
    return '\n'.join(lines)


def main(bench_file: str, torch_file: str) -> int:
    """Print table and goals; 1 where one is missed or was not measured."""
    bench = json.loads(Path(bench_file).read_text())
    path = Path(torch_file)
    torch = json.loads(path.read_text()) if path.exists() else {}
    judged = goals(bench, torch)
    print(table(bench, torch), '', *(goal.line() for goal in judged), sep='\n')
    return 0 if all(goal.met for goal in judged) else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
