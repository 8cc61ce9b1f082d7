"""Drives are judged offline through the same session, one folder each."""

import json

import cv2
import jsonschema
import numpy as np
import pytest
import tiny_bags

from asap_ros import evaluate, labels
from asap_ros.evaluation import report, topics
from asap_ros.evaluation.bags import Bag, BagError

CAMVID = labels.load('camvid')
FACTS = {'name': 'constant', 'provider': 'none', 'precision': 'uint8', 'model': 'half and half',
         'model_sha256': 'b' * 64}


def half_and_half(picture):
    mask = np.full((picture.height // 2, picture.width // 2), CAMVID.id_of('sky'), np.uint8)
    mask[mask.shape[0] // 2:] = CAMVID.id_of('road')
    return mask, {'preprocess': 1., 'infer': 2.}


NETWORK = evaluate.Network(CAMVID, FACTS, (16, 32), half_and_half)


@pytest.fixture
def network(monkeypatch):
    """Put the network above in place of one from a file; the command line is real."""
    monkeypatch.setattr(evaluate, 'open_network', lambda *_: NETWORK)


def test_one_drive(tmp_path, network, capsys):
    bag = tiny_bags.write(tmp_path / 'drive')
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(document, report.schema())
    assert document['source']['mode'] == 'offline' and document['complete']
    assert document['frames'] == {'recorded': 6, 'sent': 6, 'received': 6, 'processed': 6,
                                  'dropped': 0, 'stale': 0, 'failed': 0}
    assert document['segmentation']['drivable_iou'] == 1
    assert document['segmentation']['reference']['kind'] == 'predictions'
    assert document['engine']['name'] == 'constant'
    printed = capsys.readouterr().out
    for file in ('report.json', 'overlay.webm', 'contact_sheet.png', '6 of 6 frames'):
        assert file in printed


def test_several_drives_and_their_summary(tmp_path, network):
    bags = [tiny_bags.write(tmp_path / 'first', frames=2),
            tiny_bags.write(tmp_path / 'second', [tiny_bags.RAW], 2)]
    out = tmp_path / 'out'
    assert evaluate.main([*map(str, bags), '--out', str(out)]) == 0
    assert (out / 'first' / 'report.json').exists() and (out / 'second' / 'overlay.webm').exists()
    summary = json.loads((out / 'summary.json').read_text())
    assert [d['drivable_iou'] for d in summary['drives']] == [1, None]
    assert summary['mean']['drivable_iou'] == 1 and summary['mean']['infer_p50_ms'] == 2


def test_equal_names_get_folders_of_their_own(tmp_path):
    bags = [tmp_path / 'x' / 'drive', tmp_path / 'y' / 'drive', tmp_path / 'z' / 'other']
    assert [f.name for f in evaluate.folders(bags, tmp_path)] == ['drive', 'drive_2', 'other']
    assert evaluate.folders(bags[:1], tmp_path) == [tmp_path]


def test_a_frame_that_cannot_be_decoded_fails_and_the_next_follows(tmp_path, network, capsys):
    def half_jpeg(index):
        message = tiny_bags.jpeg_image(index)
        if index == 2:
            message.data = message.data[:len(message.data) // 2]
        return message

    broken = (*tiny_bags.JPEG[:2], half_jpeg)
    bag = tiny_bags.write(tmp_path / 'drive', [broken, tiny_bags.MASK])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 1
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert (document['frames']['processed'], document['frames']['failed']) == (5, 1)
    assert document['segmentation']['frames_compared'] == 5
    assert 'cut off' in capsys.readouterr().err


def test_a_damaged_reference_is_not_compared_and_named(tmp_path, network, capsys):
    def half_png(index):
        message = tiny_bags.png_mask(index)
        if index == 1:
            message.data = message.data[:-9]
        return message

    bag = tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW, (*tiny_bags.MASK[:2], half_png)])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert document['frames']['processed'] == 6
    assert document['segmentation']['frames_compared'] == 5
    assert 'PNG' in capsys.readouterr().err


def test_a_bag_cut_in_the_middle_is_judged_by_what_is_left(tmp_path, network, capsys):
    bag = tiny_bags.write(tmp_path / 'drive', frames=12)
    data = (bag / 'drive.mcap').read_bytes()
    (bag / 'drive.mcap').write_bytes(data[:len(data) // 2])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert 3 <= document['frames']['processed'] == document['frames']['recorded'] < 12
    assert 'messages are readable' in document['source']['damage']
    assert 'messages are readable' in capsys.readouterr().err


@pytest.mark.parametrize('held, sentence', [
    ([tiny_bags.WORDS], 'no image topic'), (None, 'no such bag')])
def test_a_bag_that_cannot_be_judged_does_not_stop_the_others(
        tmp_path, network, capsys, held, sentence):
    bad = tmp_path / 'bad'
    if held:
        tiny_bags.write(bad, held)
    good = tiny_bags.write(tmp_path / 'good', frames=2)
    assert evaluate.main([str(bad), str(good), '--out', str(tmp_path / 'out')]) == 2
    assert sentence in capsys.readouterr().err
    assert (tmp_path / 'out' / 'good' / 'report.json').exists()


def test_ended_early_writes_what_there_is(tmp_path):
    calls = []

    def until_the_third(picture):
        calls.append(picture)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return half_and_half(picture)

    network = evaluate.Network(CAMVID, FACTS, (16, 32), until_the_third)
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        drive = topics.find(bag)
        results = evaluate.evaluate(bag, drive, network,
                                    evaluate.reference_of(drive, 'cityscapes'), tmp_path / 'out')
    assert not results.document['complete']
    assert results.document['frames']['processed'] == 3 and len(results.files) == 3
    assert cv2.imread(str(results.sheet)) is not None


def test_a_drive_of_which_nothing_decodes(tmp_path):
    rubbish = (*tiny_bags.JPEG[:2], lambda k: tiny_bags.TYPES[tiny_bags.COMPRESSED](
        tiny_bags.header(k), 'jpeg', np.zeros(10, np.uint8)))
    with Bag(tiny_bags.write(tmp_path / 'drive', [rubbish])) as bag:
        with pytest.raises(BagError, match='not one frame of .*drive could be read'):
            evaluate.evaluate(bag, topics.find(bag), NETWORK, None, tmp_path / 'out')
    assert list((tmp_path / 'out').iterdir()) == []


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.arguments(['--help'])
    assert ended.value.code == 0 and 'summary.json' in capsys.readouterr().out
