"""The scores against counts that can be done by hand."""

import numpy as np
import pytest

from asap_ros import labels
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_ros.labels import Role


def mask(*rows):
    return np.array(rows, np.uint8)


def test_hand_counted_scores():
    matrix = ConfusionMatrix(3)
    matrix.add(mask([0, 0, 1, 1]), mask([0, 1, 1, 1]))
    assert matrix.iou() == [pytest.approx(1 / 2), pytest.approx(2 / 3), None]
    assert matrix.miou() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert matrix.pixel_accuracy() == pytest.approx(3 / 4)


def test_several_masks_add_up_and_each_reports_its_own():
    matrix = ConfusionMatrix(2)
    first = matrix.add(mask([0, 0]), mask([0, 1]))
    second = matrix.add(mask([1, 1]), mask([1, 1]))
    assert first.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert (first + second).tolist() == matrix.counts.tolist()
    assert matrix.pixels == 4


def test_ignored_truth_is_not_counted_and_missing_prediction_is_wrong():
    matrix = ConfusionMatrix(2)
    matrix.add(mask([0, 1, 255, 255]), mask([0, 255, 0, 255]))
    assert matrix.pixels == 2
    assert matrix.pixel_accuracy() == pytest.approx(1 / 2)
    assert matrix.iou() == [pytest.approx(1 / 2), None]


def test_absent_is_null_but_wrongly_predicted_is_zero():
    matrix = ConfusionMatrix(3)
    matrix.add(mask([1, 1]), mask([0, 0]))
    assert matrix.iou() == [0.0, 0.0, None]


def test_nothing_counted_is_null_everywhere():
    matrix = ConfusionMatrix(2)
    matrix.add(mask([0, 1]), mask([255, 255]))
    assert (matrix.miou(), matrix.pixel_accuracy(), matrix.group_iou([0, 1])) == (None,) * 3


def test_drivable_iou_takes_a_role_as_one_class():
    idd = labels.load('camvid')
    matrix = ConfusionMatrix(len(idd))
    road, car, pavement = (idd.id_of(n) for n in ('road', 'car', 'pavement'))
    matrix.add(mask([road, road, pavement, car, 255]), mask([road, car, road, car, road]))
    assert matrix.group_iou(idd.is_role(Role.DRIVABLE)) == pytest.approx(1 / 4)
    assert matrix.group_iou([road, pavement]) == pytest.approx(2 / 4)


def test_scores_equal_a_plain_loop_on_random_masks():
    generator = np.random.default_rng(3)
    truth = generator.choice([0, 1, 2, 3, 255], (40, 50)).astype(np.uint8)
    predicted = generator.choice([0, 1, 2, 255], (40, 50)).astype(np.uint8)
    matrix = ConfusionMatrix(5)
    matrix.add(predicted, truth)
    valid = truth != 255
    for k, value in enumerate(matrix.iou()):
        both = ((truth == k) & (predicted == k)).sum()
        either = (((truth == k) | (predicted == k)) & valid).sum()
        assert value == (pytest.approx(both / either) if either else None)


@pytest.mark.parametrize(
    'predicted, truth, sentence',
    [
        (mask([0, 7]), mask([0, 0]), 'predicted mask holds id 7'),
        (mask([0, 0]), mask([0, 2]), 'true mask holds id 2'),
        (mask([0]), mask([0, 0]), 'different shapes'),
        (mask([0]).astype(np.int64), mask([0]), 'must be uint8'),
    ],
)
def test_wrong_masks_are_refused_and_not_counted(predicted, truth, sentence):
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match=sentence):
        matrix.add(predicted, truth)
    assert matrix.pixels == 0


@pytest.mark.parametrize('classes', [0, 255])
def test_impossible_number_of_classes(classes):
    with pytest.raises(ValueError, match='1 to 254 classes'):
        ConfusionMatrix(classes)
