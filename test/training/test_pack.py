"""Data made small for another machine give the training that the data themselves give."""

import json
import tarfile

import numpy as np
import pytest
from training.conftest import run_training

from asap_ros import labels
from asap_training import pack, packed, recipe, train

CAMVID = labels.load('camvid')


@pytest.fixture
def parts(tiny_recipe, tiny_camvid, tmp_path):
    """Return the packed folder and the archives of it, 20 kB at most each."""
    pack.main([str(tiny_recipe), '--data', f'camvid={tiny_camvid}', '--out',
               str(tmp_path / 'packed'), '--parts', str(tmp_path / 'parts'), '--part-mb', '0.1'])
    return tmp_path / 'packed', sorted((tmp_path / 'parts').iterdir())


def test_packed_pairs_are_the_pairs(parts, tiny_recipe, tiny_camvid):
    used = recipe.load(str(tiny_recipe))
    own = used.train[0].open({'camvid': tiny_camvid}, CAMVID)
    other = packed.open_source(parts[0], used.train[0], CAMVID)
    for index in range(8):
        for a, b in zip(own.read(index), other.read(index)):
            np.testing.assert_array_equal(a, b)


def test_archives_are_small_and_whole_together(parts, tmp_path):
    folder, archives = parts
    assert len(archives) > 1
    for archive in archives:
        assert archive.stat().st_size <= 100_000
        with tarfile.open(archive) as file:
            file.extractall(tmp_path / 'there', filter='data')
    there = {p.relative_to(tmp_path / 'there') for p in (tmp_path / 'there').rglob('*')}
    assert there == {p.relative_to(folder) for p in folder.rglob('*')}


def test_training_on_packed_data_is_the_same_run(parts, tiny_recipe, tiny_camvid, tmp_path):
    run_training(tiny_recipe, tiny_camvid, tmp_path / 'own')
    train.main([str(tiny_recipe), '--packed', str(parts[0]), '--out', str(tmp_path / 'other'),
                '--workers', '0', '--device', 'cpu'])
    losses = [[e['loss'] for e in json.loads((tmp_path / n / 'history.json').read_text())]
              for n in ('own', 'other')]
    assert losses[0] == losses[1]


def test_what_was_not_packed_or_for_other_classes_is_refused(parts, tmp_path):
    source = recipe.Source('camvid', 'camvid', 'test')
    with pytest.raises(ValueError, match='not in the packed data'):
        packed.open_source(parts[0], source, CAMVID)
    with pytest.raises(ValueError, match='packed for label set camvid'):
        packed.open_source(parts[0], recipe.Source('camvid', 'camvid', 'val'),
                           labels.load('cityscapes'))


def test_a_file_larger_than_a_part_is_refused(parts, tmp_path):
    with pytest.raises(ValueError, match='larger than a part'):
        pack.archives(parts[0], tmp_path / 'small', 12000)


def test_two_recipes_that_want_one_source_differently_are_refused(
        tiny_recipe, tiny_camvid, tmp_path, capsys):
    other = recipe.change(recipe.load(str(tiny_recipe)), {'train': [
        {'data': 'camvid', 'layout': 'camvid', 'split': 'train', 'resize': [32, 64]}]})
    (tmp_path / 'other.yaml').write_text(other.to_json())
    with pytest.raises(SystemExit):
        pack.main([str(tiny_recipe), str(tmp_path / 'other.yaml'), '--data',
                   f'camvid={tiny_camvid}', '--out', str(tmp_path / 'packed')])
    assert 'packed differently' in capsys.readouterr().err


def test_pictures_of_another_packing_are_not_left_among_these(
        parts, tiny_recipe, tiny_camvid, tmp_path, capsys):
    """What the recipe excludes now may have been packed before."""
    less = recipe.change(recipe.load(str(tiny_recipe)), {'train': [
        {'data': 'camvid', 'layout': 'camvid', 'split': 'train', 'exclude': ['train_0']}]})
    (tmp_path / 'less.yaml').write_text(less.to_json())
    with pytest.raises(SystemExit):
        pack.main([str(tmp_path / 'less.yaml'), '--data', f'camvid={tiny_camvid}',
                   '--out', str(parts[0])])
    assert '000000_train_0.webp of another packing' in capsys.readouterr().err
