"""Play a recorded drive to a live segmenter, collect what it makes of it, and report."""

from __future__ import annotations

import signal
import sys

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from asap_ros.bags.reader import BagError
from asap_ros.cli import command
from asap_ros.cli.arguments import OPEN, CommandParser, shown
from asap_ros.cli.command import FAILED, GOOD, INTERRUPTED
from asap_ros.evaluation import acceptance, live_scoring, report
from asap_ros.evaluation.session import SessionResults
from asap_ros.nodes.replay import Replay, ReplayParameterError
from asap_ros.nodes.replay_parameters import PARAMETERS, to_argument
from asap_ros.parameters.definition import ParameterError

EXAMPLES = """
  %(prog)s --ros-args -p bag:=drives/monday
  %(prog)s --ros-args -p bag:=drives/monday -p lockstep:=false -p rate:=0.5
  ros2 launch asap_ros replay.launch.py bag:=drives/monday
      the segmenter with it
"""


def parser() -> CommandParser:
    """Return the command line, but for what ROS reads of it."""
    described = (
        f'  {name:16} {said if OPEN in said else f"{said} {shown(to_argument(default))}"}'.rstrip()
        for name, default, said in PARAMETERS
    )
    return CommandParser('replay', __doc__, '\n'.join([EXAMPLES, 'parameters:', *described]))


def play(arguments: list[str]) -> int:
    """Run the node with ROS arguments and return the exit status.

    FAILED where the drive was not worked off, INTERRUPTED after Ctrl-C or SIGTERM.
    """
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    replay = None
    try:
        replay = Replay()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, replay.stop)
        results = replay.run()
    finally:
        if replay:
            replay.destroy_node()
        rclpy.shutdown()
    for sentence in replay.warnings:
        print(f'warning: {sentence}', file=sys.stderr)
    if not results:
        print('replay: stopped before the first frame', flush=True)
        return INTERRUPTED
    _tell(results)
    if replay.interrupted:
        return INTERRUPTED
    return FAILED if live_scoring.exit_code(results.document) else GOOD


def _tell(results: SessionResults) -> None:
    """Print what was written and what it comes to."""
    if results.document['source']['damage']:
        print(f'warning: {results.document["source"]["damage"]}', file=sys.stderr)
    print(*results.files, sep='\n')
    print(report.headline(results.document))
    print(acceptance.sentence(results.document['verdict']), flush=True)


def main(argv: list[str] | None = None) -> int:
    """Play a recorded drive to a live segmenter, collect what it makes of it, and report."""
    given = sys.argv[1:] if argv is None else argv
    return command.run(
        parser(),
        lambda _: play([parser().prog, *given]),
        remove_ros_args(given),
        mistyped=(BagError, ReplayParameterError, ParameterError),
        failed=(RuntimeError,),  # of waiting in vain, and of ROS
    )


if __name__ == '__main__':
    sys.exit(main())
