from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from asap_ros import resources
from asap_ros.version import version


def test_packaged_files_are_found():
    for name in ('package.xml', 'config/labels/camvid.yaml', 'config/segmenter.param.yaml'):
        assert resources.find(name).is_file()


def test_checkout_comes_first_then_the_ament_index_then_the_environment(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/ws/install:/opt/ros/jazzy')
    assert resources.share_folders()[1:] == [
        Path('/ws/install/share/asap_ros'),
        Path('/opt/ros/jazzy/share/asap_ros'),
        Path(sys.prefix) / 'share/asap_ros',
    ]
    assert resources.share_folders()[0] == Path(resources.__file__).resolve().parents[1]


def test_nearest_wins(tmp_path, monkeypatch):
    near, far = tmp_path / 'near', tmp_path / 'far'
    for prefix in (near, far):
        (prefix / 'share/asap_ros').mkdir(parents=True)
        (prefix / 'share/asap_ros/both.yaml').write_text('')
    (far / 'share/asap_ros/one.yaml').write_text('')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{near}:{far}')
    assert resources.find('both.yaml') == near / 'share/asap_ros/both.yaml'
    assert resources.find('one.yaml') == far / 'share/asap_ros/one.yaml'


def test_what_is_not_there_names_every_place_searched(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/ws/install')
    with pytest.raises(FileNotFoundError) as caught:
        resources.find('config/nothing.yaml')
    assert 'config/nothing.yaml is not part of this installation' in str(caught.value)
    for folder in resources.share_folders():
        assert str(folder) in str(caught.value)


def test_version_is_that_of_package_xml():
    text = resources.find('package.xml').read_text()
    assert version() == re.search('<version>(.*)</version>', text).group(1)
