"""The bootstrap's modules stand outside of any package: put their folders on the path."""

from __future__ import annotations

import sys

from support.paths import ROOT

TOOLS = ROOT / 'tools'
sys.path[:0] = [str(TOOLS / 'environment'), str(TOOLS / 'ros2_launch')]
