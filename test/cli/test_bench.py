"""The bench of the road model as a user runs it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from asap_ros.cli import bench


def test_road(capsys):
    assert bench.main(['--road', '--frames', '3']) == 0
    found = json.loads(capsys.readouterr().out)['road']
    assert (found['size'], found['frames']) == ([512, 1024], 3)
    assert {'analyse', 'scan', 'grid', 'ground_points', 'total'} <= set(found['ms'])
    for times in found['ms'].values():
        assert 0.0 < times['p50'] <= times['p95'] <= times['p99']


def test_no_frames(capsys):
    assert bench.main(['--road', '--frames', '0']) == 2
    assert 'argument --frames: ' in capsys.readouterr().err


def test_gpu_has_a_command_line_of_its_own(capsys):
    assert bench.main(['--gpu', '--help']) == 0
    assert '--pictures FOLDER' in capsys.readouterr().out
    assert bench.main(['--gpu', '--batch', '0']) == 2
    assert 'argument --batch: ' in capsys.readouterr().err
