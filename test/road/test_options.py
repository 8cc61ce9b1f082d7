"""Settings that cannot be meant are refused, with what is wrong with them."""

import pytest

from asap_ros.road.options import RoadOptions, corners


@pytest.mark.parametrize(
    'wrong, says',
    [
        ({'hood_fraction': 1.0}, 'hood_fraction 1.0'),
        ({'hood_polygon': ((0, 0), (1, 1))}, 'has 2 corners'),
        ({'hood_polygon': ((0, 0), (0.5, 0.5), (1, 1))}, 'encloses nothing'),
        ({'hood_polygon': ((0, 1), (0.5, 0.8), (1, 1.2))}, r'the corner \(1, 1.2\)'),
        ({'hood_polygon': ((0, 1), (0.5, float('nan')), (1, 1))}, 'is not within the image'),
        ({'edge_near': 50.0}, 'edges from 50.0 m'),
        ({'min_confidence': 300}, 'min_confidence 300'),
        ({'range_max': 0.0}, 'range_max must be positive'),
        ({'grid_resolution': float('nan')}, 'grid_resolution must be positive'),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        RoadOptions(**wrong)


def test_corners_of_a_flat_list():
    assert corners([]) == ()
    assert corners([0.0, 1.0, 0.5, 0.8, 1.0, 1.0]) == ((0.0, 1.0), (0.5, 0.8), (1.0, 1.0))
    RoadOptions(hood_polygon=corners([0.0, 1.0, 0.5, 0.8, 1.0, 1.0]))


def test_a_number_without_its_partner_is_refused():
    with pytest.raises(ValueError, match='has 7 numbers'):
        corners([0.0] * 7)
