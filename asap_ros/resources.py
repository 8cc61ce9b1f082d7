"""Where the files that belong to the package (label sets, models, profiles) are found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = 'asap_ros'


def share_folders() -> list[Path]:
    """Return the folders that may hold the package's files, nearest first.

    The source checkout comes first, then every prefix of the ament index, then the Python
    environment, so that the same code runs from a checkout, a colcon workspace and a wheel.
    """
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    installed = [Path(p) / 'share' / PACKAGE for p in [*prefixes, sys.prefix]]
    return [Path(__file__).resolve().parents[1], *installed]


def find(relative: str) -> Path:
    """Return the path of a packaged file or folder such as ``config/labels/camvid.yaml``.

    Raises FileNotFoundError that names every place that was searched.
    """
    folders = share_folders()
    for folder in folders:
        if (folder / relative).exists():
            return folder / relative
    searched = ', '.join(str(folder) for folder in folders)
    raise FileNotFoundError(f'{relative} is not part of this installation; searched {searched}')
