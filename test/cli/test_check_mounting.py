"""check_mounting as a user runs it: a calibration and a mounting in, expected sigmas out."""

from __future__ import annotations

import contextlib
import re
import threading

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs the ROS environment')

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from asap_ros.cli import check_mounting
from support.synthetic_roads import MOUNT


def document(mount=MOUNT):
    k = [mount.f, 0.0, mount.cx, 0.0, mount.f, mount.cy, 0.0, 0.0, 1.0]
    return {
        'image_width': mount.width,
        'image_height': mount.height,
        'distortion_model': 'plumb_bob',
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': k},
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [-0.1, 0, 0, 0, 0]},
        'projection_matrix': {
            'rows': 3,
            'cols': 4,
            'data': [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
        },
    }


@contextlib.contextmanager
def camera(info, transforms):
    """Publish a camera_info many times a second, and what TF knows."""
    node, ended = Node('camera'), threading.Event()
    publisher = node.create_publisher(CameraInfo, '/front/camera_info', 1)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = node.create_publisher(TFMessage, '/tf_static', latched)
    static.publish(TFMessage(transforms=transforms))

    def publish():
        while not ended.wait(0.05):
            publisher.publish(info)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        node.destroy_node()


def info():
    made = CameraInfo(width=MOUNT.width, height=MOUNT.height, distortion_model='plumb_bob')
    made.k = document()['camera_matrix']['data']
    made.p = document()['projection_matrix']['data']
    made.header.frame_id = 'optical'
    return made


def level_camera(height):
    made = TransformStamped(child_frame_id='optical')
    made.header.frame_id = 'base_link'
    made.transform.translation.z = height
    q = made.transform.rotation  # x right, y down, z forward
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return made


def test_live_camera(ros, capsys):
    with camera(info(), [level_camera(1.5)]):
        assert check_mounting.main(['/front/camera_info']) == 0
    out = capsys.readouterr().out
    assert '1.50 m up' in out and 'pitch 0.00 degrees' in out
    assert re.search('horizon at row 25[56]', out)


@pytest.mark.slow
def test_live_camera_whose_pose_nobody_knows(ros, capsys, monkeypatch):
    monkeypatch.setattr(check_mounting, 'PATIENCE', 3.0)
    with camera(info(), []):
        assert check_mounting.main(['/front/camera_info']) == 1
        assert "no transform from 'optical'" in capsys.readouterr().err
        assert check_mounting.main(['/front/camera_info', '--height', '1.5']) == 0
        assert '1.50 m up' in capsys.readouterr().out


def test_camera_that_is_silent(ros, capsys, monkeypatch):
    monkeypatch.setattr(check_mounting, 'PATIENCE', 0.2)
    assert check_mounting.main(['/rear/camera_info', '--height', '1.5']) == 1
    assert 'no camera_info came on /rear/camera_info' in capsys.readouterr().err


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'ost.yaml'
    path.write_text(yaml.safe_dump(document()))
    return str(path)


def test_calibration_file(file, capsys):
    assert check_mounting.main([file, '--height', '1.22', '--pitch', '0.038']) == 0
    out = capsys.readouterr().out
    assert 'f = 1131 x 1131 px at 1024x512' in out and '1.22 m up' in out
    rows = re.findall(
        r'^ +(\d+) m +([\d.]+) m +(\d+) % +([\d.]+)e-3 1/m .* ([\d.]+) m ', out, re.MULTILINE
    )
    assert [row[0] for row in rows] == ['10', '20', '40']
    assert [float(row[1]) for row in rows] == pytest.approx([0.45, 1.70, 6.69], abs=0.01)
    assert all(int(row[2]) > 90 and 0.01 < float(row[3]) < 2.0 for row in rows)


@pytest.mark.parametrize(
    'arguments, says',
    [
        (['--height', '0'], 'z = 0.000'),
        (['--height', '1.2', '--unrectified'], 'rectify_node'),
        (['--height', '1.2', '--pitch', '-0.5'], 'is the ground in view?'),
    ],
)
def test_camera_that_cannot_be_judged(file, capsys, arguments, says):
    assert check_mounting.main([file, *arguments]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize('text, says', [('a: [', 'is no calibration'), ('a: 1', 'image_width')])
def test_file_that_is_no_calibration(tmp_path, capsys, text, says):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    assert check_mounting.main([str(path), '--height', '1.2']) == 2
    assert says in capsys.readouterr().err


def test_file_that_is_not_there(tmp_path, capsys):
    assert check_mounting.main([str(tmp_path / 'no.yaml'), '--height', '1.2']) == 2
    assert 'no.yaml: No such file' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, says',
    [
        (['--height', '-1'], "'-1' is not a number of at least 0"),
        (['--height', '1.2', '--hood-fraction', '2'], "'2' is not a number from 0"),
        (['--height', '1.2', '--hood-polygon', '0', '1', '0.5'], 'an even count'),
        ([], 'give --height'),
    ],
)
def test_command_lines_that_are_none(file, capsys, arguments, says):
    assert check_mounting.main([file, *arguments]) == 2
    assert says in capsys.readouterr().err


def test_its_former_name(file, capsys):
    assert check_mounting.selftest([file, '--height', '1.22', '--pitch', '0.038']) == 0
    said = capsys.readouterr()
    assert said.err == 'selftest is now called check_mounting; this name will go\n'
    assert '1.22 m up' in said.out
