"""What command lines share."""

from __future__ import annotations

import argparse


def resolution(text: str) -> tuple[int, int]:
    """Parse ``512x1024`` into (height, width)."""
    height, separator, width = text.partition('x')
    if not separator or not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, such as 512x1024')
    return int(height), int(width)
