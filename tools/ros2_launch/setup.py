"""The command `ros2 launch` for a ROS environment whose packages lack ros2launch."""

from setuptools import setup

setup(
    name='asap_ros2_launch',
    version='0.1.0',
    description='The command "ros2 launch" for a ROS environment without ros2launch',
    packages=['asap_ros2_launch'],
    entry_points={'ros2cli.command': ['launch = asap_ros2_launch.command:LaunchCommand']},
)
