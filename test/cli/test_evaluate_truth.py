"""A drive whose every number is known is judged right, and the page that says so can be read."""

import json
import re

import jsonschema
import pytest

from asap_ros.bags import message_readers
from asap_ros.bags.reader import Bag
from asap_ros.cli import evaluate
from asap_ros.evaluation import report
from support import bags_with_truth, browser
from support.synthetic_roads import Box

GIVEN = ('--masks-from', '/ground_truth/mask', '--size', '128x256')
CAR = Box(24.0, 3.2, 1.8, 1.5)


@pytest.fixture(scope='module')
def judged(tmp_path_factory):
    """A drive of 2.5 s round a left bend behind a car, judged on its true masks."""
    folder = tmp_path_factory.mktemp('truth')
    bag = bags_with_truth.write(folder / 'bend', 50, boxes=(CAR,))
    assert evaluate.main([str(bag), '--out', str(folder / 'out'), *GIVEN]) == 0
    return folder / 'out'


def document(folder):
    made = json.loads((folder / 'report.json').read_text())
    jsonschema.validate(made, report.schema())
    return made


@pytest.mark.slow
def test_metric_truth_is_found_and_met(judged):
    made = document(judged)
    space, road = made['free_space'], made['road']
    assert space['reference'] == {'topic': '/ground_truth/free_space', 'kind': 'ground truth'}
    assert space['columns_compared'] == 50 * 256
    assert space['boundary_within_4px'] == 1 and space['false_free'] == 0
    assert space['obstacle_recall'] == 1 and space['range_mae_m'] < 0.05
    assert road['reference']['kind'] == 'ground truth' and road['frames_compared'] == 50
    assert road['availability'] == 1 and road['blockers'] == {'car': 50}
    assert road['curvature_rmse_10m'] < 0.5e-3 and road['curvature_rmse_20m'] < 0.5e-3
    assert road['lateral_mae_m'] < 0.05 and road['sign_agreement'] == 1
    assert road['lag_s'] is None  # the bend stays as it is
    driven = road['driven']
    assert driven['reference'] == {'topic': '/odometry', 'kind': 'odometry'}
    # The way that the last frames look at is not driven within the bag.
    assert 25 <= driven['frames_compared'] <= 50
    assert driven['curvature_rmse_20m'] < 0.5e-3 and driven['sign_agreement'] == 1
    checks = {c['figure']: c['met'] for c in made['verdict']['checks']}
    assert checks['free_space.false_free'] and checks['road.curvature_rmse_20m']
    assert made['segmentation']['reference'] is None


def test_the_bag_of_results_says_at_each_stamp_what_was_found(judged):
    with Bag(judged / 'results') as bag:
        assert {t.name: t.count for t in bag.topics} == dict.fromkeys(
            (
                '/segmenter/free_space/boundary',
                '/segmenter/mask/compressed',
                '/segmenter/path',
                '/segmenter/road_geometry',
            ),
            50,
        )
        told = next(t for t in bag.topics if t.name.endswith('road_geometry'))
        for k, message in enumerate(bag.messages(told)):
            assert (
                message.stamp_ns
                == message.time_ns
                == (bags_with_truth.tiny_bags.START_NS + k * bags_with_truth.tiny_bags.PERIOD_NS)
            )
            geometry = message_readers.geometry_of(message.value)
            assert geometry.valid and geometry.curvature == pytest.approx(0.01, abs=1e-3)
            assert message.value.header.frame_id == 'base_link'


def test_results_can_be_judged_again_as_masks(judged, tmp_path):
    given = ('--masks-from', '/segmenter/mask', '--image-topic', '/segmenter/mask')
    assert (
        evaluate.main(
            [str(judged / 'results'), '--out', str(tmp_path), *given, '--size', '128x256']
        )
        == 0
    )
    made = document(tmp_path)
    assert made['frames']['processed'] == 50 and made['road']['availability'] is None


@pytest.mark.slow
def test_without_metric_truth_masks_stand_in_and_what_is_unknown_is_null(tmp_path):
    bag = bags_with_truth.write(
        tmp_path / 'bend',
        4,
        boxes=(CAR,),
        left_out=('/ground_truth/free_space', '/ground_truth/road_geometry', '/odometry'),
    )
    # Judged on the camera's own picture of the classes, which is a mask of another kind.
    assert (
        evaluate.main(
            [
                str(bag),
                '--out',
                str(tmp_path / 'out'),
                '--size',
                '128x256',
                '--masks-from',
                '/ground_truth/mask',
                '--reference-topic',
                '/ground_truth/mask',
            ]
        )
        == 0
    )
    made = document(tmp_path / 'out')
    space, road = made['free_space'], made['road']
    assert space['reference']['kind'] == 'true labels' and space['boundary_within_4px'] == 1
    assert space['range_mae_m'] is None
    for name in (
        'curvature_rmse_10m',
        'curvature_rmse_20m',
        'lateral_mae_m',
        'sign_agreement',
        'coverage_68',
        'coverage_95',
        'lag_s',
        'reference',
    ):
        assert road[name] is None
    assert road['driven']['curvature_rmse_20m'] is None and road['availability'] == 1


def test_without_a_calibration_nothing_is_said_of_the_road(tmp_path):
    bag = bags_with_truth.write(tmp_path / 'bend', 3, left_out=('/camera/camera_info',))
    assert evaluate.main([str(bag), '--out', str(tmp_path / 'out'), *GIVEN]) == 0
    made = document(tmp_path / 'out')
    assert made['road']['availability'] is None and made['free_space']['columns_compared'] == 0
    assert 'no camera_info' in made['warnings'][0]


OUTLINE = """({
  title: document.title,
  headings: [...document.querySelectorAll('h1, h2')].map(e => e.textContent),
  figures: document.querySelectorAll('figure').length,
  plots: [...document.querySelectorAll('figure svg')].filter(
    e => e.getBoundingClientRect().height > 50).length,
  pictures: [...document.querySelectorAll('img')].map(e => [e.naturalWidth, e.alt.length > 0]),
  links: [...document.querySelectorAll('figcaption a')].map(e => e.getAttribute('href')),
  anchors: [...document.querySelectorAll('nav a')].map(
    e => document.querySelector(e.getAttribute('href')) !== null),
  wide: document.documentElement.scrollWidth,
  outside: [...document.querySelectorAll('main *, header *')].filter(
    e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, svg')).length,
  unnamed: [...document.querySelectorAll('figure')].filter(
    e => !e.querySelector('figcaption').textContent.trim()).length,
})"""
FOCUS = """(() => {
  const order = [];
  for (const e of document.querySelectorAll('a, summary, [tabindex]')) {
    e.focus(); order.push(document.activeElement === e);
  }
  return order;
})()"""


@pytest.mark.skipif(
    browser.executable() is None, reason='needs Chromium: apt-get install chromium'
)
@pytest.mark.parametrize('width, scheme', [(1280, 'light'), (390, 'dark')])
def test_the_page_in_a_browser(judged, tmp_path, width, scheme):
    page, picture = judged / 'report.html', tmp_path / 'page.png'
    seen = browser.visit(page, width, 900, [OUTLINE, FOCUS], tmp_path / 'profile', picture, scheme)
    assert seen.requests == [] and seen.complaints == []
    outline, focus = seen.answers
    assert outline['headings'][1:] == [
        'The corridor and its curvature',
        'Free space',
        'Frames worth a look',
        'Frames and time',
        'How this was made',
    ]
    assert document(judged)['verdict']['summary'] in outline['headings'][0]
    assert outline['plots'] >= 7 and outline['unnamed'] == 0
    assert all(w > 100 and named for w, named in outline['pictures'])
    assert all(re.fullmatch(r'overlay\.webm#t=\d+\.\d+', link) for link in outline['links'])
    assert all(outline['anchors']) and len(outline['anchors']) == 5
    assert outline['wide'] <= width and outline['outside'] == 0
    assert len(focus) >= 8 and all(focus)
    assert picture.stat().st_size > 20_000


def test_the_page_names_nothing_from_elsewhere(judged):
    text = (judged / 'report.html').read_text()
    assert re.findall(r'(?:src|href)="(?!#|data:|overlay\.webm#t=)([^"]*)"', text) == []
    assert '<script' not in text and 'url(http' not in text and '@import' not in text


def test_what_a_topic_is_called_cannot_break_the_page(tmp_path):
    from asap_ros.evaluation import report_page

    path = report_page.render(
        'index.html',
        tmp_path / 'index.html',
        {
            'verdict': 'x',
            'head': [],
            'rows': [],
            'mean': [],
            'version': '0',
            'failed': [{'bag': '<script>alert(1)</script>', 'error': '"&'}],
        },
    )
    assert '<script>' not in path.read_text() and '&lt;script&gt;' in path.read_text()


@pytest.mark.skipif(
    browser.executable() is None, reason='needs Chromium: apt-get install chromium'
)
def test_the_page_over_all_drives_in_a_browser(judged, tmp_path):
    from asap_ros.evaluation import summary

    told = summary.summarise([(str(judged), document(judged))], [('/drives/x', 'cut off ' * 20)])
    page = summary.write_page(judged.parent / 'index.html', told)
    seen = browser.visit(page, 390, 900, [OUTLINE], tmp_path / 'profile')
    assert seen.requests == [] and seen.complaints == []
    (outline,) = seen.answers
    assert '1 could not be evaluated' in outline['headings'][0]
    assert outline['wide'] <= 390 and outline['outside'] == 0
    assert 'href="out/report.html"' in page.read_text()
