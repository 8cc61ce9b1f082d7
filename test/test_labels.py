from __future__ import annotations

import numpy as np
import pytest

from asap_ros import labels, resources
from asap_ros.labels import IGNORED, LabelClass, LabelError, LabelSet, Role

CITYSCAPES, CAMVID = labels.load('cityscapes'), labels.load('camvid')
PACKAGED = sorted(p.stem for p in resources.find('config/labels').glob('*.yaml'))


def one(id=0, name='road', colour=(0, 0, 0), role=Role.DRIVABLE, raw_ids=()):
    return LabelClass(id, name, colour, role, raw_ids)


def document(**changes):
    base = {
        'name': 'two',
        'classes': [
            {'id': 0, 'name': 'road', 'colour': [1, 2, 3], 'role': 'drivable'},
            {'id': 1, 'name': 'sky', 'colour': [4, 5, 6], 'role': 'sky'},
        ],
    }
    return base | changes


def changed_class(**changes):
    return document(classes=[document()['classes'][0] | changes])


def test_the_sets_that_are_packaged():
    assert PACKAGED == ['camvid', 'cityscapes', 'idd', 'idd_lite']


@pytest.mark.parametrize('name', PACKAGED)
def test_packaged_set(name):
    found = labels.load(name)
    assert found.name == name
    assert len({c.colour for c in found.classes}) == len(found)
    assert all(0 <= v <= 255 for c in found.classes for v in c.colour)
    assert found.is_role(Role.DRIVABLE)[: len(found)].any()
    for other in found.maps_to:  # every name on both sides is a class
        found.mapping_to(labels.load(other))


def test_sizes_and_ids_of_the_data_sets():
    assert (len(CITYSCAPES), len(CAMVID)) == (19, 11)
    assert [CITYSCAPES.id_of(name) for name in ('road', 'sky', 'car')] == [0, 10, 13]
    assert [CAMVID.id_of(name) for name in ('sky', 'road', 'pavement', 'car')] == [0, 3, 4, 8]


def test_roles():
    drivable = CITYSCAPES.is_role(Role.DRIVABLE)
    assert drivable.shape == (256,) and drivable.dtype == bool
    assert np.flatnonzero(drivable).tolist() == [CITYSCAPES.id_of('road')]
    moving = CITYSCAPES.is_role(Role.MOVABLE, Role.VULNERABLE)
    assert {CITYSCAPES.names[k] for k in np.flatnonzero(moving)} == {
        'person',
        'rider',
        'car',
        'truck',
        'bus',
        'train',
        'motorcycle',
        'bicycle',
    }
    assert CITYSCAPES.is_role(Role.IGNORED).sum() == 256 - 19
    assert CAMVID.role_of(3) is Role.DRIVABLE
    assert [CAMVID.role_of(k) for k in (-1, 11, 255)] == [Role.IGNORED] * 3


def test_every_id_has_exactly_one_role():
    tables = np.array([CAMVID.is_role(role) for role in Role])
    np.testing.assert_array_equal(tables.sum(0), 1)


def test_mapping_of_19_classes_to_11():
    table = CITYSCAPES.mapping_to(CAMVID)
    names = {name: CAMVID.names[table[CITYSCAPES.id_of(name)]] for name in CITYSCAPES.names}
    assert names['road'] == 'road' and names['sidewalk'] == 'pavement'
    assert names['truck'] == names['car'] == 'car'
    assert names['wall'] == names['building'] == 'building'
    assert names['rider'] == names['bicycle'] == 'bicyclist'
    np.testing.assert_array_equal(table[19:], IGNORED)
    mask = np.array([[0, 13], [255, 10]], np.uint8)
    np.testing.assert_array_equal(
        table[mask], [[CAMVID.id_of('road'), CAMVID.id_of('car')], [255, CAMVID.id_of('sky')]]
    )


def test_mapping_of_11_classes_to_19_and_back_is_the_identity():
    there, back = CAMVID.mapping_to(CITYSCAPES), CITYSCAPES.mapping_to(CAMVID)
    np.testing.assert_array_equal(back[there[:11]], range(11))
    assert there[IGNORED] == IGNORED


def test_mapping_to_itself():
    table = CAMVID.mapping_to(CAMVID)
    np.testing.assert_array_equal(table[:11], range(11))
    np.testing.assert_array_equal(table[11:], IGNORED)


def test_classes_without_counterpart_become_ignored():
    names = {
        CITYSCAPES.names[k]
        for k in range(19)
        if CITYSCAPES.mapping_to(labels.load('idd_lite'))[k] == IGNORED
    }
    assert names == set()
    part = LabelSet('part', (one(), one(1, 'moon', role=Role.SKY)), {'camvid': {'road': 'road'}})
    np.testing.assert_array_equal(part.mapping_to(CAMVID)[:2], [3, IGNORED])


def test_raw_ids():
    assert CITYSCAPES.from_raw[[7, 26, 0, 255]].tolist() == [0, 13, IGNORED, IGNORED]
    assert CITYSCAPES.to_raw[[0, 13]].tolist() == [7, 26]
    np.testing.assert_array_equal(CITYSCAPES.from_raw[CITYSCAPES.to_raw[:19]], range(19))
    assert CITYSCAPES.known_raw[[7, 1, 255, 34, 200]].tolist() == [True, True, True, False, False]
    assert CAMVID.known_raw.sum() == 13


def test_colours():
    assert CAMVID.colours[3].tolist() == [128, 64, 128]
    assert not CAMVID.colours[11:].any()


def test_dump_is_read_back():
    assert labels.parse(labels.dump(CITYSCAPES), 'a dump') == CITYSCAPES


def test_own_file(tmp_path):
    path = tmp_path / 'own.yaml'
    path.write_text(
        'name: own\nclasses:\n- {id: 0, name: road, colour: [1, 2, 3], role: drivable}\n'
    )
    assert labels.load(str(path)).names == ('road',)


@pytest.mark.parametrize(
    'classes, message',
    [
        ((), '1 to 254 classes'),
        (tuple(one(k, str(k)) for k in range(255)), '1 to 254 classes'),
        ((one(1),), 'ids must count'),
        ((one(0), one(0, 'sky')), 'ids must count'),
        ((one(0), one(1)), 'two classes share a name'),
        ((one(0, raw_ids=(7,)), one(1, 'sky', raw_ids=(7,))), 'raw_ids must be unique'),
        ((one(0, raw_ids=(256,)),), 'raw_ids must be unique and 0 to 255'),
        ((one(0, raw_ids=(255,)),), 'raw_ids must be unique'),
    ],
)
def test_set_that_contradicts_itself(classes, message):
    with pytest.raises(LabelError, match=f'label set odd: {message}'):
        LabelSet('odd', classes)


def test_mapping_from_a_class_that_is_none():
    with pytest.raises(LabelError, match="maps_to camvid names .'moon'.*not classes of this set"):
        LabelSet('odd', (one(),), {'camvid': {'moon': 'sky'}})


def test_mapping_to_a_class_that_is_none():
    odd = LabelSet('odd', (one(),), {'camvid': {'road': 'moon'}})
    with pytest.raises(LabelError, match="label set camvid has no class 'moon'; it has sky, "):
        odd.mapping_to(CAMVID)


def test_mapping_that_nobody_stated():
    odd = LabelSet('odd', (one(),))
    with pytest.raises(LabelError, match='no mapping from label set odd to camvid; stated are no'):
        odd.mapping_to(CAMVID)


@pytest.mark.parametrize(
    'wrong',
    [
        None,
        [],
        'text',
        {},
        document(classes=None),
        document(classes=[3]),
        document(maps_to=[1]),
        changed_class(id='first'),
        changed_class(colour=3),
        changed_class(role='road'),
        changed_class(raw_ids=3),
        {'classes': document()['classes']},
    ],
)
def test_document_that_is_no_label_set(wrong):
    with pytest.raises(LabelError, match='here is not a label set'):
        labels.parse(wrong, 'here')


def test_file_that_is_not_yaml(tmp_path):
    path = tmp_path / 'broken.yaml'
    path.write_text('classes: [')
    with pytest.raises(LabelError, match='broken.yaml is not YAML'):
        labels.load(str(path))


def test_sets_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='config/labels/mars.yaml is not part'):
        labels.load('mars')
    with pytest.raises(FileNotFoundError, match='mars.yaml'):
        labels.load(str(tmp_path / 'mars.yaml'))
