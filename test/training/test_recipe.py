"""Recipes as files: the packaged ones, and what is said of faults."""

import pytest
import yaml

from asap_ros.labels import LabelError
from asap_training import recipe
from asap_training.recipe import RecipeError

PAPER = yaml.safe_load((recipe.FOLDER / 'paper_cityscapes.yaml').read_text())


@pytest.mark.parametrize('name', sorted(p.stem for p in recipe.FOLDER.glob('*.yaml')))
def test_packaged_recipes_are_sound(name):
    assert recipe.load(name).name == name


def test_the_paper_states_what_its_recipe_holds():
    paper = recipe.load('paper_cityscapes')
    settings, view = paper.optimisation, paper.augmentation
    assert (settings.batch_size, settings.momentum, settings.weight_decay) == (4, 0.9, 1e-4)
    assert view.scales == (0.75, 1.0, 1.5, 1.75, 2.0) and view.flip and view.colour_jitter
    assert paper.size == (1024, 1024) and paper.loss.alpha and paper.loss.beta
    assert paper.network.encoder.value == 'resnet18' and paper.network.classes == 19
    text = (recipe.FOLDER / 'paper_cityscapes.yaml').read_text()
    for line in text.splitlines():  # whoever adds an entry must say whose it is
        entry, _, comment = line.strip().partition('#')
        if entry.split(':')[-1].strip() and entry.split(':')[0] in _entries(PAPER):
            origin = comment or _comment_above(text, line)
            assert 'paper' in origin or 'ours' in origin or 'above' in origin, line


def _entries(document: dict) -> set[str]:
    """Return the names of the numbers and words in the recipe's sections."""
    sections = [v for v in document.values() if isinstance(v, dict)]
    return {name for section in sections for name in section}


def _comment_above(text: str, line: str) -> str:
    lines = text.splitlines()
    before = [other for other in lines[: lines.index(line)] if '#' in other]
    return before[-1]


def test_driving_default_never_trains_on_the_drive_it_is_tested_on(tmp_path):
    """Frames of bag 0 and aachen_000000, which is one of them, are left out by their names."""
    used = recipe.load('driving_default')
    for source in used.train:
        if source.layout != 'folder':
            continue
        root = tmp_path / source.data
        (root / 'labels.yaml').parent.mkdir()
        (root / 'labels.yaml').write_text('label_set: cityscapes')
        for folder in ('images', 'labels'):
            (root / folder).mkdir()
            for stem in (
                'aachen_000000_000019',
                'aachen_0_1700000000000000000',
                'aachen_1_1700000000000000000',
                'aachen_000001_000019',
            ):
                (root / folder / f'{stem}.png').touch()
        stems = {p.image.stem for p in source.open({source.data: root}, used.label_set).pairs}
        if source.data != 'rendered':
            assert stems == {'aachen_1_1700000000000000000', 'aachen_000001_000019'}
    assert used.keep_checkpoint == 'last', 'validation is trained on and must not choose'


@pytest.mark.parametrize(
    'change, message',
    [
        ({'labels': 'mars'}, 'mars'),
        ({'sise': [1, 2]}, 'sise'),
        ({'network': {'encoder': 'vgg'}}, 'vgg'),
        ({'optimisation': {'lrr': 1}}, 'lrr'),
        ({'optimisation': {'lr_scheduler': 'steps'}}, "'poly' or 'cosine'"),
        ({'optimisation': {'precision': 'int4'}}, "'float32', 'bfloat16'"),
        ({'optimisation': {'epochs': 0}}, 'optimisation.epochs is 0'),
        ({'keep_checkpoint': 'first'}, "keep_checkpoint is 'first': must be 'best' or 'last'"),
        ({'size': [100, 100]}, 'size.0. is 100: must be a multiple of 32'),
        ({'augmentation': {'crop_size': [64, 50]}}, 'multiples of 32'),
        ({'validation': {'data': 'camvid', 'layout': 'tape'}}, 'tape'),
        (
            {'train': [{'data': 'camvid', 'layout': 'camvid', 'weight': 0}]},
            'train.0..weight is 0: must be greater than 0',
        ),
        ({'train': [{'data': 'camvid'}]}, 'the entry train.0..layout is missing'),
        ({'train': [3]}, 'train.0. is 3'),
        ({'train': 3}, 'train is 3: must be a list'),
        ({'network': 'big'}, "network is 'big'"),
        ({'network': {'channels': 6.5}}, 'channels is 6.5'),
        ({'optimisation': 'sgd'}, "optimisation is 'sgd'"),
        (
            {'optimisation': {'epochs': 'six'}},
            "optimisation.epochs is 'six': must be a valid integer$",
        ),
        ({'optimisation': {'epochs': True}}, 'epochs is True: must be a valid integer'),
        ({'optimisation': {'lr': '1e-4'}}, "lr is '1e-4': must be a valid number"),
        (
            {'augmentation': {'crop_size': [64, 64], 'flip': 1}},
            'flip is 1: must be a valid boolean',
        ),
        (
            {'augmentation': {'crop_size': [64, 64, 64]}},
            'crop_size is .* must have at most 2 items',
        ),
        ({'augmentation': {'crop_size': [64, 64], 'scales': ['1']}}, "scales.0. is '1'"),
        (
            {'validation': {'data': 'x', 'layout': 'folder', 'classes': {'road': 1}}},
            'classes.road is 1: must be a valid string',
        ),
        ({'size': 64}, 'size is 64: must be a list'),
    ],
)
def test_recipe_faults_are_named(change, message):
    with pytest.raises(RecipeError, match=message):
        recipe.parse(PAPER | change)


def test_every_fault_is_named_at_once():
    with pytest.raises(RecipeError) as refused:
        recipe.parse(
            PAPER | {'keep_checkpoint': 'first', 'sise': 3, 'network': {'encoder': 'vgg'}}
        )
    for name in (
        "network.encoder is 'vgg'",
        "keep_checkpoint is 'first'",
        'the entry sise is unknown',
    ):
        assert name in str(refused.value)


def test_a_number_may_have_an_exponent_without_a_point(tmp_path):
    text = (recipe.FOLDER / 'camvid_resnet18.yaml').read_text()
    assert 'lr: 0.02' in text
    (tmp_path / 'small.yaml').write_text(text.replace('lr: 0.02', 'lr: 1e-4'))
    assert recipe.load(str(tmp_path / 'small.yaml')).optimisation.lr == 1e-4


def test_files_that_are_no_recipes_are_named(tmp_path):
    (tmp_path / 'a.yaml').write_text('a: [')
    (tmp_path / 'b.yaml').write_text('3')
    with pytest.raises(RecipeError, match='not YAML'):
        recipe.load(str(tmp_path / 'a.yaml'))
    with pytest.raises(RecipeError, match='not a recipe'):
        recipe.load(str(tmp_path / 'b.yaml'))
    with pytest.raises(RecipeError, match='the entry name is missing'):
        recipe.parse({'labels': 'camvid', 'network': {}})
    (tmp_path / 'c.yaml').write_text('labels: camvid')
    with pytest.raises(RecipeError, match='c.yaml: the entry name is missing'):
        recipe.load(str(tmp_path / 'c.yaml'))


def test_an_unknown_recipe_names_the_packaged_ones():
    with pytest.raises(RecipeError, match='camvid_resnet18'):
        recipe.load('nothing')


def test_entries_can_be_changed_and_differences_are_named():
    paper = recipe.load('paper_cityscapes')
    other = recipe.change(paper, {'optimisation': {'epochs': 3}, 'network': {'channels': 64}})
    assert other.optimisation.epochs == 3 and other.optimisation.batch_size == 4
    assert recipe.differences(paper, other) == [
        'network.channels is 256 there and 64 here',
        'optimisation.epochs is 160 there and 3 here',
    ]
    assert recipe.differences(paper, paper) == []


def test_a_pattern_that_excludes_everything_and_an_unknown_class_are_refused(tiny_camvid):
    used = recipe.load('camvid_resnet18')
    everything = recipe.DataSource('camvid', 'camvid', 'train', exclude=('train_*',))
    with pytest.raises(ValueError, match='every picture is excluded'):
        everything.open({'camvid': tiny_camvid}, used.label_set)
    foreign = recipe.DataSource('camvid', 'camvid', 'train', classes={'road': 'moon'})
    with pytest.raises(LabelError, match='moon'):
        foreign.open({'camvid': tiny_camvid}, used.label_set)
