"""The node's parameters, out of its own YAML file, for judging offline what it does live."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from asap_ros import resources
from asap_ros.road.geometry import ReferenceCurve
from asap_ros.road.options import RoadOptions, corners
from asap_ros.road.pose import Pose, pose_from_mounting

PACKAGED = 'config/segmenter.param.yaml'
MOUNTING = ('height', 'pitch', 'roll', 'yaw', 'x', 'y')


class SettingsError(ValueError):
    """A file of parameters that cannot be used; the text says where and what."""


@dataclass(frozen=True)
class Settings:
    """What of the node's parameters decides about its results.

    ``min_confidence`` 0 to 1; ``pose`` of the camera in ``base_frame``, None where it comes
    from transforms.
    """

    options: RoadOptions = field(default_factory=RoadOptions)
    base_frame: str = 'base_link'
    rectified: bool = True
    min_confidence: float = 0.0
    pose: Pose | None = None


def load(
    path: Path | None = None, node: str = 'segmenter', hood_fraction: float | None = None
) -> Settings:
    """Return the settings in a ROS parameter file, None for the packaged one.

    Values of ``/**`` hold for every node, those of ``node`` come before them, what the file
    leaves out is as in the packaged one. ``hood_fraction`` comes before all. Raises OSError
    where there is no such file, SettingsError where it makes no sense.
    """
    values = _values(resources.find(PACKAGED), node)
    if path is not None:
        values |= _values(path, node)
    if hood_fraction is not None:
        values['hood_fraction'] = hood_fraction
    try:
        pose = None
        if values['camera.pose_from'] == 'parameters':
            pose = pose_from_mounting(
                **{name: float(values[f'camera.{name}']) for name in MOUNTING}
            )
        options = RoadOptions(
            hood_fraction=float(values['hood_fraction']),
            hood_polygon=corners(values.get('hood_polygon') or ()),
            vehicle_width=float(values['vehicle_width']),
            reference=ReferenceCurve[str(values['reference']).upper()],
        )
        return Settings(
            options,
            str(values['base_frame']),
            bool(values['rectified']),
            float(values['min_confidence']),
            pose,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f'parameters of {path or PACKAGED}: {error}') from error


def _values(path: Path, node: str) -> dict:
    """Return the parameters that a file has for a node, nested names joined by points."""
    try:
        document = yaml.safe_load(path.read_text()) or {}
        found: dict = {}
        for name in ('/**', node, f'/{node}'):
            found |= _flat((document.get(name) or {}).get('ros__parameters') or {})
        return found
    except (AttributeError, yaml.YAMLError) as error:
        raise SettingsError(f'{path} is not a ROS parameter file: {error}') from error


def _flat(values: dict, before: str = '') -> dict:
    flat: dict = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f'{before}{name}.')
        else:
            flat[f'{before}{name}'] = value
    return flat
