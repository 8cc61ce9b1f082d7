"""Render a drive with exact ground truth into a ROS 2 bag, or frames for training."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rosbags.rosbag2 import WriterError
from tqdm import tqdm

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser, add_out, add_size, number
from asap_ros.cli.command import GOOD, INTERRUPTED, UsageError
from asap_simulation import picture_folder
from asap_simulation import world as worlds
from asap_simulation.bag_writer import BagRecording, RecordingError
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera, Simulation

EXAMPLES = """
  %(prog)s --out drives/town --scenario urban
      ten seconds through a street, as an MCAP bag with all that is true of it
  %(prog)s --out drives/night --scenario night --seconds 30 --seed 7 --size 1024x2048 \\
          --uncompressed
      another street, longer, at another size, images not compressed
  %(prog)s --dataset --out data/rendered --frames 600 --size 384x512
      frames of random roads, cameras and lights with their labels, for training

scenarios:
""" + '\n'.join(f'  {s.name:10} {s.summary}' for s in SCENARIOS.values())

SIZES = (64, 4096)
"""Pixels that a side of the picture may have."""

FRAMES = 600
"""Frames of a data set unless another number is asked for."""


class Stop:
    """Whether Ctrl-C was pressed; pressed twice it ends the program at once."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take note of the signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Let Ctrl-C end the block's work between two frames instead of within one."""
    stop = Stop()
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('simulate', __doc__, EXAMPLES)
    add_out(made, 'folder to make: the bag, or the data set')
    made.add_argument(
        '--dataset',
        action='store_true',
        help='make images/, labels/ and labels.yaml for training in place of a bag',
    )
    made.add_argument(
        '--scenario',
        choices=sorted(SCENARIOS),
        metavar='NAME',
        help='see below (default urban; of a data set all by turns)',
    )
    made.add_argument(
        '--seconds',
        type=number(0.05, 3600.0),
        default=10.0,
        metavar='S',
        help='length of the drive',
    )
    made.add_argument(
        '--fps', type=number(1.0, 100.0), default=20.0, metavar='F', help='frames a second'
    )
    made.add_argument(
        '--frames',
        type=number(1, 100000, int),
        metavar='N',
        help=f'of a data set (default {FRAMES})',
    )
    made.add_argument(
        '--seed',
        type=number(0, 2**31 - 1, int),
        default=1,
        metavar='N',
        help='what is drawn by chance; one seed is always one drive',
    )
    add_size(made, f'of the pictures, sides of {SIZES[0]} to {SIZES[1]}')
    made.add_argument(
        '--uncompressed', action='store_true', help='store images as they are, not as JPEG'
    )
    return made


def check(given: argparse.Namespace) -> None:
    """Raise UsageError for a command line that makes no sense as a whole."""
    if min(given.size) < SIZES[0] or max(given.size) > SIZES[1]:
        raise UsageError(f'--size must have sides of {SIZES[0]} to {SIZES[1]} pixels')
    if given.frames and not given.dataset:
        raise UsageError('--frames is of --dataset; a drive is --seconds long')
    if given.uncompressed and given.dataset:
        raise UsageError('--uncompressed is of a bag; the pictures of --dataset are PNG')


def drive(given: argparse.Namespace) -> int:
    """Render the drive that the command line asks for; return the exit status."""
    scenario = SCENARIOS[given.scenario or 'urban']
    lens = SimulatedCamera.of_size(*given.size)
    count = max(1, round(given.seconds * given.fps))
    with BagRecording(given.out, lens, given.uncompressed) as bag, interruptible() as stop:
        simulation = Simulation(
            worlds.build(scenario, given.seed, given.seconds), lens, given.seed
        )
        for index in tqdm(range(count), scenario.name, unit='frame', dynamic_ncols=True):
            if stop.asked:
                break
            bag.add(simulation.frame(index, given.fps))
    if not bag.frames:
        print('simulate: ended before the first frame: there is no bag', file=sys.stderr)
        return INTERRUPTED
    print(
        f'{given.out}: {bag.frames} frames, {bag.frames / given.fps:.1f} s of {scenario.name}, '
        f'seed {given.seed}' + (' (ended early)' if bag.frames < count else '')
    )
    return GOOD if bag.frames == count else INTERRUPTED


def dataset(given: argparse.Namespace) -> int:
    """Render the frames for training that the command line asks for; return the exit status."""
    picture_folder.start(given.out)
    total = given.frames or FRAMES
    names = (given.scenario,) if given.scenario else tuple(SCENARIOS)
    height, width = given.size
    samples = picture_folder.samples(total, given.seed, height, width, names)
    written = 0
    with interruptible() as stop:
        for sample in tqdm(samples, 'frames', total, unit='frame', dynamic_ncols=True):
            picture_folder.write(given.out, sample)
            written += 1
            if stop.asked:
                break
    print(
        f'{given.out}: {written} frames with labels'
        + (' (ended early)' if written < total else '')
    )
    return GOOD if written == total else INTERRUPTED


def work(given: argparse.Namespace) -> int:
    """Render what a command line asks for and return the exit status."""
    check(given)
    return dataset(given) if given.dataset else drive(given)


def main(argv: list[str] | None = None) -> int:
    """Render a drive with exact ground truth into a ROS 2 bag, or frames for training."""
    return command.run(parser(), work, argv, mistyped=(RecordingError,), failed=(WriterError,))


if __name__ == '__main__':
    sys.exit(main())
