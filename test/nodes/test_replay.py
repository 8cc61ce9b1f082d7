"""What a live run comes to: results by stamp, the fate of every frame, labels and engine."""

import math

import numpy as np
import pytest

from asap_ros import labels
from asap_ros.evaluation.live_results import COUNTERS, LiveResults, engine_facts, label_set_of
from asap_ros.evaluation.live_scoring import exit_code
from asap_ros.evaluation.progress import line
from asap_ros.labels import LabelError

NAN = math.nan


def counters(received=0, processed=0, dropped=0, stale=0, failed=0):
    return dict(zip(COUNTERS, (received, processed, dropped, stale, failed)))


def ledger(sent, answered):
    """Return a ledger of frames 0 to ``sent`` - 1 of which those of ``answered`` came back."""
    made = LiveResults()
    for stamp in range(sent):
        made.add_sent(stamp, float(stamp))
        if stamp in answered:
            made.add_mask(stamp, np.full((2, 3), stamp, np.uint8), stamp + 0.25)
            made.add_timings(
                stamp, {'infer': 5.0}, counters(stamp + 1, made.counters['processed'] + 1)
            )
    return made


def test_masks_and_timings_are_matched_by_stamp():
    made = ledger(2, ())
    made.add_mask(1, np.array([[7, 255]], np.uint8), 1.5)
    assert not made[1].resolved
    made.add_timings(1, {'infer': 5.0, 'road': NAN, 'age': 99.0}, counters(2, 1))
    assert made[1].resolved and not made[0].resolved
    assert made[1].mask.tolist() == [[7, 255]]
    assert made[1].timings == {'infer': 5.0, 'age': 500.0}
    assert made[0].mask is None and made[0].timings == {}


def test_timings_may_come_before_the_mask():
    made = ledger(1, ())
    made.add_timings(0, {'infer': 5.0}, counters(1, 1))
    assert not made[0].resolved
    made.add_mask(0, np.zeros((1, 1), np.uint8), 1.0)
    assert made[0].resolved


def test_results_of_frames_of_others_are_passed_over():
    made = ledger(1, ())
    made.add_mask(17, np.zeros((1, 1), np.uint8), 1.0)
    made.add_timings(17, {'infer': 5.0}, counters(1, 1))
    assert len(made) == 1 and made.processed == 0 and 17 not in made


def test_a_strided_mask_is_kept_as_it_looks():
    made = ledger(1, ())
    made.add_mask(0, np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2], 1.0)
    assert made[0].mask.tolist() == [[0, 2], [4, 6], [8, 10]]


def test_a_stamp_cannot_be_sent_twice():
    made = ledger(1, ())
    with pytest.raises(ValueError, match='two frames share the stamp 0.000000 s'):
        made.add_sent(0, 1.0)


def test_a_frame_taken_back_has_no_fate():
    made = ledger(3, {0, 1})
    made.discard(2)
    counts = made.counts(5, 0, lockstep=True)
    assert (counts.recorded, counts.sent, counts.processed, counts.failed) == (5, 2, 2, 0)


def test_a_failed_frame_needs_no_mask_and_an_invalid_mask_does_not_count():
    made = ledger(3, {0})
    made.add_timings(1, {'infer': NAN}, counters(2, 1, failed=1))
    made.add_mask(2, np.full((2, 3), 255, np.uint8), 3.0)
    made.add_timings(2, {'infer': NAN}, counters(3, 1, stale=1, failed=1))
    assert made[1].resolved and made[2].resolved and made[2].mask is None
    counts = made.counts(3, 0, lockstep=True)
    assert (counts.processed, counts.stale, counts.failed) == (1, 1, 1)


def test_a_frame_after_one_that_failed_in_silence_is_not_blamed():
    made = ledger(2, ())
    made.add_mask(1, np.zeros((1, 1), np.uint8), 1.0)
    made.add_timings(1, {'infer': 5.0}, counters(2, 1, failed=1))
    assert made[1].mask is not None
    counts = made.counts(2, 0, lockstep=True)
    assert (counts.processed, counts.failed) == (1, 1)


@pytest.mark.parametrize('lockstep, dropped, failed', [(True, 0, 2), (False, 2, 0)])
def test_frames_nobody_answered(lockstep, dropped, failed):
    counts = ledger(5, {0, 1, 4}).counts(5, 0, lockstep)
    assert (counts.recorded, counts.sent, counts.processed) == (5, 5, 3)
    assert (counts.dropped, counts.failed) == (dropped, failed)


def test_frames_that_were_never_sent_have_failed():
    counts = ledger(3, {0, 1, 2}).counts(5, 2, lockstep=True)
    assert (counts.recorded, counts.sent, counts.processed, counts.failed) == (5, 3, 3, 2)


@pytest.mark.parametrize(
    'told', [counters(900, 880, 10, 5, 5), counters(4, 4), counters(), counters(5, 3, 1, 1, 0)]
)
def test_every_frame_has_one_fate_whatever_the_counters_say(told):
    made = ledger(5, {1, 3})
    made.add_timings(99, {}, told)
    for lockstep in (True, False):
        c = made.counts(5, 0, lockstep)
        assert c.processed + c.dropped + c.stale + c.failed == c.sent == 5
        assert c.processed <= c.received <= c.sent


@pytest.mark.parametrize('name', ['camvid', 'cityscapes', 'idd_lite'])
def test_label_sets_are_known_by_their_classes_in_any_order(name):
    known = labels.load(name)
    pairs = [(c.id, c.name) for c in known.classes] + [(255, 'unlabelled')]
    assert label_set_of(reversed(pairs)).name == name


def test_unknown_classes_are_named():
    with pytest.raises(LabelError, match='moon, sea'):
        label_set_of([(1, 'sea'), (0, 'moon')])
    with pytest.raises(LabelError, match='none'):
        label_set_of([])


def test_engine_facts_are_those_of_the_segmenter_asked_about():
    statuses = [
        ('other: engine', {'name': 'x'}),
        ('segmenter: rate', {'hz': '3'}),
        ('segmenter: engine', {'name': 'onnxruntime'}),
    ]
    assert engine_facts(statuses, '/car/segmenter') == {'name': 'onnxruntime'}
    assert engine_facts(statuses[:2], 'segmenter') is None


def test_progress_in_words():
    assert line('replay', 10, 30, 5.0, 'infer 90 ms') == (
        'replay: 10/30 frames, infer 90 ms, 2.0 frames/s, ETA 10 s'
    )
    assert line('replay', 30, 30, 5.0, '') == 'replay: 30/30 frames, 6.0 frames/s'
    assert line('replay', 0, 30, 5.0, '') == 'replay: 0/30 frames'


@pytest.mark.parametrize(
    'mode, complete, processed, failed, code',
    [
        ('lockstep', True, 10, 0, 0),
        ('lockstep', True, 9, 0, 1),
        ('lockstep', True, 9, 1, 1),
        ('lockstep', False, 10, 0, 1),
        ('paced', True, 3, 0, 0),
        ('paced', True, 9, 1, 1),
        ('paced', True, 0, 0, 1),
    ],
)
def test_exit_code(mode, complete, processed, failed, code):
    assert (
        exit_code(
            {
                'complete': complete,
                'source': {'mode': mode},
                'frames': {'recorded': 10, 'processed': processed, 'failed': failed},
            }
        )
        == code
    )
