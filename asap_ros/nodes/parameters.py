"""The segmenter's parameters: one table, and reading it into a checked value."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from asap_ros.segmentation.engine_selection import ENGINES, PROVIDERS
from asap_ros.segmentation.tensorrt.plan import PRECISIONS


@dataclass(frozen=True)
class Entry:
    """One parameter; ``changes``: may be set while the node runs. Ranges are inclusive.

    A list of numbers has no default: () stands for it while nothing is set.
    """

    name: str
    default: bool | int | float | str | tuple[float, ...]
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] | None = None
    step: int = 1
    changes: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows."""
        descriptor = ParameterDescriptor(
            name=self.name, description=self.description, read_only=not self.changes
        )
        if self.choices:
            descriptor.additional_constraints = f'one of: {", ".join(self.choices)}'
        if self.range and isinstance(self.default, float):
            low, high = self.range
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.range:
            low, high = (int(v) for v in self.range)
            descriptor.integer_range = [
                IntegerRange(from_value=low, to_value=high, step=self.step)
            ]
        return descriptor


TABLE = (
    Entry(
        'autostart',
        False,
        'Configure and activate at once; the launch file sets it. Otherwise that is left to '
        'whoever manages the lifecycle.',
    ),
    Entry(
        'model',
        'asap_mobilenet_v2_driving',
        'Name of a shipped model, or path of an ONNX file exported by asap_training.',
    ),
    Entry(
        'engine',
        'auto',
        'Runtime of the network; auto takes the best that works.',
        choices=ENGINES,
    ),
    Entry(
        'precision',
        'fp16',
        'Precision of a TensorRT engine; ONNX Runtime computes in fp32.',
        choices=PRECISIONS,
    ),
    Entry(
        'engine_cache',
        '',
        'Folder of built TensorRT engines; empty takes ~/.cache/asap_ros/engines.',
    ),
    Entry(
        'allow_fallback',
        True,
        'ONNX Runtime may serve while a TensorRT engine is being built, and where it fails; '
        'otherwise the node refuses.',
    ),
    Entry(
        'provider',
        'auto',
        'Where ONNX Runtime computes; auto takes CUDA where it is there.',
        choices=PROVIDERS,
    ),
    Entry(
        'threads', 0, 'CPU threads of the network; 0 takes one a physical core.', range=(0, 256)
    ),
    Entry(
        'network_height',
        512,
        'Rows of the frame that the network sees.',
        range=(32, 4096),
        step=32,
    ),
    Entry(
        'network_width',
        1024,
        'ColumnContacts of the frame that the network sees.',
        range=(32, 4096),
        step=32,
    ),
    Entry(
        'compressed', False, 'Subscribe to image/compressed (JPEG, PNG, WebP) instead of image.'
    ),
    Entry(
        'mask_resolution',
        'network',
        'Grid of mask and confidence: network as it comes, camera by nearest neighbour.',
        choices=('network', 'camera'),
        changes=True,
    ),
    Entry(
        'max_age',
        0.5,
        'Seconds after its stamp at which a frame is no longer worth processing and is '
        'answered with an invalid mask; 0 takes any age.',
        range=(0.0, 60.0),
        changes=True,
    ),
    Entry(
        'max_rate',
        0.0,
        'Most frames processed per second; 0 takes as many as come.',
        range=(0.0, 1000.0),
        changes=True,
    ),
    Entry(
        'min_confidence',
        0.0,
        'Pixels whose class is less probable than this become 255, unlabelled.',
        range=(0.0, 1.0),
        changes=True,
    ),
    Entry(
        'overlay_opacity',
        0.5,
        'How strongly class colours cover the picture in overlay.',
        range=(0.0, 1.0),
        changes=True,
    ),
    Entry(
        'base_frame',
        'base_link',
        'Frame of the vehicle, its plane z = 0 on the ground: that of all road outputs.',
    ),
    Entry(
        'rectified',
        True,
        'The images are rectified (image_rect), so that P of camera_info projects them; false '
        'for image_raw of a camera without distortion.',
    ),
    Entry(
        'camera.pose_from',
        'tf',
        'Where the pose of the camera in base_frame comes from: TF, looked up at the stamp of '
        'the image, or the parameters camera.*.',
        choices=('tf', 'parameters'),
    ),
    Entry('camera.height', 0.0, 'Metres of the camera above the ground.', range=(0.0, 100.0)),
    Entry(
        'camera.pitch', 0.0, 'Radians that the nose of the camera points down.', range=(-1.6, 1.6)
    ),
    Entry(
        'camera.roll',
        0.0,
        'Radians by which the right of the camera is lowered.',
        range=(-3.2, 3.2),
    ),
    Entry('camera.yaw', 0.0, 'Radians that the camera looks to the left.', range=(-3.2, 3.2)),
    Entry('camera.x', 0.0, 'Metres of the camera before base_frame.', range=(-100.0, 100.0)),
    Entry(
        'camera.y', 0.0, 'Metres of the camera to the left of base_frame.', range=(-100.0, 100.0)
    ),
    Entry(
        'tf_timeout',
        0.05,
        'Seconds at most that a frame, once labelled, waits for its transform.',
        range=(0.0, 1.0),
    ),
    Entry(
        'hood_fraction',
        0.0,
        'Share of the rows of the image, from the bottom, that show the vehicle itself.',
        range=(0.0, 1.0),
    ),
    Entry(
        'hood_polygon',
        (),
        'Outline of the vehicle itself in the image: x and y of each corner in turn, as '
        'fractions of its width and height, written with a decimal point. What it covers and '
        'all below is not looked at.',
    ),
    Entry(
        'vehicle_width',
        1.8,
        'Metres that must be free for the corridor to go on.',
        range=(0.1, 20.0),
    ),
    Entry(
        'reference',
        'road_centre',
        'Curve that road_geometry and path describe: the middle between the edges of the road, '
        'or its parallel through the vehicle.',
        choices=('road_centre', 'ego_parallel'),
    ),
    Entry(
        'silence',
        3.0,
        'Seconds without a frame after which diagnostics say why none comes.',
        range=(0.1, 3600.0),
        changes=True,
    ),
)


def declare(node: Node) -> None:
    """Declare the table's parameters on a node; values come from its overrides or defaults."""
    for entry in TABLE:
        default = Parameter.Type.DOUBLE_ARRAY if entry.default == () else entry.default
        node.declare_parameter(entry.name, default, entry.descriptor())
    node.add_on_set_parameters_callback(check)


def read(node: Node) -> dict[str, bool | int | float | str | tuple[float, ...]]:
    """Return the current values by name. Raises ValueError where one is not among its choices."""
    values = {entry.name: _value(node, entry) for entry in TABLE}
    fault = _fault(values)
    if fault:
        raise ValueError(fault)
    return values


def _value(node: Node, entry: Entry):
    if entry.default != ():
        return node.get_parameter(entry.name).value
    unset = Parameter(entry.name, Parameter.Type.DOUBLE_ARRAY, array('d'))
    return tuple(node.get_parameter_or(entry.name, unset).value)


def check(parameters: list[Parameter]) -> SetParametersResult:
    """Refuse values that are not among a parameter's choices; ranges are rclpy's to check."""
    fault = _fault({parameter.name: parameter.value for parameter in parameters})
    return SetParametersResult(successful=not fault, reason=fault)


def _fault(values: dict) -> str:
    for entry in TABLE:
        value = values.get(entry.name)
        if entry.choices and value is not None and value not in entry.choices:
            return f'{entry.name}: {value!r} is not one of {", ".join(entry.choices)}'
    return ''
