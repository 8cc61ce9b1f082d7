"""``evaluate --live``: a drive through the launched node at its pace, judged like any other."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from asap_ros.bags.reader import Bag
from asap_ros.bags.topic_names import TopicNames
from asap_ros.evaluation import live_launch, report
from asap_ros.evaluation.drive_job import DriveJob, EvaluationRequest
from asap_ros.parameters import parameter_file
from asap_ros.parameters.definition import ParameterError
from support import bags_with_truth
from support.paths import ROOT

pytest.importorskip('rclpy', reason='needs the ROS environment')
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('own_domain')]


def start(bag, out, model, *given):
    return subprocess.Popen(
        [
            sys.executable,
            '-m',
            'asap_ros.cli.evaluate',
            str(bag),
            '--out',
            str(out),
            '--live',
            '--model',
            str(model),
            '--engine',
            'onnxruntime',
            '--size',
            '128x256',
            *given,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_drops_age_and_everything_the_node_said_are_real(tmp_path, tiny_file):
    bag = bags_with_truth.write(tmp_path / 'bend', 30)
    process = start(bag, tmp_path / 'out', tiny_file, '--rate', '0.5', '--hood-fraction', '0.1')
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    made = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(made, report.schema())
    frames = made['frames']
    assert frames['sent'] == 30 == frames['processed'] + frames['dropped']
    assert frames['processed'] > 0 and frames['failed'] == 0
    assert made['source']['mode'] == 'paced' and made['source']['rate'] == 0.5
    for stage in ('decode', 'infer', 'road', 'publish', 'total', 'age'):
        assert made['latency_ms'][stage]['p50'] > 0
    assert made['engine']['name'] == 'onnxruntime'
    road = made['road']
    assert road['frames_answered'] >= frames['processed'] - 1
    assert road['reference'] == {'topic': '/ground_truth/road_geometry', 'kind': 'ground truth'}
    assert 'NO_TF' not in road['status'] and 'NO_CALIBRATION' not in road['status']
    assert made['free_space']['reference']['kind'] == 'ground truth'
    assert made['free_space']['frames_compared'] == frames['processed']
    with Bag(tmp_path / 'out' / 'results') as results:
        counts = {t.name.removeprefix('/segmenter/'): t.count for t in results.topics}
    assert counts['label_info'] >= 1 and counts['/diagnostics'] >= 1
    for name in (
        'mask',
        'confidence',
        'timings',
        'road_geometry',
        'path',
        'free_space/scan',
        'free_space/grid',
        'free_space/boundary',
    ):
        assert counts[name] >= frames['processed'] - 1
    assert 'overlay' not in counts and 'ground_points' not in counts
    assert 'report.html' in text and (tmp_path / 'out' / 'report.html').exists()


def test_ctrl_c_writes_what_there_is_and_leaves_no_process(tmp_path, tiny_file):
    bag = bags_with_truth.write(tmp_path / 'bend', 400)
    process = start(bag, tmp_path / 'out', tiny_file)
    lines = []
    end = time.monotonic() + 120
    while time.monotonic() < end and not any('frames/s' in line for line in lines):
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 130, ''.join(lines) + text
    made = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert not made['complete'] and 0 < made['frames']['sent'] < 400
    assert 'ended early' in text
    assert not any(
        str(tmp_path).encode() in _read(p) for p in Path('/proc').glob('[0-9]*/cmdline')
    )


def _read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended since
        return b''


def test_a_launch_that_fails_is_an_error_with_its_reason(tmp_path):
    bag = bags_with_truth.write(tmp_path / 'bend', 2)
    (tmp_path / 'nonsense.onnx').write_bytes(b'nonsense')
    process = start(bag, tmp_path / 'out', tmp_path / 'nonsense.onnx')
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and 'without a report' in text, text


def test_a_model_that_is_not_there_is_named_before_anything_is_launched(tmp_path):
    bag = bags_with_truth.write(tmp_path / 'bend', 2)
    process = start(bag, tmp_path / 'out', 'nonsense')
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "evaluate: there is no model 'nonsense'" in text, text


@pytest.mark.parametrize('key', ['/**', 'segmenter', '/segmenter', '/**/segmenter', '/*'])
def test_what_is_asked_for_reaches_the_launch_and_the_node(tmp_path, key):
    params = tmp_path / 'mine.yaml'
    params.write_text(f'{key}: {{ros__parameters: {{vehicle_width: 2.5, hood_fraction: 0.3}}}}\n')
    job = DriveJob(
        '/bags/a',
        '/out/a',
        EvaluationRequest(
            '/m.onnx',
            'auto',
            (64, 128),
            2,
            TopicNames(true_road='/truth/road'),
            'camvid',
            str(params),
            0.15,
        ),
    )
    command = live_launch.command(job, 2.0, Path('/out/a/p.yaml'))
    assert command[:4] == ['ros2', 'launch', 'asap_ros', 'replay.launch.py']
    for given in (
        'bag:=/bags/a',
        'out:=/out/a',
        'lockstep:=false',
        'rate:=2.0',
        'model:=/m.onnx',
        'engine:=auto',
        'road_topic:=/truth/road',
        'reference_labels:=camvid',
        'params_file:=/out/a/p.yaml',
    ):
        assert given in command
    assert not any(given.startswith('image_topic:=') for given in command)
    made = tmp_path / 'made.yaml'
    made.write_text(live_launch.parameters(job))
    assert parameter_file.read(made).values('/segmenter') == {
        'vehicle_width': 2.5,
        'network_height': 64,
        'network_width': 128,
        'threads': 2,
        'hood_fraction': 0.15,
    }


def test_a_bag_without_an_image_is_not_launched_and_gets_a_report_that_says_so(tmp_path):
    bag = bags_with_truth.write(tmp_path / 'bend', 2, left_out=('/camera/image_raw',))
    outcome = live_launch.work(DriveJob(str(bag), str(tmp_path / 'out'), EvaluationRequest()), 1.0)
    assert 'no topic that looks like a camera' in outcome.error
    made = json.loads((tmp_path / 'out' / 'report.json').read_text())
    jsonschema.validate(made, report.schema())
    assert made['source']['mode'] == 'paced' and made['verdict']['good'] is False
    assert 'looks like a camera' in (tmp_path / 'out' / 'report.html').read_text()


def test_parameters_that_the_node_would_refuse_are_said_before_anything_is_launched(tmp_path):
    params = tmp_path / 'mine.yaml'
    params.write_text('segmenter: {ros__parameters: {camera.height: 1}}\n')
    job = DriveJob('/bags/a', '/out/a', EvaluationRequest(params_file=str(params)))
    with pytest.raises(ParameterError, match=r"mine.yaml: .*'camera.height'.* write 1.0"):
        live_launch.work(job, 1.0)
