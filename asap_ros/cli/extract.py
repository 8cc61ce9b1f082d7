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
from asap_ros.bags.topics import TopicNames
from asap_ros.bags.warnings import Warnings
from asap_ros.cli.arguments import resolution
from asap_ros.imaging import files
from asap_ros.imaging.files import ImageError
from asap_ros.imaging.overlay import resize_mask
from asap_ros.imaging.pixel_formats import resize
from asap_ros.labels import LabelSet

EXAMPLES = """examples:
  extract drives/monday --out data/drives
      frames with a reference mask: images/, labels/, labels.yaml, for asap_training
  extract drives/aachen_[123] --out data/drives --size 512x1024
      several drives into one folder, resized; file names begin with the drive's
  extract drives/long --out data/drives --every 10 --reference-topic /labels/mask \\
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
    written, ValueError where a mask holds ids that are not of the label set.
    """
    drive = topics.find(bag, wanted)
    if not drive.reference:
        raise BagError(
            f'bag {bag.path} has no reference masks ({topics.EXACT} or '
            f'{topics.PREDICTED}); name their topic with --reference-topic'
        )
    left_out = Warnings()
    count = 0
    bar = tqdm(frames.frames(bag, drive, left_out), bag.name, drive.image.count, unit='frame')
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
            raise ValueError(
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


def main(arguments: list[str] | None = None) -> None:
    """Take the frames that have a reference mask out of drives, as a folder to train on."""
    parser = argparse.ArgumentParser(
        prog='extract',
        description=main.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--size', type=resolution, metavar='HEIGHTxWIDTH', help="default: the camera's"
    )
    parser.add_argument('--every', type=int, default=1, help='take one frame of so many')
    parser.add_argument('--image-topic', default='', help='default: the only camera')
    parser.add_argument('--reference-topic', default='', help='default: the one by custom')
    parser.add_argument(
        '--reference-labels',
        default='cityscapes',
        help='label set whose ids the masks hold; default: %(default)s',
    )
    options = parser.parse_args(arguments)
    if options.every < 1:
        parser.error('--every must be at least 1')
    wanted = TopicNames(image=options.image_topic, reference=options.reference_topic)
    try:
        label_set = labels.load(options.reference_labels)
        options.out.mkdir(parents=True, exist_ok=True)
        stated = options.out / 'labels.yaml'
        statement = f'label_set: {options.reference_labels}\nvalues: ids\n'
        if stated.is_file() and stated.read_text() != statement:
            raise ValueError(f'{stated} says otherwise: take another folder for these masks')
        stated.write_text(statement)
        for path in options.bags:
            with Bag(path) as bag:
                count, left_out = extract(
                    bag, label_set, options.out, options.size, options.every, wanted
                )
            for sentence in left_out:
                print(f'warning: {sentence}', file=sys.stderr)
            print(f'{bag.name}: {count} pairs in {options.out}')
    except (BagError, OSError, ValueError) as error:
        parser.exit(1, f'extract: {error}\n')
    except KeyboardInterrupt:
        parser.exit(130, 'extract: stopped; call again to go on\n')


if __name__ == '__main__':
    main()
