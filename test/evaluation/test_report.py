"""The report holds to its schema, and what is not known is null."""

import json
import math

import jsonschema
import numpy as np
import pytest

from asap_ros import labels
from asap_ros.evaluation import report
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.report import EvaluatedDrive, EvaluatedRun, FrameCounts, MaskReference
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix

CAMVID = labels.load('camvid')
SOURCE = EvaluatedDrive('drive', '/camera/image_raw', 'offline')
REFERENCE = MaskReference('/reference/mask', labels.load('cityscapes'), 'predictions')


def document(matrix=None, reference=None, rows=(), configuration=None, **changes):
    rows = FrameTable.of(rows)
    scores = {
        'segmentation': report.segmentation(
            CAMVID, matrix or ConfusionMatrix(11), reference, 1 if matrix else 0
        ),
        'free_space': report.free_space(rows, None),
        'road': report.road(rows, CAMVID, None, None),
    }
    run = EvaluatedRun(SOURCE, FrameCounts(4, 4, 4, 4), **changes)
    return report.build(run, rows, scores, configuration)


def numbers(value):
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    return [] if value is None or isinstance(value, (str, bool)) else [value]


def test_without_truth_and_timings_everything_is_null():
    made = document()
    jsonschema.validate(made, report.schema())
    for part in ('latency_ms', 'engine'):
        assert numbers(made[part]) == []
    for part, counts in (('free_space', 2), ('road', 3)):
        assert numbers(made[part]) == [0] * counts  # the frames and columns compared
    assert made['verdict']['good'] is None and 'no truth' in made['verdict']['summary']
    assert numbers(made['segmentation']) == [0]  # the frames compared
    assert made['segmentation']['reference'] is None


def test_with_everything_it_still_holds_to_the_schema():
    matrix = ConfusionMatrix(11)
    matrix.add(np.array([3, 3, 4, 8], np.uint8), np.array([3, 3, 3, 8], np.uint8))
    timings = [{'infer': float(v), 'total': v + 2.0} for v in range(1, 101)]
    engine = {
        'name': 'onnxruntime',
        'provider': 'CPUExecutionProvider',
        'precision': 'float32',
        'model': 'm.onnx',
        'model_sha256': 'a' * 64,
        'threads': '2',
    }
    made = document(
        matrix,
        REFERENCE,
        timings,
        engine=engine,
        complete=False,
        configuration={'size': '512x1024', 'hood': None},
        warnings=['dark'],
    )
    jsonschema.validate(made, report.schema())
    scores = made['segmentation']
    assert scores['drivable_iou'] == pytest.approx(2 / 3, abs=1e-6)
    assert scores['pixel_accuracy'] == 0.75
    assert scores['per_class']['car'] == 1 and scores['per_class']['sky'] is None
    assert scores['reference'] == {
        'topic': '/reference/mask',
        'labels': 'cityscapes',
        'kind': 'predictions',
    }
    assert made['latency_ms']['infer'] == {'p50': 50.5, 'p95': 95.05, 'p99': 99.01}
    assert made['latency_ms']['decode']['p50'] is None
    assert made['engine']['model_sha256'] == 'a' * 64 and 'threads' not in made['engine']


def test_not_a_number_is_no_latency():
    made = document(rows=[{'infer': math.nan}, {'infer': 4.0}, {'infer': math.inf}, {}])
    assert made['latency_ms']['infer'] == {'p50': 4.0, 'p95': 4.0, 'p99': 4.0}
    assert made['latency_ms']['road']['p50'] is None


def test_of_many_warnings_the_first_are_kept_and_the_rest_counted():
    made = document(warnings=[f'frame {k}' for k in range(50)])['warnings']
    assert made[:2] == ['frame 0', 'frame 1'] and made[-1] == 'and 30 more like these'


def test_files_are_told_by_their_hash(tmp_path):
    (tmp_path / 'a.mcap').write_bytes(b'abc')
    assert report.file_facts(tmp_path / 'a.mcap') == {
        'path': str(tmp_path / 'a.mcap'),
        'bytes': 3,
        'sha256': 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    }


@pytest.mark.parametrize(
    'change',
    [
        {'version': 1},
        {'complete': None},
        {'frames': {}},
        {'verdict': 'good'},
        {'files': [{}]},
        {'segmentation': {'miou': 1.5}},
    ],
)
def test_the_schema_refuses_other_documents(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document(), **change}, report.schema())


def test_headline_in_words():
    matrix = ConfusionMatrix(11)
    matrix.add(np.array([3, 4], np.uint8), np.array([3, 3], np.uint8))
    line = report.headline(document(matrix, REFERENCE, [{'infer': 120.0}], complete=False))
    assert line == (
        '4 of 4 frames processed (ended early); drivable IoU 0.500, mIoU 0.250, '
        'pixel agreement 50.0%; infer p50 120 ms'
    )
    assert report.headline(document()) == '4 of 4 frames processed; infer p50 unknown'


def test_written_in_one_step_as_plain_json(tmp_path):
    path = tmp_path / 'report.json'
    path.write_text('old')
    report.write(document(), path)
    assert json.loads(path.read_text()) == document()
    with pytest.raises(ValueError):
        report.write({'value': math.nan}, path)
    assert json.loads(path.read_text()) == document()
