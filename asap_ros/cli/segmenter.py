"""Label masks, free space and the road's path of every frame of a camera: a lifecycle node."""

from __future__ import annotations

import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.utilities import remove_ros_args

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser
from asap_ros.nodes.segmenter import Segmenter

EXAMPLES = """
  %(prog)s --ros-args -p autostart:=true -r image:=/front/image_raw
  %(prog)s --ros-args --params-file my_car.yaml
  ros2 launch asap_ros segment.launch.py image_topic:=/front/image_raw
      with the packaged parameters and the other topics of that camera
"""


def parser() -> CommandParser:
    """Return the command line, but for what ROS reads of it."""
    return CommandParser('segmenter', __doc__, EXAMPLES)


def spin(arguments: list[str]) -> None:
    """Run the node with ROS arguments until Ctrl-C or shutdown, which is how a node ends."""
    rclpy.init(args=arguments)
    node = None
    try:
        node = Segmenter()
        if node.get_parameter('autostart').value:
            node.start()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def main(argv: list[str] | None = None) -> int:
    """Run the lifecycle node that labels the frames of a camera and finds free space and path."""
    given = sys.argv[1:] if argv is None else argv
    return command.run(
        parser(),
        lambda _: spin([parser().prog, *given]),
        remove_ros_args(given),
        mistyped=(ParameterException,),
    )


if __name__ == '__main__':
    sys.exit(main())
