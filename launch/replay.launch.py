"""Play a recorded drive to the segmenter and report: ``ros2 launch asap_ros replay.launch.py``.

Examples
  ros2 launch asap_ros replay.launch.py bag:=drives/monday
  ros2 launch asap_ros replay.launch.py bag:=drives/monday lockstep:=false rate:=0.5
  ros2 launch asap_ros replay.launch.py bag:=town.mcap image_topic:=/front/image_raw out:=out/town

It ends with the drive. Its exit status is 0 only if the drive was worked off (see replay).
"""

import os
from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from asap_ros.bags import topics
from asap_ros.bags.reader import Bag
from asap_ros.bags.topic_names import topic_names
from asap_ros.nodes.fastdds_profile import profile_variables
from asap_ros.nodes.replay_parameters import ARGUMENTS, from_argument, to_argument

SHARE = FindPackageShare('asap_ros')
PASSED_ON = (
    ('model', '', 'a shipped model by name, or an ONNX file; empty: as the params file says'),
    ('engine', '', 'auto, tensorrt, tensorrt_rtx or onnxruntime; empty: as the params file says'),
    (
        'params_file',
        PathJoinSubstitution([SHARE, 'config', 'segmenter.param.yaml']),
        'parameters of the segmenter',
    ),
    ('rviz', 'false', 'true: start RViz with the segmenter view'),
)


def play(context):
    """Return the segmenter, told what the bag holds, and the replay of the bag."""
    given = {
        name: from_argument(LaunchConfiguration(name).perform(context), default)
        for name, default, _ in ARGUMENTS
    }
    given['bag'] = str(Path(given['bag']).expanduser())
    with Bag(given['bag']) as bag:
        drive = topics.find(bag, topic_names(given))
    segmenter = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([SHARE, 'launch', 'segment.launch.py'])
        ),
        launch_arguments={
            **{name: LaunchConfiguration(name) for name, *_ in PASSED_ON},
            'image_topic': drive.image_name,
            'camera_info_topic': drive.camera_info_name,
            'odometry_topic': drive.odometry.name if drive.odometry else '/odom',
            'compressed': str(drive.image.compressed).lower(),
            'use_sim_time': 'true',
            'autostart': 'true',
            'namespace': '',
        }.items(),
    )
    replay = Node(
        package='asap_ros',
        executable='replay',
        name='replay',
        output='screen',
        # After Ctrl-C it scores and writes what there is.
        sigterm_timeout='60',
        sigkill_timeout='30',
        parameters=[
            {
                **given,
                'params_file': str(
                    Path(LaunchConfiguration('params_file').perform(context)).expanduser()
                ),
            }
        ],
    )
    return [
        RegisterEventHandler(OnProcessExit(target_action=replay, on_exit=end)),
        segmenter,
        replay,
    ]


def end(event, _context):
    """Shut everything down with the replay, as a failure if it was one."""
    if event.returncode:
        return [OpaqueFunction(function=fail, args=[f'replay ended with {event.returncode}'])]
    return [EmitEvent(event=Shutdown(reason='the drive has ended'))]


def fail(_context, reason):
    """End the launch with an exit status other than 0; an exception is its only way to."""
    raise RuntimeError(reason)


def generate_launch_description():
    """Return the launch description."""
    own = [
        # A bag must be given: it has no default.
        (name, to_argument(default) if name != 'bag' else None, description)
        for name, default, description in ARGUMENTS
    ]
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in (*own, *PASSED_ON)
    ]
    profiles = [
        SetEnvironmentVariable(name, value)
        for name, value in profile_variables(os.environ).items()
    ]
    return LaunchDescription([*arguments, *profiles, OpaqueFunction(function=play)])
