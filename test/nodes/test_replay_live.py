"""The replay against a live node: what goes out, what is waited for, what comes to the report."""

import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from asap_ros.bags.reader import Bag
from asap_ros.evaluation import report
from support import tiny_bags
from support.paths import SUPPORT

pytest.importorskip('rclpy', reason='needs the ROS environment')
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('own_domain')]

REMAPPED = (
    'image:=/camera/image_raw',
    'image/compressed:=/camera/image_raw/compressed',
    'camera_info:=/camera/camera_info',
)
STAMPS = [[1_700_000_000, k * 50_000_000] for k in range(6)]


@pytest.fixture
def start(tmp_path):
    """Start processes that end with the test; their output goes to a file each."""
    started = []

    def begin(*command, parameters=None, remaps=()):
        arguments = ['--ros-args']
        for name, value in (parameters or {}).items():
            arguments += ['-p', f'{name}:={value}']
        for remap in remaps:
            arguments += ['-r', remap]
        log = tmp_path / f'{len(started)}.log'
        with log.open('w') as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, command), *arguments],
                env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process.log = log
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def segmenter(start, tmp_path):
    def begin(**parameters):
        parameters.setdefault('log', tmp_path / 'heard.json')
        return start(SUPPORT / 'fake_segmenter.py', parameters=parameters, remaps=REMAPPED)

    return begin


@pytest.fixture
def replay(start, tmp_path):
    def begin(bag, **parameters):
        return start(
            '-m',
            'asap_ros.cli.replay',
            parameters={
                'bag': bag,
                'out': tmp_path / 'out',
                'startup_timeout': 30.0,
                **parameters,
            },
        )

    return begin


def ended(process, code):
    """Wait for a process, hold it to its exit code and return what it printed."""
    found = process.wait(90)
    text = process.log.read_text()
    assert found == code, text
    return text


def document(tmp_path):
    made = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(made, report.schema())
    return made


def heard(process, tmp_path):
    process.send_signal(signal.SIGINT)
    process.wait(10)
    return json.loads((tmp_path / 'heard.json').read_text())


@pytest.mark.parametrize('image', [tiny_bags.RAW, tiny_bags.JPEG], ids=['raw', 'jpeg'])
def test_lockstep_sends_every_frame_and_scores_every_mask(tmp_path, segmenter, replay, image):
    bag = tiny_bags.write(tmp_path / 'drive', [image, *tiny_bags.DRIVE[1:]])
    node = segmenter(delay=0.12)  # slower than the camera
    text = ended(replay(bag), 0)
    made = document(tmp_path)
    assert made['frames'] == {
        'recorded': 6,
        'sent': 6,
        'received': 6,
        'processed': 6,
        'dropped': 0,
        'stale': 0,
        'failed': 0,
    }
    assert made['complete'] and made['source']['mode'] == 'lockstep'
    assert made['segmentation']['drivable_iou'] == made['segmentation']['pixel_accuracy'] == 1
    assert made['latency_ms']['infer']['p50'] == 13.5
    assert made['latency_ms']['decode']['p50'] is None
    assert made['latency_ms']['age']['p50'] >= 120
    assert made['engine'] == {
        'name': 'fake',
        'provider': 'numpy',
        'precision': 'uint8',
        'model': 'halves',
        'model_sha256': 'c' * 64,
    }
    for name in (
        'report.html',
        'report.json',
        'contact_sheet.png',
        'overlay.webm',
        '6 of 6 frames',
    ):
        assert name in text
    with Bag(tmp_path / 'out' / 'results') as results:
        counts = {t.name: t.count for t in results.topics}
        assert counts['/segmenter/mask'] == counts['/segmenter/timings'] == 6
        assert counts['/segmenter/road_geometry'] == 6 and counts['/segmenter/label_info'] == 1
        answers = [
            m
            for m in results.messages(*results.topics)
            if m.topic.name == '/segmenter/road_geometry'
        ]
        assert [divmod(m.stamp_ns, 10**9) for m in answers] == [tuple(s) for s in STAMPS]
    assert made['road']['status'] == {'NO_TF': 6} and made['road']['availability'] == 0
    was = heard(node, tmp_path)
    assert was['images'] == was['camera_infos'] == STAMPS
    assert was['transforms'] == ['camera_optical']
    assert was['clock'] == sorted(was['clock']) and was['clock'][-1] == STAMPS[-1]


def test_at_its_pace_frames_that_are_overtaken_count_as_dropped(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=30)
    node = segmenter(delay=0.3)
    ended(replay(bag, lockstep=False), 0)
    made = document(tmp_path)
    counts = made['frames']
    assert counts['sent'] == 30 and counts['failed'] == 0 and 0 < counts['processed'] < 30
    assert counts['processed'] + counts['dropped'] == 30
    assert made['source'] == {**made['source'], 'mode': 'paced', 'rate': 1.0}
    clock = heard(node, tmp_path)['clock']
    assert clock == sorted(clock)
    assert any(nanoseconds % 50_000_000 for _, nanoseconds in clock)  # it goes on between frames


def test_a_frame_without_an_answer_fails_and_the_next_is_sent(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive')
    segmenter(silent_at=2)
    text = ended(replay(bag, result_timeout=1.0), 1)
    assert document(tmp_path)['frames'] == {
        'recorded': 6,
        'sent': 6,
        'received': 6,
        'processed': 5,
        'dropped': 0,
        'stale': 0,
        'failed': 1,
    }
    assert 'frame at 1700000000.100 s: no result within 1 s' in text


def test_a_frame_that_the_segmenter_cannot_decode_is_failed_at_once(tmp_path, segmenter, replay):
    def half_jpeg(index):
        message = tiny_bags.jpeg_image(index)
        if index == 3:
            message.data = message.data[: len(message.data) // 2]
        return message

    bag = tiny_bags.write(tmp_path / 'drive', [(*tiny_bags.JPEG[:2], half_jpeg), tiny_bags.MASK])
    segmenter()
    text = ended(replay(bag, result_timeout=60.0), 1)
    counts = document(tmp_path)['frames']
    assert (counts['processed'], counts['failed']) == (5, 1)
    assert 'cut off' in text and 'no camera_info' in text


def test_a_corrupt_bag_is_played_as_far_as_it_is_readable(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=12)
    data = (bag / 'drive.mcap').read_bytes()
    (bag / 'drive.mcap').write_bytes(data[: len(data) // 2])
    segmenter()
    text = ended(replay(bag), 0)
    made = document(tmp_path)
    assert 3 <= made['frames']['processed'] == made['frames']['recorded'] < 12
    assert 'messages are readable' in made['source']['damage'] and 'is damaged' in text


def test_interrupted_it_writes_what_there_is_and_says_so(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=200)
    segmenter(delay=0.05)
    process = replay(bag)
    deadline = time.monotonic() + 60
    while 'frames' not in process.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    text = ended(process, 130)
    made = document(tmp_path)
    assert not made['complete'] and 0 < made['frames']['processed'] < 200
    assert made['frames']['failed'] == 0
    assert 'ending early' in text and '(ended early)' in text
    assert (tmp_path / 'out' / 'contact_sheet.png').exists()


def test_a_segmenter_that_dies_ends_the_drive(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=200)
    node = segmenter(delay=0.05)
    process = replay(bag, result_timeout=600.0)
    deadline = time.monotonic() + 60
    while 'frames' not in process.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    node.send_signal(signal.SIGINT)
    assert 'the segmenter went away after' in ended(process, 1)
    assert not document(tmp_path)['complete']


@pytest.mark.parametrize(
    'parameters, missing', [(None, 'node is not there'), ({'active': False}, 'node is not active')]
)
def test_without_an_active_segmenter_it_says_what_it_waited_for(
    tmp_path, segmenter, replay, parameters, missing
):
    bag = tiny_bags.write(tmp_path / 'drive', frames=1)
    if parameters:
        segmenter(**parameters)
    text = ended(replay(bag, startup_timeout=4.0), 1)
    assert 'waited 4 s in vain for /segmenter' in text and missing in text
    assert not (tmp_path / 'out').exists()


def test_a_segmenter_that_listens_elsewhere(tmp_path, start, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=1)
    start(SUPPORT / 'fake_segmenter.py')
    text = ended(replay(bag, startup_timeout=4.0), 1)
    assert 'does not listen to /camera/image_raw/compressed' in text


def test_classes_that_no_label_set_has(tmp_path, segmenter, replay):
    bag = tiny_bags.write(tmp_path / 'drive', frames=1)
    segmenter(classes='[moon, sea]')
    assert 'classes (moon, sea) are those of no label set' in ended(replay(bag), 1)


@pytest.mark.parametrize(
    'parameters, sentence',
    [
        ({'bag': '/nowhere'}, 'no such bag: /nowhere'),
        ({'bag': "''"}, 'parameter bag is empty'),
        ({'rate': 0.0}, 'rate must be above 0'),
        ({'image_topic': '/other'}, 'no image topic /other'),
        ({'reference_labels': 'mine'}, 'mine.yaml is not part of this installation'),
    ],
)
def test_what_cannot_be_played_is_said_at_once(tmp_path, replay, parameters, sentence):
    given = {'bag': tiny_bags.write(tmp_path / 'drive', frames=1), **parameters}
    assert sentence in ended(replay(**given), 2)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['bag:=/nowhere'], 'no such bag: /nowhere'),
        (['rate:=2.0'], "missing required argument 'bag'"),
        (['bag:=BAG', 'model:=nonsense'], 'the segmenter could not be configured'),
    ],
)
def test_a_launch_that_cannot_work_ends_at_once_and_fails(tmp_path, arguments, sentence):
    bag = tiny_bags.write(tmp_path / 'drive', frames=1)
    given = [a.replace('BAG', str(bag)) for a in arguments]
    ended = subprocess.run(
        ['ros2', 'launch', 'asap_ros', 'replay.launch.py', *given],
        cwd=tmp_path,
        timeout=100,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 1 and sentence in ended.stdout, ended.stdout
