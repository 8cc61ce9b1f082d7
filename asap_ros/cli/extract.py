"""Take frames and reference masks out of recorded drives, as labelled pictures to train on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from asap_ros import labels
from asap_ros.bags import frames, images, topics
from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.topic_names import (
    IMAGE,
    REFERENCE,
    REFERENCE_LABELS,
    TopicNames,
    topic_names,
)
from asap_ros.bags.warnings import Warnings
from asap_ros.cli import command
from asap_ros.cli.arguments import (
    CommandParser,
    add_drive_options,
    add_out,
    add_size,
    at_least_one,
)
from asap_ros.cli.command import UsageError
from asap_ros.imaging import files
from asap_ros.imaging.files import ImageError
from asap_ros.imaging.overlay import resize_mask
from asap_ros.imaging.pixel_formats import resize
from asap_ros.labels import LabelError, LabelSet

EXAMPLES = """
  %(prog)s drives/monday --out data/drives
      frames with a reference mask: images/, labels/, labels.yaml, for asap_training
  %(prog)s drives/aachen_[123] --out data/drives --size 512x1024
      several drives into one folder, resized; file names begin with the drive's
  %(prog)s drives/long --out data/drives --every 10 --reference-topic /labels/mask \\
          --reference-labels camvid
"""


def extract(
    bag: Bag,
    labels_of: LabelSet,
    out: Path,
    size: tuple[int, int] | None,
    every: int,
    wanted: TopicNames,
) -> tuple[int, Warnings]:
    """Write every ``every``-th frame that has a mask below ``out``; files there already stay.

    Returns how many pairs of the bag there are now, and sentences about what was left out.
    BagError where the bag has no camera or no reference masks, OSError where nothing can be
    written, UsageError where a mask holds ids that are not of the label set.
    """
    drive = topics.find(bag, wanted)
    if not drive.reference:
        raise BagError(
            f'bag {bag.path} has no reference masks ({topics.EXACT} or '
            f'{topics.PREDICTED}); name their topic with --reference-topic'
        )
    left_out = Warnings()
    count = 0
    bar = tqdm(
        frames.camera_frames(bag, drive, left_out), bag.name, drive.image.count, unit='frame'
    )
    for number, frame in enumerate(bar):
        if number % every:
            continue
        try:
            mask = images.reference(frame, left_out)
            if mask is None:
                left_out.add(f'{bag.name}: frame {frame.stamp_ns} has no reference mask')
                continue
            rgb = images.rgb(images.picture(frame.image))
        except (BagError, ImageError) as error:
            left_out.add(str(error))
            continue
        foreign = set(np.unique(mask)) - {*range(len(labels_of)), labels.IGNORED}
        if foreign:
            raise UsageError(
                f'{bag.name}: a mask holds id {min(foreign)}, which is none of '
                f'{labels_of.name}; name their label set with --reference-labels'
            )
        target = size or rgb.shape[:2]
        stem = f'{bag.name}_{frame.stamp_ns}'
        add(
            out / 'images' / f'{stem}.png',
            cv2.cvtColor(resize(rgb, target) if size else rgb, cv2.COLOR_RGB2BGR),
        )
        add(out / 'labels' / f'{stem}.png', resize_mask(mask, target))
        count += 1
    if bag.damage:
        left_out.add(bag.damage)
    return count, left_out


def add(path: Path, pixels: np.ndarray) -> None:
    """Write a picture unless it is there; OSError where it cannot be written."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, pixels)


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('extract', __doc__, EXAMPLES)
    made.add_argument(
        'bags',
        nargs='+',
        type=Path,
        metavar='BAG',
        help='a rosbag2 folder, or its .mcap or .db3 file',
    )
    add_out(made, 'folder of the pictures; what is there already stays')
    add_size(made, "of the pictures (default the camera's)", None)
    made.add_argument(
        '--every', type=at_least_one, default=1, metavar='N', help='take one frame of so many'
    )
    add_drive_options(made, (IMAGE, REFERENCE, REFERENCE_LABELS))
    return made


def work(given: argparse.Namespace) -> None:
    """Take the frames out of every drive of a command line."""
    label_set = labels.load(given.reference_labels)
    given.out.mkdir(parents=True, exist_ok=True)
    stated = given.out / 'labels.yaml'
    statement = f'label_set: {given.reference_labels}\nvalues: ids\n'
    if stated.is_file() and stated.read_text() != statement:
        raise UsageError(f'{stated} says otherwise: take another folder for these masks')
    stated.write_text(statement)
    wanted = topic_names(vars(given))
    for path in given.bags:
        with Bag(path) as bag:
            pairs, left_out = extract(bag, label_set, given.out, given.size, given.every, wanted)
        for sentence in left_out:
            print(f'warning: {sentence}', file=sys.stderr)
        print(f'{bag.name}: {pairs} pairs in {given.out}')


def main(argv: list[str] | None = None) -> int:
    """Take frames and reference masks out of recorded drives, as labelled pictures to train on."""
    return command.run(
        parser(),
        work,
        argv,
        mistyped=(BagError, LabelError),
        stopped='stopped; call again to go on',
    )


if __name__ == '__main__':
    sys.exit(main())
