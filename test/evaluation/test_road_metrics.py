"""The corridor is held against the true road, the path that was driven, and its own bands."""

import numpy as np
import pytest

from asap_ros.bags.calibration_and_odometry import Odometry
from asap_ros.evaluation import report_metrics, road_metrics
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.road.geometry import ReferenceCurve, RoadGeometry, Status, invalid


def corridor(curvature=0.01, rate=0.0, sigma=1e-3, end=30.0, offset=0.0, start=5.0, **changes):
    s = np.arange(start, end, 0.5)
    return RoadGeometry(
        valid=True,
        status=Status.OK,
        lateral_offset=offset,
        heading=0.0,
        curvature=curvature,
        curvature_rate=rate,
        s=s,
        curvature_at_s=curvature + rate * s,
        curvature_at_s_sigma=np.full(len(s), sigma),
        view_start=start,
        view_end=end,
        **changes,
    )


def table(estimates, truths, step=0.1):
    return FrameTable.of(
        [
            {
                'time_s': k * step,
                **road_metrics.estimates(told),
                **road_metrics.compare(told, true),
            }
            for k, (told, true) in enumerate(zip(estimates, truths))
        ]
    )


def test_curvature_is_judged_only_where_it_is_told():
    assert road_metrics.curvature_at(corridor(0.01, 1e-4), 20.0) == pytest.approx((0.012, 1e-3))
    assert np.isnan(road_metrics.curvature_at(corridor(end=18.0), 20.0)).all()
    assert np.isnan(road_metrics.curvature_at(corridor(start=12.0), 10.0)).all()
    assert np.isnan(road_metrics.curvature_at(invalid(Status.SHORT_VIEW), 10.0)).all()


def test_errors_offsets_and_availability():
    truth = corridor(0.01, offset=0.2)
    rows = table(
        [corridor(0.011, offset=0.5), corridor(0.007, offset=0.1), invalid(Status.SHORT_VIEW)],
        [truth] * 3,
    )
    told = report_metrics.section(report_metrics.ROAD, rows)
    assert told['availability'] == pytest.approx(2 / 3, abs=1e-6)
    assert told['curvature_rmse_20m'] == pytest.approx(np.sqrt((1e-6 + 9e-6) / 2), abs=1e-6)
    assert told['lateral_mae_m'] == pytest.approx((0.3 + 0.1) / 2)
    assert told['coverage_68'] == 0.0 and told['coverage_95'] == 0.5  # 1.0 and 3.0 sigmas off
    assert told['sign_agreement'] == 1


def test_bands_of_honest_sigmas_hold_what_they_promise():
    rng = np.random.default_rng(5)
    estimates = [corridor(0.01 + 1e-3 * rng.normal()) for _ in range(2000)]
    told = report_metrics.section(report_metrics.ROAD, table(estimates, [corridor(0.01)] * 2000))
    assert told['coverage_68'] == pytest.approx(0.68, abs=0.04)
    assert told['coverage_95'] == pytest.approx(0.95, abs=0.02)


def test_the_sign_counts_in_bends_alone():
    truths = [corridor(0.01), corridor(-0.01), corridor(0.0)]
    rows = table([corridor(0.004), corridor(0.001), corridor(-0.002)], truths)
    assert report_metrics.section(report_metrics.ROAD, rows)['sign_agreement'] == 0.5
    straight = table([corridor(0.001)], [corridor(0.0)])
    assert report_metrics.section(report_metrics.ROAD, straight)['sign_agreement'] is None


def test_the_parallel_through_the_vehicle_is_held_against_the_parallel_of_the_truth():
    # The centre is 2 m to the left on R = 50 m: the vehicle's own line runs on R = 52 m.
    truth = corridor(1 / 50, offset=2.0)
    told = corridor(1 / 52, reference=ReferenceCurve.EGO_PARALLEL)
    row = road_metrics.compare(told, truth)
    assert row['true_curvature_10m'] == pytest.approx(1 / 52)
    assert 'lateral_error_m' not in row  # 0 by definition, so no error to tell


def constant(speed=10.0, curvature=0.01, seconds=10.0, rate=50.0):
    time = np.arange(0.0, seconds, 1 / rate)
    return Odometry(time, np.full(len(time), speed), np.full(len(time), speed * curvature))


def test_the_path_that_was_driven():
    row = road_metrics.driven(constant(), 1.0)
    assert row['driven_curvature_10m'] == row['driven_curvature_20m'] == pytest.approx(0.01)


def test_the_curvature_is_that_of_the_place_not_of_the_moment():
    time = np.arange(0.0, 10.0, 0.02)
    bend = np.where(10.0 * time >= 15.0, 0.02, 0.0)  # a bend begins after 15 m
    row = road_metrics.driven(Odometry(time, np.full(len(time), 10.0), 10.0 * bend), 0.0)
    assert row['driven_curvature_10m'] == 0 and row['driven_curvature_20m'] == 0.02


def test_where_the_drive_ends_or_stands_nothing_is_known():
    assert np.isnan(road_metrics.driven(constant(seconds=1.5), 0.0)['driven_curvature_20m'])
    assert np.isnan(list(road_metrics.driven(constant(speed=1.0), 0.0).values())).all()
    assert np.isnan(list(road_metrics.driven(constant(), -5.0).values())).all()
    assert np.isnan(list(road_metrics.driven(constant(), 50.0).values())).all()


@pytest.mark.parametrize('delay', [0.0, 0.25, 0.6])
def test_lag_behind_a_step_either_way(delay):
    time = np.arange(0.0, 12.0, 0.1)

    def steps(t):
        return 0.01 * np.clip(t - 3.0, 0, 0.8) / 0.8 - 0.02 * np.clip(t - 8.0, 0, 1.0)

    assert road_metrics.lag(time, steps(time - delay), steps(time)) == pytest.approx(
        delay, abs=0.03
    )


def test_lag_without_a_step_or_without_an_answer_is_unknown():
    time = np.arange(0.0, 5.0, 0.1)
    flat, step = np.zeros(50), np.where(time > 2, 0.01, 0.0)
    assert road_metrics.lag(time, flat, flat) is None
    assert road_metrics.lag(time, flat, step) is None
    assert road_metrics.lag(time, np.full(50, np.nan), step) is None
    assert road_metrics.lag(time[:2], flat[:2], flat[:2]) is None
