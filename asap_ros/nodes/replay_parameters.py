"""The replay's parameters, which its launch file has as arguments too."""

from __future__ import annotations

from asap_ros.bags.topic_names import DRIVE_OPTIONS

PARAMETERS: tuple[tuple[str, bool | float | str, str], ...] = (
    ('bag', '', 'the drive: a rosbag2 folder, or its .mcap or .db3 file'),
    ('out', 'out/run', 'folder for report.html and .json, overlay video, contact sheet, results'),
    ('lockstep', True, 'true: the next frame is sent when the result of the last has come'),
    ('rate', 1.0, 'pace without lockstep, 1 as recorded'),
    *((option.name, option.default, option.help) for option in DRIVE_OPTIONS),
    ('params_file', '', 'parameters of the segmenter, to judge it by (default its own defaults)'),
    ('record_all', False, 'true: record overlay, ground_points, markers, mask/compressed too'),
    ('segmenter', 'segmenter', 'name of the segmenter, in this namespace or absolute'),
    ('startup_timeout', 120.0, 'seconds to wait for the segmenter to become active'),
    ('result_timeout', 10.0, 'seconds to wait for the result of a frame'),
)
"""(name, default, description) of every parameter; all are read once, at the start."""

ARGUMENTS = tuple(
    entry
    for entry in PARAMETERS
    if entry[0] not in ('params_file', 'segmenter', 'startup_timeout', 'result_timeout')
)
"""Those that launch/replay.launch.py declares as they are."""


def to_argument(value: bool | float | str) -> str:
    """Return a parameter's value as a launch file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def from_argument(text: str, default: bool | float | str) -> bool | float | str:
    """Return the value of a launch argument, of the type of the parameter's default."""
    return text == 'true' if isinstance(default, bool) else type(default)(text)
