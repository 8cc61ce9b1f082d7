"""The segmenter's parameters: their one definition, and what follows from their values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from asap_ros.parameters.definition import Definition, Value, build, definitions, parameter
from asap_ros.road.geometry import ReferenceCurve
from asap_ros.road.options import RoadOptions, corners
from asap_ros.road.pose import Pose, pose_from_mounting
from asap_ros.segmentation.engine_selection import ENGINES, PROVIDERS, EngineOptions
from asap_ros.segmentation.tensorrt.plan import PRECISIONS, PlanOptions

OF_EVERY_NODE = ('use_sim_time', 'start_type_description_service')
"""Parameters that rclpy itself declares, beside those that begin with ``qos_overrides.``."""


@dataclass(frozen=True)
class CameraMounting:
    """Where the camera is on the vehicle, as REP-103 has it."""

    pose_from: str = parameter(
        'tf',
        "Where the camera's pose in `base_frame` comes from: `tf`, looked up at the image's "
        'stamp, or `parameters`: `camera.*`.',
        choices=('tf', 'parameters'),
    )
    height: float = parameter(
        0.0,
        'Height above the ground; must be set where `camera.pose_from` is `parameters`.',
        unit='m',
        range=(0.0, 100.0),
    )
    pitch: float = parameter(
        0.0, 'Angle that the camera points down by.', unit='rad', range=(-1.6, 1.6)
    )
    roll: float = parameter(
        0.0, 'Angle that lowers the right of the camera.', unit='rad', range=(-3.2, 3.2)
    )
    yaw: float = parameter(
        0.0, 'Angle that the camera looks to the left by.', unit='rad', range=(-3.2, 3.2)
    )
    x: float = parameter(0.0, 'Distance before `base_frame`.', unit='m', range=(-100.0, 100.0))
    y: float = parameter(
        0.0, 'Distance to the left of `base_frame`.', unit='m', range=(-100.0, 100.0)
    )

    def pose(self) -> Pose | None:
        """Return the pose that the parameters give, None where it comes from TF.

        Raises PoseError where they put no camera above the ground.
        """
        if self.pose_from == 'tf':
            return None
        return pose_from_mounting(self.height, self.pitch, self.roll, self.yaw, self.x, self.y)


@dataclass(frozen=True)
class SegmenterParameters:
    """All parameters of the segmenter at one time; each field says its default and meaning."""

    autostart: bool = parameter(
        False,
        'Configure and activate at once; the launch file sets it. Otherwise that is left to '
        'whoever manages the lifecycle.',
    )
    model: str = parameter(
        'asap_mobilenet_v2_driving',
        'A shipped model by name, or the path of an ONNX file exported by `asap_training`.',
    )
    engine: str = parameter(
        'auto', 'Runtime of the network; `auto` takes the best that works.', choices=ENGINES
    )
    precision: str = parameter(
        'fp16',
        'Precision of a TensorRT engine; ONNX Runtime computes as the network file says: fp32, '
        'or int8 where it is quantised.',
        choices=PRECISIONS,
    )
    engine_cache: str = parameter(
        '',
        'Folder of built TensorRT engines; empty takes `engines` in `ASAP_ROS_CACHE`, or in '
        '`~/.cache/asap_ros`.',
    )
    allow_fallback: bool = parameter(
        True,
        'ONNX Runtime may serve while a TensorRT engine is being built, and where it fails; '
        'otherwise the node refuses.',
    )
    provider: str = parameter(
        'auto',
        'Where ONNX Runtime computes; `auto` takes CUDA where it is there.',
        choices=PROVIDERS,
    )
    threads: int = parameter(
        0, 'CPU threads of the network; 0 takes one a physical core.', range=(0, 256)
    )
    network_height: int = parameter(
        512, 'Rows of the frame that the network sees.', unit='px', range=(32, 4096), step=32
    )
    network_width: int = parameter(
        1024, 'Columns of the frame that the network sees.', unit='px', range=(32, 4096), step=32
    )
    compressed: bool = parameter(
        False, 'Subscribe to `image/compressed` (JPEG, PNG, WebP) instead of `image`.'
    )
    mask_resolution: str = parameter(
        'network',
        'Grid of mask and confidence: `network` as it comes, `camera` by nearest neighbour.',
        choices=('network', 'camera'),
        may_change=True,
    )
    max_age: float = parameter(
        0.5,
        'Age at which a frame is no longer worth processing and is answered with an invalid '
        'mask; 0 takes any.',
        unit='s',
        range=(0.0, 60.0),
        may_change=True,
    )
    max_rate: float = parameter(
        0.0,
        'Most frames processed per second; 0 takes as many as come.',
        unit='1/s',
        range=(0.0, 1000.0),
        may_change=True,
    )
    min_confidence: float = parameter(
        0.0,
        'Probability of its class below which a pixel becomes 255, unlabelled.',
        range=(0.0, 1.0),
        may_change=True,
    )
    overlay_opacity: float = parameter(
        0.5,
        'How strongly class colours cover the picture in `overlay`.',
        range=(0.0, 1.0),
        may_change=True,
    )
    base_frame: str = parameter(
        'base_link',
        'Frame of the vehicle, its plane z = 0 on the ground: that of all road outputs.',
    )
    rectified: bool = parameter(
        True,
        'The images are rectified (`image_rect`), P of `camera_info` projects them; false for '
        '`image_raw` of a camera without distortion, which K projects.',
    )
    camera: CameraMounting = field(default_factory=CameraMounting)
    tf_timeout: float = parameter(
        0.05,
        'Longest that a frame, once labelled, waits for its transform.',
        unit='s',
        range=(0.0, 1.0),
    )
    hood_fraction: float = parameter(
        0.0,
        'Share of the rows of the image, from the bottom, that show the vehicle itself.',
        range=(0.0, 1.0),
    )
    hood_polygon: tuple[float, ...] = parameter(
        (),
        'Outline of the vehicle itself in the image: x and y of each corner in turn, as '
        'fractions of its width and height, all with a decimal point, such as '
        '`[0.1, 1.0, 0.2, 0.85, 0.8, 0.85, 0.9, 1.0]`. What it covers and all below is not '
        'looked at.',
    )
    vehicle_width: float = parameter(
        1.8, 'Width that must be free for the corridor to go on.', unit='m', range=(0.1, 20.0)
    )
    reference: str = parameter(
        'road_centre',
        'Curve that `~/road_geometry` and `~/path` describe: the middle between the edges of '
        'the road, or its parallel through the vehicle.',
        choices=('road_centre', 'ego_parallel'),
    )
    silence: float = parameter(
        3.0,
        'Time without a frame after which diagnostics say why none comes.',
        unit='s',
        range=(0.1, 3600.0),
        may_change=True,
    )

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> SegmenterParameters:
        """Return the parameters with these values by ROS name, and the defaults for the rest.

        Raises ParameterError for a value that rclpy would refuse, or that is not among the
        choices. Names that are none of a parameter are left out: ``unknown`` tells them.
        """
        checked: dict[str, Value] = {
            one.name: one.checked(values[one.name]) if one.name in values else one.default
            for one in DEFINITIONS
        }
        parameters: SegmenterParameters = build(cls, checked)
        return parameters

    @property
    def network_size(self) -> tuple[int, int]:
        """Return (height, width) of the frame that the network sees."""
        return self.network_height, self.network_width

    def road_options(self) -> RoadOptions:
        """Return the options of the road model; ValueError where they make no sense."""
        return RoadOptions(
            hood_fraction=self.hood_fraction,
            hood_polygon=corners(self.hood_polygon),
            vehicle_width=self.vehicle_width,
            reference=ReferenceCurve[self.reference.upper()],
        )

    def engine_options(self) -> EngineOptions:
        """Return what is wanted of the engine; one that is not there yet is built."""
        return EngineOptions(
            self.engine,
            self.provider,
            self.threads,
            PlanOptions(self.precision, self.network_size),
            self.engine_cache,
            self.allow_fallback,
            build=True,
        )


DEFINITIONS: tuple[Definition, ...] = definitions(SegmenterParameters)
"""Every parameter, in the order of the table in the documentation."""


def unknown(values: Mapping[str, object]) -> list[str]:
    """Return a sentence for each name that the segmenter has no parameter of."""
    known = [one.name for one in DEFINITIONS]
    sentences = []
    for name in values:
        if name in (*known, *OF_EVERY_NODE) or name.startswith('qos_overrides.'):
            continue
        alike = difflib.get_close_matches(name, known, 1)
        hint = f'; is {alike[0]} meant?' if alike else ''
        sentences.append(f'the segmenter has no parameter {name}{hint}')
    return sentences
