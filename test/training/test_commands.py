"""The commands of training keep the grammar and the exit statuses of all commands."""

from __future__ import annotations

import re

import pytest

from asap_training import ablate, evaluate, export, quantise, submit, torch_speed, train

COMMANDS = (ablate, evaluate, export, quantise, submit, torch_speed, train)


def status_of(module, given):
    try:
        return module.main(given) or 0
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize('module', COMMANDS, ids=lambda module: module.__name__)
def test_help_tells_defaults_in_one_style_and_examples_as_it_was_called(
    module, monkeypatch, capsys
):
    monkeypatch.setattr('sys.argv', ['asap something'])
    assert status_of(module, ['--help']) == 0
    options, examples = capsys.readouterr().out.split('examples:\n')
    assert 'usage: asap something' in options and examples.startswith('  asap something ')
    assert not re.search(r'default[:=]|; default|%\(', options)
    assert '--out PATH' in options or module in (evaluate, torch_speed)


@pytest.mark.parametrize(
    'module, given, says',
    [
        (train, ['no_such_recipe', '--out', 'OUT'], 'no_such_recipe'),
        (train, ['camvid_resnet18', '--out', 'OUT'], 'camvid'),
        (train, ['camvid_resnet18', '--data', 'camvid=/no/such', '--out', 'OUT'], 'not a folder'),
        (ablate, ['no_such_recipe', '--out', 'OUT'], 'no_such_recipe'),
        (evaluate, ['/no/such.safetensors'], '/no/such.safetensors'),
        (export, ['/no/such.safetensors', '--out', 'OUT'], '/no/such.safetensors'),
        (quantise, ['/no/such.onnx', '--pictures', '.', '--out', 'OUT'], '/no/such.onnx'),
        (submit, ['/no/such.safetensors', '.', '--out', 'OUT'], '/no/such.safetensors'),
        (torch_speed, ['--batch', '0'], 'argument --batch'),
    ],
    ids=lambda value: getattr(value, '__name__', ''),
)
def test_what_was_typed_and_cannot_be_is_2(module, given, says, tmp_path, capsys):
    given = [word.replace('OUT', str(tmp_path / 'out')) for word in given]
    assert status_of(module, given) == 2
    assert says in capsys.readouterr().err
