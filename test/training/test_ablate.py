"""Every row of the paper's tables is trained under one budget and put beside its figures."""

import json
import os
import signal

import pytest
import torch

from asap_ros.network.asap import Asap
from asap_ros.network.config import SLIM_4, WIDE_8
from asap_training import ablate, ablation_rows
from asap_training.ablation_rows import LINES, ROWS
from asap_training.training_run import TrainingRun


def test_every_line_of_the_papers_tables_is_there():
    assert [line.paper_miou for line in LINES if line.paper_miou] == [
        67.4,
        70.0,
        74.9,
        75.1,
        74.4,
        75.9,
        76.7,
        74.6,
        75.9,
    ]
    assert {line.row for line in LINES} == {row.name for row in ROWS}
    for row in ROWS:
        Asap(ablation_rows.network(row, WIDE_8))
        Asap(ablation_rows.network(row, SLIM_4))


def test_rows_that_are_one_network_are_trained_once():
    of = ablation_rows.distinct(SLIM_4)
    assert of['slim_4'] == 'asap' and of['wide_8'] == 'wide_8'
    assert ablation_rows.distinct(WIDE_8)['wide_8'] == 'asap'
    assert len(set(of.values())) == 8


def test_the_modules_cost_what_the_paper_prints_where_its_reading_fits():
    def cost(label, base):
        line = next(line for line in LINES if line.label == label and line.paper_cost)
        row = next(row for row in ROWS if row.name == line.row)
        return ablation_rows.module_cost(ablation_rows.network(row, base), line) / 1e9

    for label in ('fusion: general', 'fusion: FFDN', 'attention: conventional'):
        paper = next(line.paper_cost for line in LINES if line.label == label)
        assert cost(label, WIDE_8) == pytest.approx(paper, rel=0.01)
    assert cost('attention: vertical', SLIM_4) < 0.22
    assert cost('attention: horizontal', SLIM_4) < cost('attention: vertical', SLIM_4)


@pytest.fixture
def command(tiny_recipe, tiny_camvid, tmp_path):
    """Return the command for two rows and two seeds on the tiny data."""
    return [
        str(tiny_recipe),
        '--data',
        f'camvid={tiny_camvid}',
        '--out',
        str(tmp_path / 'out'),
        '--epochs',
        '1',
        '--seeds',
        '2',
        '--rows',
        'slim_4',
        'fusion_none',
        '--workers',
        '0',
        '--device',
        'cpu',
    ]


@pytest.mark.slow
def test_rows_are_made_one_by_one_and_a_stopped_call_goes_on(
    command, tmp_path, monkeypatch, capsys
):
    out, original, steps = tmp_path / 'out', TrainingRun.training_step, []

    def training_step(self, *arguments):
        steps.append(self.recipe.name)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments)

    monkeypatch.setattr(TrainingRun, 'training_step', training_step)
    with pytest.raises(SystemExit) as stopped:
        ablate.main(command)
    assert stopped.value.code == 130
    assert [p.parts[-3] for p in out.glob('*/*/result.json')] == ['fusion_none']
    ablate.main(command)
    results = sorted(out.glob('*/*/result.json'))
    assert [str(p.parent.relative_to(out)) for p in results] == [
        'fusion_none/seed_0',
        'fusion_none/seed_1',
        'slim_4/seed_0',
        'slim_4/seed_1',
    ]
    assert len(steps) == 2 * len(results), 'no step was made twice'
    capsys.readouterr()
    ablate.main(command)
    assert len(steps) == 2 * len(results), 'and none when all is done'
    table = (out / 'table.md').read_text()
    scores = [
        100 * json.loads((out / 'fusion_none' / f'seed_{n}' / 'result.json').read_text())['miou']
        for n in (0, 1)
    ]
    line = next(line for line in table.splitlines() if line.startswith('| w/o FFDN'))
    cells = [cell.strip() for cell in line.strip('|').split('|')]
    assert cells[1].startswith(f'{sum(scores) / 2:.1f} ±') and cells[2] == '67.4'
    assert float(cells[3]) > 0.1 and float(cells[6]) > 0
    assert '| FFDN | – | 75.1 |' in table, 'a row that was not asked for'


def test_costs_are_counted_for_the_network_that_is_timed(tmp_path):
    device = torch.device('cpu')
    cost = ablate.measured(tmp_path, ROWS[0], SLIM_4, (64, 64), device)
    with torch.no_grad():
        assert cost['macs'] == ablate.costs.counted(Asap(SLIM_4), 64, 64)
    assert cost == ablate.measured(tmp_path, ROWS[0], SLIM_4, (64, 64), device)
