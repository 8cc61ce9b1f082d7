"""A session turns frames and masks into a report, a video and a contact sheet."""

import json

import cv2
import jsonschema
import numpy as np
import pytest

from asap_ros import labels
from asap_ros.bags import frames, topics
from asap_ros.bags.reader import Bag
from asap_ros.bags.warnings import Warnings
from asap_ros.evaluation import report
from asap_ros.evaluation.observation import Observation
from asap_ros.evaluation.report import EvaluatedDrive, EvaluatedRun, FrameCounts, MaskReference
from asap_ros.evaluation.session import EvaluationContext, EvaluationSession
from asap_ros.evaluation.visualisation import PANEL_WIDTH
from asap_ros.imaging import overlay
from asap_ros.labels import LabelError
from support import tiny_bags

CAMVID = labels.load('camvid')
CITYSCAPES = labels.load('cityscapes')
REFERENCE = MaskReference('/reference/mask', CITYSCAPES, 'true labels')
SOURCE = EvaluatedDrive('drive', '/camera/image_raw', 'offline')
SIZE = (96, 192)


def road_and_sky(size):
    mask = np.full(size, CAMVID.id_of('sky'), np.uint8)
    mask[size[0] // 2 :] = CAMVID.id_of('road')
    return mask


def run(folder, count=5, with_reference=True, missing=(), finish=True):
    reference = tiny_bags.reference_mask(0, SIZE) if with_reference else None
    setting = EvaluationContext(CAMVID, REFERENCE if with_reference else None)
    with EvaluationSession(folder, setting, count, 10.0) as session:
        shares = [
            session.add(
                Observation(
                    k * 100_000_000,
                    tiny_bags.picture(k, SIZE),
                    None if k in missing else road_and_sky((48, 96)),
                    {'infer': 10.0 + k},
                    reference=reference,
                )
            ).get('agreement')
            for k in range(count)
        ]
        if not finish:
            raise KeyboardInterrupt
        counts = FrameCounts(count, count, count, count - len(missing), failed=len(missing))
        return shares, session.finish(EvaluatedRun(SOURCE, counts))


def video_frames(path):
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return found
        found.append(frame)


def test_the_files_and_their_content(tmp_path):
    shares, results = run(tmp_path / 'out')
    assert shares == [1.0] * 5
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == sorted(
        p.name for p in results.files
    )
    document = json.loads(results.report.read_text())
    jsonschema.validate(document, report.schema())
    assert document == results.document
    assert document['segmentation']['miou'] == document['segmentation']['drivable_iou'] == 1
    assert document['latency_ms']['infer']['p50'] == 12
    video = video_frames(results.video)
    assert len(video) == 5 and video[0].shape[1] == 3 * PANEL_WIDTH
    sheet = cv2.imread(str(results.sheet))
    assert sheet.shape[1] == 1280


def test_the_video_shows_camera_classes_and_errors(tmp_path):
    _, results = run(tmp_path)
    frame = video_frames(results.video)[0][..., ::-1].astype(int)
    rgb = tiny_bags.picture(0, SIZE)
    low = 28 + PANEL_WIDTH // 2 * 3 // 4
    camera, classes, errors = (
        frame[low, panel * PANEL_WIDTH + PANEL_WIDTH // 2] for panel in range(3)
    )
    assert np.abs(camera - rgb[SIZE[0] * 3 // 4, SIZE[1] // 2]).max() < 20
    tinted = overlay.blend(rgb, road_and_sky(SIZE), CAMVID, 0.5)
    assert np.abs(classes - tinted[SIZE[0] * 3 // 4, SIZE[1] // 2]).max() < 20
    assert np.ptp(errors) < 20  # grey: nothing differs


def test_masks_are_compared_on_the_grid_of_the_reference(tmp_path):
    coarse = np.array([[CAMVID.id_of('sky')], [CAMVID.id_of('road')]], np.uint8)
    with EvaluationSession(tmp_path, EvaluationContext(CAMVID, REFERENCE), 1, 10.0) as session:
        row = session.add(
            Observation(0, tiny_bags.picture(0), coarse, reference=tiny_bags.reference_mask(0))
        )
    assert row['agreement'] == 1


def test_without_references_nothing_is_scored_but_all_is_shown(tmp_path):
    shares, results = run(tmp_path, with_reference=False)
    assert shares == [None] * 5
    scores = results.document['segmentation']
    assert scores['frames_compared'] == 0 and scores['miou'] is None
    assert video_frames(results.video)[0].shape[1] == 2 * PANEL_WIDTH


def test_a_frame_without_a_result_is_shown_and_not_scored(tmp_path):
    shares, results = run(tmp_path, missing=(2,))
    assert shares == [1.0, 1.0, None, 1.0, 1.0]
    assert results.document['segmentation']['frames_compared'] == 4
    assert len(video_frames(results.video)) == 5


def test_leaving_early_leaves_no_half_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, finish=False)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_frames_writes_its_report_and_page_alone(tmp_path):
    _, results = run(tmp_path, count=0)
    assert [p.name for p in results.files] == ['report.html', 'report.json']
    assert results.document['latency_ms']['infer']['p50'] is None


def test_a_long_run_gives_a_sheet_of_even_choice(tmp_path):
    _, short = run(tmp_path / 'short', 24)
    _, long = run(tmp_path / 'long', 60)
    assert cv2.imread(str(short.sheet)).shape == cv2.imread(str(long.sheet)).shape


def test_label_sets_without_a_mapping_are_refused(tmp_path):
    other = MaskReference('/masks', labels.load('idd_lite'), 'predictions')
    with pytest.raises(LabelError, match='no mapping from label set idd_lite to camvid'):
        EvaluationSession(tmp_path, EvaluationContext(CAMVID, other), 1, 10.0)


def test_frames_come_beside_their_references(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        found = list(frames.camera_frames(bag, topics.find(bag), Warnings()))
        assert frames.rate(bag, topics.find(bag)) == pytest.approx(20)
    assert len(found) == 6
    assert all(f.reference.stamp_ns == f.stamp_ns == f.image.stamp_ns for f in found)


def test_references_may_be_fewer_than_frames(tmp_path):
    sparse = (
        '/reference/mask/compressed',
        tiny_bags.COMPRESSED,
        lambda k: tiny_bags.png_mask(2 * (k // 2)),
    )
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW, sparse], 40)) as bag:
        found = list(frames.camera_frames(bag, topics.find(bag), Warnings()))
    assert [f.reference is not None for f in found] == [True, False] * 20


def test_a_frame_that_cannot_be_read_is_named_and_passed_over(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW], 3)) as bag:
        drive = topics.find(bag)
        whole = list(bag.messages(drive.image))
        whole[1] = type(whole[1])(drive.image, whole[1].time_ns, whole[1].cdr[:9])
        bag.messages = lambda *_: iter(whole)
        warnings = Warnings()
        found = list(frames.camera_frames(bag, drive, warnings))
    assert [f.stamp_ns for f in found] == [whole[0].stamp_ns, whole[2].stamp_ns]
    (warning,) = warnings
    assert '/camera/image_raw' in warning
