"""The frames that a reader is shown are the worst in each respect, each with its reason."""

import cv2
import numpy as np

from asap_ros.evaluation.example_frames import WORST, FrameAlbum, worst
from asap_ros.evaluation.frame_table import FrameTable


def rows(count=30, **changed):
    made = [
        {
            'processed': 1,
            'columns': 100,
            'within_4px': 100,
            'false_free': 0,
            'valid': 1,
            'agreement': 1.0,
            'infer': 10.0,
        }
        for _ in range(count)
    ]
    for name, values in changed.items():
        for row, value in values.items():
            made[row][name] = value
    return FrameTable.of(made)


def test_where_nothing_is_wrong_nothing_is_shown():
    assert worst(rows()) == [] and worst(FrameTable({})) == []


def test_each_concern_has_its_worst_frame_first():
    chosen = worst(
        rows(
            false_free={3: 5, 9: 40},
            within_4px={9: 60, 20: 10},
            valid={4: 0},
            processed={7: 0},
            infer={8: 100.0},
        )
    )
    assert [(c.row, c.why) for c in chosen][:5] == [
        (7, 'no result'),
        (9, '40.0 % of columns called free that are not'),
        (20, '90.0 % of columns off by more than 4 px'),
        (4, 'no corridor'),
        (8, '100 ms for the network'),
    ]
    assert (3, '5.0 % of columns called free that are not') in [(c.row, c.why) for c in chosen]


def test_no_more_than_a_dozen_and_none_twice():
    chosen = worst(
        rows(false_free=dict.fromkeys(range(30), 9), agreement=dict.fromkeys(range(30), 0.5))
    )
    assert len(chosen) == WORST == len({c.row for c in chosen})


def test_pictures_come_back_in_any_order():
    album = FrameAlbum()
    for k in range(4):
        album.add(np.full((20, 30, 3), 60 * k, np.uint8))
    for k in (2, 0, 3):
        picture = cv2.imdecode(np.frombuffer(album.jpeg(k), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (20, 30, 3) and abs(int(picture.mean()) - 60 * k) <= 2
    album.close()
