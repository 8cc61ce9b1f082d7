"""Drives are judged offline through the same session, one folder each."""

import json

import cv2
import jsonschema
import numpy as np
import pytest

from asap_ros import labels
from asap_ros.cli import evaluate
from asap_ros.evaluation import drive_job, report
from asap_ros.evaluation.drive_job import DriveJob, EvaluationRequest
from asap_ros.evaluation.offline import MaskSource
from support import tiny_bags

CAMVID = labels.load('camvid')
FACTS = {
    'name': 'constant',
    'provider': 'none',
    'precision': 'uint8',
    'model': 'half and half',
    'model_sha256': 'b' * 64,
}


def half_and_half(frame, picture):
    mask = np.full((picture.height // 2, picture.width // 2), CAMVID.id_of('sky'), np.uint8)
    mask[mask.shape[0] // 2 :] = CAMVID.id_of('road')
    return mask, None, {'preprocess': 1.0, 'infer': 2.0}


NETWORK = MaskSource(CAMVID, FACTS, (16, 32), half_and_half)


@pytest.fixture
def network(monkeypatch):
    """Put the network above in place of one from a file; the command line is real."""
    monkeypatch.setattr(drive_job, 'segmenter_of', lambda _: NETWORK)


def test_one_drive(tmp_path, network, capsys):
    bag = tiny_bags.write(tmp_path / 'drive')
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(document, report.schema())
    assert document['source']['mode'] == 'offline' and document['complete']
    assert document['frames'] == {
        'recorded': 6,
        'sent': 6,
        'received': 6,
        'processed': 6,
        'dropped': 0,
        'stale': 0,
        'failed': 0,
    }
    assert document['segmentation']['drivable_iou'] == 1
    assert document['segmentation']['reference']['kind'] == 'predictions'
    assert document['engine']['name'] == 'constant'
    printed = capsys.readouterr().out
    for file in (
        'report.html',
        'report.json',
        'frames.csv',
        'overlay.webm',
        'contact_sheet.png',
        '6 of 6 frames',
    ):
        assert file in printed


def test_several_drives_and_their_summary(tmp_path, network):
    bags = [
        tiny_bags.write(tmp_path / 'first', frames=2),
        tiny_bags.write(tmp_path / 'second', [tiny_bags.RAW], 2),
    ]
    out = tmp_path / 'out'
    assert evaluate.main([*map(str, bags), '--out', str(out)]) == 0
    assert (out / 'first' / 'report.json').exists() and (out / 'second' / 'overlay.webm').exists()
    summary = json.loads((out / 'summary.json').read_text())
    assert [d['segmentation.drivable_iou'] for d in summary['drives']] == [1, None]
    assert summary['mean']['segmentation.drivable_iou'] == 1
    assert summary['mean']['latency_ms.infer.p50'] == 2 and summary['failed'] == []
    assert 'first/report.html' in (out / 'index.html').read_text()


def test_equal_names_get_folders_of_their_own(tmp_path):
    bags = [tmp_path / 'x' / 'drive', tmp_path / 'y' / 'drive', tmp_path / 'z' / 'other']
    assert [f.name for f in evaluate.folders(bags, tmp_path)] == ['drive', 'drive_2', 'other']
    assert evaluate.folders(bags[:1], tmp_path) == [tmp_path]


def test_a_frame_that_cannot_be_decoded_fails_and_the_next_follows(tmp_path, network, capsys):
    def half_jpeg(index):
        message = tiny_bags.jpeg_image(index)
        if index == 2:
            message.data = message.data[: len(message.data) // 2]
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
    (bag / 'drive.mcap').write_bytes(data[: len(data) // 2])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert 3 <= document['frames']['processed'] == document['frames']['recorded'] < 12
    assert 'messages are readable' in document['source']['damage']
    assert 'messages are readable' in capsys.readouterr().err


@pytest.mark.parametrize(
    'held, sentence', [([tiny_bags.WORDS], 'no image topic'), (None, 'no such bag')]
)
def test_a_bag_that_cannot_be_judged_does_not_stop_the_others(
    tmp_path, network, capsys, held, sentence
):
    bad = tmp_path / 'bad'
    if held:
        tiny_bags.write(bad, held)
    good = tiny_bags.write(tmp_path / 'good', frames=2)
    assert evaluate.main([str(bad), str(good), '--out', str(tmp_path / 'out')]) == 2
    assert sentence in capsys.readouterr().err
    assert (tmp_path / 'out' / 'good' / 'report.json').exists()


def test_ended_early_writes_what_there_is(tmp_path, monkeypatch):
    calls = []

    def until_the_third(frame, picture):
        calls.append(picture)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return half_and_half(frame, picture)

    monkeypatch.setattr(
        drive_job, 'segmenter_of', lambda _: MaskSource(CAMVID, FACTS, (16, 32), until_the_third)
    )
    bags = [tiny_bags.write(tmp_path / name) for name in ('first', 'second')]
    out = tmp_path / 'out'
    assert evaluate.main([*map(str, bags), '--out', str(out)]) == 130
    document = json.loads((out / 'first' / 'report.json').read_text())
    assert not document['complete'] and document['frames']['processed'] == 3
    assert cv2.imread(str(out / 'first' / 'contact_sheet.png')) is not None
    assert not (out / 'second').exists()


def test_a_drive_of_which_nothing_decodes(tmp_path, network, capsys):
    rubbish = (
        *tiny_bags.JPEG[:2],
        lambda k: tiny_bags.TYPES[tiny_bags.COMPRESSED](
            tiny_bags.header(k), 'jpeg', np.zeros(10, np.uint8)
        ),
    )
    bag = tiny_bags.write(tmp_path / 'drive', [rubbish])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 1
    assert 'not one frame of' in capsys.readouterr().err
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert document['frames']['failed'] == 6 and document['verdict']['good'] is False


def test_a_bag_without_an_image_gets_a_report_that_says_so(tmp_path, network):
    bag = tiny_bags.write(tmp_path / 'drive', [tiny_bags.INFO, tiny_bags.WORDS])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 2
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(document, report.schema())
    assert 'no image topic' in document['source']['damage']
    assert 'no image topic' in (tmp_path / 'out' / 'report.html').read_text()


def test_a_run_that_fails_leaves_nothing_of_the_one_before_beside_its_report(tmp_path, network):
    out = tmp_path / 'out'
    assert evaluate.main([str(tiny_bags.write(tmp_path / 'good')), '--out', str(out)]) == 0
    assert {'frames.csv', 'results', 'overlay.webm'} < {path.name for path in out.iterdir()}
    bad = tiny_bags.write(tmp_path / 'bad', [tiny_bags.INFO, tiny_bags.WORDS])
    assert evaluate.main([str(bad), '--out', str(out)]) == 2
    assert {path.name for path in out.iterdir()} == {'report.html', 'report.json'}


def test_images_that_change_their_size_half_way_are_all_judged_and_named(tmp_path, network):
    changing = (
        *tiny_bags.RAW[:2],
        lambda k: tiny_bags.raw_image(k, (32, 64) if k < 3 else (16, 32)),
    )
    bag = tiny_bags.write(tmp_path / 'drive', [changing, tiny_bags.INFO, tiny_bags.STATIC])
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0
    document = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert document['frames']['processed'] == 6
    assert 'images change from 64x32 to 32x16' in document['warnings'][0]
    assert '3 frames without a road: camera_info is of 64x32 images' in document['warnings'][1]
    assert document['road']['status']['NO_CALIBRATION'] == 3


def test_topics_of_types_that_nobody_knows_do_not_matter(tmp_path, network):
    bag = tiny_bags.write(tmp_path / 'drive', frames=3)
    tiny_bags.add_unknown(bag)
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out')]) == 0


@pytest.mark.parametrize(
    'given, sentence',
    [
        ([], 'which drive'),
        (['x'], 'which drive'),
        (['x', '--out', 'y', '--workers', '2', '--scheduler', 'tcp://a:1'], 'give one of them'),
        (['x', '--out', 'y', '--live', '--workers', '2'], 'one drive after another'),
        (['x', '--out', 'y', '--live', '--masks-from', '/m'], 'takes the place of the network'),
        (['x', '--compare', 'a', 'b'], 'not both'),
        (['x', '--out', 'y', '--rate', '0'], 'above 0'),
    ],
)
def test_command_lines_that_make_no_sense_are_refused(given, sentence, capsys):
    assert evaluate.main(given) == 2
    assert sentence in capsys.readouterr().err


def test_a_reference_of_another_label_set_breaks_its_own_bag_alone(tmp_path, network):
    foreign = (*tiny_bags.MASK[:2], lambda k: tiny_bags.png(np.full((32, 64), 77, np.uint8), k))
    bad = tiny_bags.write(tmp_path / 'bad', [tiny_bags.RAW, foreign], 2)
    good = tiny_bags.write(tmp_path / 'good', frames=2)
    out = tmp_path / 'out'
    assert (
        evaluate.main([str(bad), str(good), '--reference-labels', 'camvid', '--out', str(out)])
        == 2
    )
    summary = json.loads((out / 'summary.json').read_text())
    assert 'holds id 77' in summary['failed'][0]['error']
    assert [d['bag'] for d in summary['drives']] == [str(good)]


def test_the_shipped_chain_runs_from_a_model_file(tmp_path, tiny_file):
    bag = tiny_bags.write(tmp_path / 'drive', frames=2)
    job = DriveJob(
        str(bag), str(tmp_path / 'out'), EvaluationRequest(str(tiny_file), size=(32, 64))
    )
    outcome = drive_job.work(job)
    assert not outcome.error and outcome.document['frames']['processed'] == 2
    assert outcome.document['latency_ms']['infer']['p50'] > 0
    assert [f['path'] for f in outcome.document['files']][-1] == str(tiny_file)


def test_help_shows_examples(capsys):
    assert evaluate.main(['--help']) == 0
    assert 'summary.json' in capsys.readouterr().out
