from __future__ import annotations

import numpy as np
import pytest

from asap_ros.segmentation.frame_statistics import STAGES, Counts, Latencies, percentiles


def test_percentiles_of_known_values():
    assert percentiles(list(range(101))) == {'p50': 50.0, 'p95': 95.0, 'p99': 99.0}
    assert percentiles([7.0]) == {'p50': 7.0, 'p95': 7.0, 'p99': 7.0}


def test_only_stages_that_were_run_are_reported_in_their_order():
    latencies = Latencies()
    latencies.add({'age': 9.0, 'total': 5.0, 'decode': 1.0})
    latencies.add({'age': 7.0, 'total': 5.0})
    table = latencies.percentiles()
    assert list(table) == [stage for stage in STAGES if stage in ('decode', 'total', 'age')]
    assert table['decode'] == {'p50': 1.0, 'p95': 1.0, 'p99': 1.0}
    assert table['age']['p50'] == 8.0


def test_no_frame_no_figures():
    assert Latencies().percentiles() == {}


def test_only_the_latest_frames_count():
    latencies = Latencies(window=3)
    for value in (1000.0, 1.0, 2.0, 3.0):
        latencies.add({'infer': value})
    assert latencies.percentiles()['infer']['p50'] == 2.0
    assert latencies.percentiles()['infer']['p99'] == pytest.approx(
        np.percentile([1.0, 2.0, 3.0], 99)
    )


def test_counts_start_at_zero():
    assert vars(Counts()) == dict.fromkeys(
        ('received', 'processed', 'dropped', 'stale', 'failed'), 0
    )
