"""Install asap_ros and asap_training with pip on machines without ROS; setup.cfg says the rest."""

from pathlib import Path

from setuptools import setup

SHARED = ('config', 'models')


def data_files() -> list[tuple[str, list[str]]]:
    """Return the files of config/ and models/ for share/asap_ros, folder by folder."""
    folders = {}
    for name in SHARED:
        for path in sorted(Path(name).rglob('*')):
            if path.is_file():
                folders.setdefault(f'share/asap_ros/{path.parent}', []).append(str(path))
    return sorted(folders.items())


setup(data_files=data_files())
