"""Many runs on one machine, in pieces, and what is carried away from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from asap_ros.network.asap import Asap
from asap_training import campaign, checkpoint, machine, pack, recipe

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools' / 'train_on_gpu.sh'


@pytest.fixture
def place(tiny_recipe, tiny_camvid, tmp_path):
    """Return a folder with parts of the data, an empty folder of trunks, and a plan."""
    for name in ('trunks', 'work', 'out'):
        (tmp_path / name).mkdir()
    pack.main([str(tiny_recipe), '--data', f'camvid={tiny_camvid}', '--out',
               str(tmp_path / 'there'), '--parts', str(tmp_path / 'parts')])
    (tmp_path / 'plan.yaml').write_text(yaml.safe_dump({'runs': [
        {'name': 'tiny', 'recipe': str(tiny_recipe), 'seeds': [0, 1],
         'change': {'optimisation': {'epochs': 3}}}]}))
    return tmp_path


def call(place: Path, *extra: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(SCRIPT), *(str(place / name) for name in ('parts', 'trunks', 'work', 'out')),
         '--device', 'cpu', '--at-once', '2', '--part-mb', '15', *extra],
        capture_output=True, text=True, timeout=300, env=os.environ | {
            'PLAN': str(place / 'plan.yaml'), 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1'})


def test_a_plan_is_worked_on_in_pieces_and_its_results_fit_together(place):
    cut_short = call(place, '--minutes', '0.02')
    assert cut_short.returncode == 0, cut_short.stderr
    first = json.loads((place / 'out' / 'summary.json').read_text())
    assert [(r['seed'], r['finished']) for r in first] == [(0, False), (1, False)]
    whole = call(place)
    assert whole.returncode == 0, whole.stderr + whole.stdout
    results = json.loads((place / 'out' / 'summary.json').read_text())
    assert all(r['finished'] and r['epochs'] == 3 and r['images_per_second'] > 0 for r in results)
    parts = sorted((place / 'out').glob('tiny_seed_0.safetensors.part_*'))
    assert len(parts) == 2 and all(p.stat().st_size <= 15_000_000 for p in parts)
    joined = place / 'joined.safetensors'
    joined.write_bytes(b''.join(p.read_bytes() for p in parts))
    carried, own = (checkpoint.network(checkpoint.load(path)) for path in (
        joined, place / 'work' / 'runs' / 'tiny' / 'seed_0' / 'best.safetensors'))
    for (name, value), other in zip(own.state_dict().items(), carried.state_dict().values()):
        torch.testing.assert_close(other, value, atol=1e-3, rtol=1e-3, msg=name)
    before = {p.name for p in (place / 'out').iterdir()}
    for path in parts:
        path.unlink()
    assert call(place).returncode == 0
    assert {p.name for p in (place / 'out').iterdir()} == before - {p.name for p in parts}, (
        'what was taken is not taken again')


def test_a_run_that_fails_is_named_with_its_last_word(place):
    for part in (place / 'parts').iterdir():
        part.unlink()
    ran = call(place)
    assert ran.returncode == 1
    assert 'tiny, seed 1: exit code 1' in ran.stderr and 'not in the packed data' in ran.stderr


def test_what_a_machine_lacks_is_said_before_anything_is_begun(monkeypatch, capsys):
    monkeypatch.setitem(machine.NEEDED, 'no_such_module', 'no-such-package')
    with pytest.raises(SystemExit) as stopped:
        machine.main()
    assert 'no-such-package' in str(stopped.value)
    assert 'no-such-package is missing' in capsys.readouterr().err
    monkeypatch.delitem(machine.NEEDED, 'no_such_module')
    machine.main()
    assert 'torch' in capsys.readouterr().out


def test_the_packaged_plan_can_be_followed(tmp_path):
    document = yaml.safe_load((campaign.PLANS / 'better_weights.yaml').read_text())
    for run in document['runs']:
        (tmp_path / run['trunk']).touch()
    found = campaign.tasks(document, tmp_path)
    assert {task.name: len([t for t in found if t.name == task.name]) for task in found} == {
        'camvid_resnet18': 3, 'camvid_mobilenet_v2': 3, 'driving_mobilenet_v2': 1,
        'driving_resnet18': 1}
    for task in found:
        assert task.recipe.optimisation.precision == 'bfloat16'
        assert task.recipe.network.trunk.value in task.trunk.name
        Asap(task.recipe.network)


@pytest.mark.parametrize('document, message', [
    (3, 'cannot be understood'), ({'runs': [{'name': 'a'}]}, "KeyError\\('recipe'\\)"),
    ({'runs': [{'name': 'a', 'recipe': 'camvid_resnet18', 'seeds': [0], 'sedes': 1}]}, 'sedes'),
    ({'runs': [{'name': 'a', 'recipe': 'camvid_resnet18', 'seeds': [0, 0]}]}, 'one name'),
    ({'runs': [{'name': 'a', 'recipe': 'camvid_resnet18', 'seeds': [0], 'trunk': 'x'}]},
     'x is not in --trunks'),
    ({'runs': [{'name': 'a', 'recipe': 'moon', 'seeds': [0]}]}, 'no recipe moon')])
def test_faults_of_a_plan_are_named(document, message):
    with pytest.raises((campaign.PlanError, recipe.RecipeError), match=message):
        campaign.tasks(document, None)
