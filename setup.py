"""Install asap_ros and asap_training with pip on machines without ROS; setup.cfg says the rest."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import setup

SHARED = ('config', 'models', 'msg')


def version() -> str:
    """Return the version that package.xml states, the one place that does."""
    return ElementTree.parse('package.xml').findtext('version')


def data_files() -> list[tuple[str, list[str]]]:
    """Return what belongs to share/asap_ros, folder by folder, as colcon installs it."""
    folders = {'share/asap_ros': ['package.xml']}
    for name in SHARED:
        for path in sorted(Path(name).rglob('*')):
            if path.is_file():
                folders.setdefault(f'share/asap_ros/{path.parent}', []).append(str(path))
    return sorted(folders.items())


setup(version=version(), data_files=data_files())
