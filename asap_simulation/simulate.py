"""Render a drive with exact ground truth into a ROS 2 bag, or frames for training."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.rosbag2 import WriterError
from tqdm import tqdm

from asap_ros.cli.arguments import resolution
from asap_simulation import picture_folder
from asap_simulation import world as worlds
from asap_simulation.bag_writer import BagRecording, RecordingError
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera, Simulation

EXAMPLES = """examples:
  simulate --out drives/town --scenario urban
      ten seconds through a street, as an MCAP bag with all that is true of it
  simulate --out drives/night --scenario night --seconds 30 --seed 7 --size 1024x2048 --raw
      another street, longer, at another size, images not compressed
  simulate --frames data/rendered --count 600 --size 384x512
      frames of random roads, cameras and lights with their labels, for training

scenarios:
""" + '\n'.join(f'  {s.name:10} {s.summary}' for s in SCENARIOS.values())

SIZES = (64, 4096)
"""Pixels that a side of the picture may have."""


class Stop:
    """Whether Ctrl-C was pressed; pressed twice it ends the program at once."""

    asked = False

    def __call__(self, number, frame) -> None:
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


def size(text: str) -> tuple[int, int]:
    """Parse a resolution whose pictures can be rendered."""
    sides = resolution(text)
    if min(sides) < SIZES[0] or max(sides) > SIZES[1]:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not HEIGHTxWIDTH with sides of {SIZES[0]} to {SIZES[1]} pixels, '
            'such as 512x1024'
        )
    return sides


def number(least: float, most: float, kind: type = float):
    """Return the parser of a number within limits."""

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number from {least} to {most}')
        return value

    return parse


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        'simulate',
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result = parser.add_mutually_exclusive_group(required=True)
    result.add_argument('--out', type=Path, metavar='BAG', help='the folder of the bag to make')
    result.add_argument(
        '--frames',
        type=Path,
        metavar='DIR',
        help='make images/, labels/ and labels.yaml for training instead',
    )
    parser.add_argument(
        '--scenario',
        choices=sorted(SCENARIOS),
        metavar='NAME',
        help='see below (urban); of --frames: only that one (all by turns)',
    )
    parser.add_argument(
        '--seconds',
        type=number(0.05, 3600.0),
        default=10.0,
        help='length of the drive (%(default)s)',
    )
    parser.add_argument(
        '--rate', type=number(1.0, 100.0), default=20.0, help='frames a second (%(default)s)'
    )
    parser.add_argument(
        '--count',
        type=number(1, 100000, int),
        default=600,
        help='of --frames: how many (%(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=number(0, 2**31 - 1, int),
        default=1,
        help='what is drawn by chance; one seed is always one drive (%(default)s)',
    )
    parser.add_argument(
        '--size',
        type=size,
        default=(512, 1024),
        metavar='HEIGHTxWIDTH',
        help='of the pictures (512x1024)',
    )
    parser.add_argument('--raw', action='store_true', help='store images as they are, not as JPEG')
    return parser.parse_args(argv)


def drive(given: argparse.Namespace) -> int:
    """Render the drive that the command line asks for; return the exit status."""
    scenario = SCENARIOS[given.scenario or 'urban']
    lens = SimulatedCamera.of_size(*given.size)
    count = max(1, round(given.seconds * given.rate))
    with BagRecording(given.out, lens, given.raw) as bag, interruptible() as stop:
        simulation = Simulation(
            worlds.build(scenario, given.seed, given.seconds), lens, given.seed
        )
        for index in tqdm(range(count), scenario.name, unit='frame', dynamic_ncols=True):
            if stop.asked:
                break
            bag.add(simulation.frame(index, given.rate))
    if not bag.frames:
        print('simulate: ended before the first frame: there is no bag', file=sys.stderr)
        return 130
    print(
        f'{given.out}: {bag.frames} frames, {bag.frames / given.rate:.1f} s of {scenario.name}, '
        f'seed {given.seed}' + (' (ended early)' if bag.frames < count else '')
    )
    return 0 if bag.frames == count else 130


def frames(given: argparse.Namespace) -> int:
    """Render the frames for training that the command line asks for; return the exit status."""
    picture_folder.start(given.frames)
    names = (given.scenario,) if given.scenario else tuple(SCENARIOS)
    samples = picture_folder.samples(given.count, given.seed, *given.size, names)
    written = 0
    with interruptible() as stop:
        for sample in tqdm(samples, 'frames', given.count, unit='frame', dynamic_ncols=True):
            picture_folder.write(given.frames, sample)
            written += 1
            if stop.asked:
                break
    print(
        f'{given.frames}: {written} frames with labels'
        + (' (ended early)' if written < given.count else '')
    )
    return 0 if written == given.count else 130


def main(argv: list[str] | None = None) -> int:
    """Render what the command line asks for.

    Returns 0 when all of it was made, 130 after Ctrl-C, 2 where it could not be made.
    """
    given = arguments(argv)
    try:
        return frames(given) if given.frames else drive(given)
    except KeyboardInterrupt:
        return 130
    except (OSError, RecordingError, WriterError) as error:
        print(f'simulate: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
