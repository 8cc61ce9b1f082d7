"""Start the segmenter on a camera: ``ros2 launch asap_ros segment.launch.py``.

Examples
  ros2 launch asap_ros segment.launch.py image_topic:=/front/image_raw
  ros2 launch asap_ros segment.launch.py model:=/models/mine.onnx namespace:=front rviz:=true
"""

import os
import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, TextSubstitution
from launch.utilities.type_utils import perform_typed_substitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

from asap_ros.nodes.fastdds_profile import profile_variables
from asap_ros.parameters import loading

SHARE = FindPackageShare('asap_ros')
ARGUMENTS = (
    ('model', '', 'a shipped model by name, or an ONNX file; empty: as the params file says'),
    ('engine', '', 'auto, tensorrt, tensorrt_rtx or onnxruntime; empty: as the params file says'),
    ('image_topic', '/camera/image_raw', 'the camera; with compressed its /compressed twin'),
    ('camera_info_topic', '/camera/camera_info', 'the calibration of that camera'),
    ('odometry_topic', '/odom', 'the velocity of the vehicle, for the road from frame to frame'),
    ('compressed', '', 'true: subscribe to IMAGE_TOPIC/compressed; empty: as the params file'),
    ('namespace', '', 'namespace of the node, one per camera'),
    (
        'params_file',
        PathJoinSubstitution([SHARE, 'config', 'segmenter.param.yaml']),
        'parameters of the node',
    ),
    ('use_sim_time', 'false', 'true: time comes from /clock, as when a bag is replayed'),
    ('autostart', 'true', 'true: configure and activate the node at once'),
    ('rviz', 'false', 'true: start RViz with the segmenter view'),
)


def declared():
    """Return the launch arguments."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]


def segmenter(context):
    """Return the node with those parameters that the command line sets."""
    overrides = {'use_sim_time': truth(context, 'use_sim_time')}
    for name in ('model', 'engine'):
        value = LaunchConfiguration(name).perform(context)
        if value:
            overrides[name] = value
    overrides['autostart'] = truth(context, 'autostart')
    if LaunchConfiguration('compressed').perform(context):
        overrides['compressed'] = truth(context, 'compressed')
    image = LaunchConfiguration('image_topic').perform(context)
    path, warnings = parameter_file(context)
    node = LifecycleNode(
        package='asap_ros',
        executable='segmenter',
        name='segmenter',
        output='screen',
        namespace=LaunchConfiguration('namespace'),
        parameters=[str(path), overrides],
        remappings=[
            ('image', image),
            ('image/compressed', f'{image}/compressed'),
            ('camera_info', LaunchConfiguration('camera_info_topic')),
            ('odometry', LaunchConfiguration('odometry_topic')),
        ],
    )
    return [*(LogInfo(msg=f'warning: {sentence}') for sentence in warnings), node]


def parameter_file(context):
    """Return the path of the parameter file, and sentences about what in it has no effect.

    ROS itself starts a node on its defaults where the file is missing or is for another node.
    """
    path = Path(LaunchConfiguration('params_file').perform(context)).expanduser()
    if not path.is_file():
        raise RuntimeError(f'params_file: there is no file {path}')
    namespace = LaunchConfiguration('namespace').perform(context).strip('/')
    name = f'/{namespace}/segmenter' if namespace else '/segmenter'
    return path, loading.load(path, name).warnings


def truth(context, name):
    """Return the boolean argument of that name, written as YAML has it, such as true or False."""
    text = LaunchConfiguration(name).perform(context)
    try:
        return perform_typed_substitution(context, [TextSubstitution(text=text)], bool)
    except ValueError as error:
        raise ValueError(f'{name}:={text!r} is neither true nor false') from error


def view(context):
    """Return RViz where it is asked for, looking at this launch's topics."""
    if not truth(context, 'rviz'):
        return []
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return [
            LogInfo(
                msg='rviz:=true, but RViz is not installed: install '
                'ros-$ROS_DISTRO-rviz2, or look at the topics in Foxglove with '
                'config/segmenter.foxglove.json. The segmenter runs without a view.'
            )
        ]
    file = PathJoinSubstitution([SHARE, 'config', 'segmenter.rviz']).perform(context)
    namespace = LaunchConfiguration('namespace').perform(context).strip('/')
    shown = re.findall(r'Value: (/segmenter/\S+)', Path(file).read_text())
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            arguments=['-d', file],
            parameters=[{'use_sim_time': truth(context, 'use_sim_time')}],
            remappings=[
                ('/camera/image_raw', LaunchConfiguration('image_topic')),
                *((name, f'/{namespace}{name}') for name in shown if namespace),
            ],
        )
    ]


def generate_launch_description():
    """Return the launch description."""
    return LaunchDescription(
        [
            *declared(),
            *(
                SetEnvironmentVariable(name, value)
                for name, value in profile_variables(os.environ).items()
            ),
            OpaqueFunction(function=segmenter),
            OpaqueFunction(function=view),
        ]
    )
