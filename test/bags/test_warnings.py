"""What went wrong with a drive is told in order, and what repeats once with its number."""

from __future__ import annotations

from asap_ros.bags.warnings import Warnings


def test_sentences_keep_their_order_and_their_repeats():
    warnings = Warnings('a')
    warnings.add('b', 'a')
    assert list(warnings) == ['a', 'b', 'a']
    assert len(warnings) == 3


def test_what_is_counted_is_one_sentence_for_each_reason_after_the_others():
    warnings = Warnings()
    for why in ('no camera_info', 'no pose', 'no camera_info'):
        warnings.count('frames without a road', why)
    warnings.add('images change')
    assert list(warnings) == [
        'images change',
        '2 frames without a road: no camera_info',
        '1 frames without a road: no pose',
    ]
    assert len(warnings) == 3


def test_a_drive_without_trouble_has_no_warnings():
    assert not Warnings()
