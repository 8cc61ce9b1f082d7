"""What command lines share."""

from __future__ import annotations

import argparse


def resolution(text: str) -> tuple[int, int]:
    """Parse ``512x1024`` into (height, width), both at least 1."""
    height, separator, width = text.partition('x')
    if not separator or not all(n.isdigit() and int(n) for n in (height, width)):
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, such as 512x1024')
    return int(height), int(width)
