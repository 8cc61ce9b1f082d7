"""The segmenter's parameters out of a ROS 2 parameter file, as the node takes them from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asap_ros.parameters import parameter_file
from asap_ros.parameters.definition import ParameterError
from asap_ros.parameters.segmenter_parameters import SegmenterParameters, unknown

NODE = '/segmenter'
"""Full name of the node where no namespace is given."""


@dataclass(frozen=True)
class LoadedParameters:
    """Parameters, and sentences about what of their file has no effect."""

    parameters: SegmenterParameters
    warnings: tuple[str, ...] = ()


def load(
    path: Path | None = None, node: str = NODE, hood_fraction: float | None = None
) -> LoadedParameters:
    """Return what a node of that full name takes from a parameter file, None for the defaults.

    ``hood_fraction`` comes before the file's. Raises OSError where there is no such file,
    ParameterError where the node would refuse it.
    """
    values: dict[str, object] = {}
    warnings: list[str] = []
    if path is not None:
        file = parameter_file.read(path)
        values |= file.values(node)
        warnings += file.warnings(node)
        warnings += [f'{path}: {sentence}' for sentence in unknown(values)]
    if hood_fraction is not None:
        values['hood_fraction'] = hood_fraction
    try:
        parameters = SegmenterParameters.from_values(values)
        parameters.road_options()
        parameters.camera.pose()
    except ValueError as error:
        raise ParameterError(f'{path}: {error}' if path else str(error)) from error
    return LoadedParameters(parameters, tuple(warnings))
