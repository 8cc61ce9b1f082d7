"""Whether this machine can train: ``python3 -m asap_training.machine``.

For machines where nothing can be installed: it says all that is missing before anything is begun,
and is itself the standard library alone.
"""

from __future__ import annotations

import importlib
import sys

NEEDED = {'torch': 'torch', 'numpy': 'numpy', 'cv2': 'opencv-python-headless', 'yaml': 'PyYAML',
          'safetensors': 'safetensors', 'tqdm': 'tqdm', 'tensorboard': 'tensorboard'}
"""Modules that training imports, and the packages that hold them."""


def missing() -> dict[str, str]:
    """Return the packages that training needs and that cannot be imported, with the reason."""
    found = {}
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            found[package] = str(error)
    return found


def main() -> None:
    """Print what training would run on; exit code 1 where a package is missing."""
    if absent := missing():
        for package, reason in absent.items():
            print(f'{package} is missing: {reason}', file=sys.stderr)
        sys.exit(f'this Python ({sys.executable}) cannot train: bring wheels of '
                 f'{" ".join(absent)} and put them on PYTHONPATH with pip install --target')
    import torch
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    print(f'Python {sys.version.split()[0]}, torch {torch.__version__}, {device}')


if __name__ == '__main__':
    main()
