"""What is drawn of a road is where the picture shows it, and the figures say what is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from asap_ros.road import drawing
from asap_ros.road.drawing import describe, draw_road
from asap_ros.road.geometry import ReferenceCurve, Status, invalid
from support.road_steps import road_of
from support.synthetic_roads import CAR, LABELS, MOUNT, Box, Mount, Truth, render

BEND = Truth(offset=0.4, heading=0.03, curvature=1 / 80)
GREY = np.full((512, 1024, 3), 90, np.uint8)


def seen(truth=BEND, boxes=(), believed_pitch=None, crest=0.0):
    return road_of(render(truth, boxes=boxes, crest=crest), believed_pitch=believed_pitch)


def drawn(road, size=(1024, 512), camera=None):
    rgb = cv2.resize(GREY, size)
    return draw_road(rgb, road.geometry, LABELS, camera or MOUNT.camera(), road.space)


def columns_of(picture, row, colour):
    return np.flatnonzero((np.abs(picture[row].astype(int) - colour) < 30).all(axis=1))


def text_of(geometry):
    return '\n'.join(text for text, _ in describe(geometry, LABELS))


@pytest.mark.parametrize('truth', [Truth(offset=0.4), BEND, replace(BEND, curvature=-1 / 80)])
@pytest.mark.parametrize(
    'believed, crest', [(MOUNT.pitch, 0.0), (MOUNT.pitch + 0.01, 0.0), (MOUNT.pitch, 1 / 800)]
)
def test_edges_lie_on_the_edges_in_the_picture(truth, believed, crest):
    road = seen(truth, believed_pitch=believed, crest=crest)
    picture = drawn(road, camera=MOUNT.camera(believed))
    for row in (300, 320, 345):  # 16 m and nearer, which all of them see
        found = columns_of(picture, row, drawing.EDGE)
        for side in (1, -1):
            u = truth.crossings(MOUNT, side, crest)[row]
            if 5 < u < 1018:
                assert np.abs(found - u).min() < 4, (row, side, u)


@pytest.mark.parametrize('size', [(640, 320), (640, 360), (2048, 1024)])
def test_the_picture_may_have_any_size(size):
    picture = drawn(seen(), size)
    assert picture.shape == (size[1], size[0], 3)
    row = round(300 * size[1] / 512)
    u = BEND.crossings(MOUNT, -1)[300] * size[0] / 1024
    assert np.abs(columns_of(picture, row, drawing.EDGE) - u).min() < 4 * size[0] / 1024 + 2


def test_free_space_ends_are_told_apart_by_what_blocks():
    wide = Truth(offset=0, heading=0, width=60)
    picture = drawn(seen(wide, (Box(15.0, 0.0, 2.0, 1.5, CAR),)))
    _, _, _, foot = Box(15.0, 0.0, 2.0, 1.5).rectangle(MOUNT)
    assert 511 in columns_of(picture, foot, drawing.MOVES)
    assert not len(columns_of(picture, foot, drawing.FIXED))


def test_what_ends_the_corridor_is_drawn_and_named():
    road = seen(Truth(offset=0, heading=0), (Box(20.0, 0.0, 2.0, 1.5, CAR),))
    assert road.geometry.blocker_class == CAR
    assert 'car at 19.8 +-' in text_of(road.geometry)
    row = round(MOUNT.row_of(road.geometry.view_end))
    assert len(columns_of(drawn(road), row, drawing.BLOCKER)) > 100


def test_a_wide_band_is_drawn_wide():
    road = seen(Truth(offset=0, heading=0))
    narrow, wide = (
        drawn(
            replace(
                road,
                geometry=replace(
                    road.geometry, lateral_at_s_sigma=np.full_like(road.geometry.s, sigma)
                ),
            )
        )
        for sigma in (0.02, 0.4)
    )
    tinted = [(np.abs(p[300].astype(int) - 90) > 10).any(axis=1).sum() for p in (narrow, wide)]
    assert tinted[1] > tinted[0] + 30


def test_an_invalid_road_is_a_sentence_and_no_corridor():
    picture = draw_road(GREY, invalid(Status.ONE_SIDED | Status.INTERSECTION), LABELS)
    assert (picture[100:] == 90).all() and (picture[:40] != 90).any()
    assert text_of(invalid(Status.NO_TF)) == 'no road: NO_TF'
    assert text_of(invalid(Status.ONE_SIDED | Status.INTERSECTION)) == (
        'no road: ONE_SIDED, INTERSECTION'
    )


def test_the_free_space_of_an_invalid_road_is_still_drawn():
    road = seen(Truth(offset=0, heading=0, width=200), (Box(15.0, 0.0, 2.0, 1.5),))
    assert not road.geometry.valid
    assert (drawn(road)[100:] != 90).any()


@pytest.mark.parametrize(
    'curvature, says', [(1 / 80, 'left'), (-1 / 80, 'right'), (0.0, 'straight within its sigma')]
)
def test_figures_say_which_way_it_bends(curvature, says):
    geometry = seen(Truth(curvature=curvature)).geometry
    # What is left of an exact straight line's bend is rounding: any sigma is more.
    geometry = replace(geometry, curvature_at_s_sigma=np.full_like(geometry.s, 2e-4))
    assert says in text_of(geometry)
    assert f'{1e3 * curvature:+.1f}'[:4] in text_of(geometry) or not curvature


def test_status_bits_of_a_valid_road_are_written():
    geometry = replace(seen().geometry, status=Status.NOT_FLAT | Status.COASTING)
    assert text_of(geometry).endswith('NOT_FLAT, COASTING')


def test_a_parallel_through_the_vehicle_is_drawn_as_its_middle_alone():
    road = seen()
    picture = drawn(
        replace(
            road,
            space=None,
            geometry=replace(road.geometry, reference=ReferenceCurve.EGO_PARALLEL),
        )
    )
    assert not len(columns_of(picture, 300, drawing.EDGE))
    assert len(columns_of(picture, 300, drawing.CENTRE))


def test_text_fits_at_640_pixels_and_the_input_is_untouched():
    geometry = replace(seen().geometry, status=Status(8191))
    rgb = cv2.resize(GREY, (640, 360))
    picture = draw_road(rgb, geometry, LABELS)
    assert (rgb == 90).all()
    assert (picture[:, -4:] < 90).any(axis=2)[:60].all(), 'the strip is dark to the border'
    bright = (picture[:80] > 150).all(axis=2)
    assert bright.any() and not bright[:, -6:].any(), 'no text runs out of the picture'


@pytest.mark.parametrize('rgb', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), float)])
def test_other_pictures_are_refused(rgb):
    with pytest.raises(ValueError, match='uint8'):
        draw_road(rgb, invalid(Status.NO_TF), LABELS)


def test_a_rolled_and_turned_camera_puts_lines_where_they_are():
    mount = Mount(roll=0.05, yaw=0.1, x=1.5, y=0.3)
    mask = render(Truth(offset=0.4, heading=0.0), MOUNT)
    geometry = road_of(mask).geometry
    geometry = replace(geometry, pitch=mount.camera().pitch)
    picture = draw_road(GREY, geometry, LABELS, mount.camera())
    x, y = Truth(offset=0.4, heading=0.0).edge(20.0, -1)
    u, v = mount.pixels(x, y)
    assert np.abs(columns_of(picture, round(float(v)), drawing.EDGE) - float(u)).min() < 4
