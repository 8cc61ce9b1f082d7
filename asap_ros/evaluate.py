"""Score a network on recorded drives without ROS: every frame once, as fast as it goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from asap_ros import labels, recorded
from asap_ros.evaluation import frames, report, topics
from asap_ros.evaluation.bags import Bag, BagError
from asap_ros.evaluation.report import FrameCounts, Reference, Source
from asap_ros.evaluation.session import Results, Session
from asap_ros.evaluation.topics import Drive
from asap_ros.image_files import ImageError
from asap_ros.labels import LabelSet
from asap_ros.pipeline import Pipeline
from asap_ros.preprocess import Picture

EXAMPLES = """examples:
  evaluate drives/monday --out out/monday
      one drive with the default network: report.json, overlay video, contact sheet
  evaluate drives/* --out out/all --model models/mine.onnx
      several drives: a folder each below out/all, and out/all/summary.json
  evaluate drives/town --out out/town --reference-topic /labels/mask --reference-labels camvid
      masks of another topic and label set to compare with
"""


@dataclass(frozen=True)
class Network:
    """What is evaluated: its label set, its engine's facts, and a call for one frame.

    ``size`` is the network resolution (height, width); ``run`` takes a picture and returns a
    mask uint8 (h, w) and the stages in ms.
    """

    labels: LabelSet
    facts: dict[str, str]
    size: tuple[int, int]
    run: Callable[[Picture], tuple[np.ndarray, dict[str, float]]]


def reference_of(drive: Drive, label_set: str) -> Reference | None:
    """Return what the drive's masks are compared with, None where it has no references."""
    if not drive.reference:
        return None
    return Reference(drive.reference.name, labels.load(label_set), drive.reference_kind)


def evaluate(bag: Bag, drive: Drive, network: Network, reference: Reference | None,
             folder: Path) -> Results:
    """Run every frame of a drive through the network and write the results to ``folder``.

    A frame that cannot be decoded counts as failed and the next one follows. Ctrl-C ends the
    run early; what there is by then is written, and the report says that it is not complete.
    Raises BagError where not one frame could be read.
    """
    processed = 0
    complete = True
    unreadable: list[str] = []  # frames
    damaged: list[str] = []  # reference masks
    with Session(folder, network.labels, reference, drive.image.count,
                 frames.rate(bag, drive)) as session:
        bar = tqdm(frames.frames(bag, drive, unreadable), bag.name, drive.image.count,
                   unit='frame', dynamic_ncols=True)
        try:
            for frame in bar:
                try:
                    picture = recorded.picture(frame.image, network.size)
                except (BagError, ImageError) as error:
                    unreadable.append(str(error))
                    continue
                truth = recorded.reference(frame, damaged)
                mask, timings = network.run(picture)
                session.add(recorded.rgb(picture), mask, frame.stamp_ns, truth, timings)
                processed += 1
        except KeyboardInterrupt:
            complete = False
        bar.close()
        for sentence in [*unreadable, *damaged, *([bag.damage] if bag.damage else [])]:
            print(f'warning: {sentence}', file=sys.stderr)
        if complete and not processed:
            raise BagError(f'not one frame of {bag.path} could be read')
        sent = processed + len(unreadable)
        counts = FrameCounts(drive.image.count, sent, sent, processed, failed=len(unreadable))
        source = Source(str(bag.path), drive.image.name, 'offline', damage=bag.damage)
        return session.finish(source, counts, network.facts, complete)


def summarise(documents: list[dict]) -> dict:
    """Return the summary of several drives: each one's headline figures and their means.

    Every drive weighs the same in a mean, however long; null where no drive has the figure.
    """
    drives = [{
        'bag': d['source']['bag'],
        'complete': d['complete'],
        'frames': d['frames'],
        'infer_p50_ms': d['latency_ms']['infer']['p50'],
        **{key: d['segmentation'][key] for key in ('drivable_iou', 'miou', 'pixel_accuracy')},
    } for d in documents]
    mean = {}
    for key in ('drivable_iou', 'miou', 'pixel_accuracy', 'infer_p50_ms'):
        known = [drive[key] for drive in drives if drive[key] is not None]
        mean[key] = round(sum(known) / len(known), 6) if known else None
    return {'schema': 'asap_ros/summary', 'version': 1, 'drives': drives, 'mean': mean,
            'engine': documents[0]['engine']}


def folders(bags: list[Path], out: Path) -> list[Path]:
    """Return each bag's result folder: ``out`` for one, folders of their names for several.

    A name that comes twice gets a number.
    """
    if len(bags) == 1:
        return [out]
    taken: list[Path] = []
    for bag in bags:
        name = bag.resolve().stem if bag.is_file() else bag.resolve().name
        candidate, number = out / name, 2
        while candidate in taken:
            candidate, number = out / f'{name}_{number}', number + 1
        taken.append(candidate)
    return taken


def open_network(model: str, engine: str, size: tuple[int, int], threads: int) -> Network:
    """Return the network behind the pipeline that the node uses."""
    pipeline = Pipeline.open(model, engine=engine, size=size, threads=threads)

    def run(picture: Picture) -> tuple[np.ndarray, dict[str, float]]:
        seen = pipeline.run(picture)
        return seen.mask, seen.timings

    return Network(pipeline.labels, pipeline.engine_facts(), size, run)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        'evaluate', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG',
                        help='a rosbag2 folder, or its .mcap or .db3 file')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR',
                        help='where the results go')
    parser.add_argument('--model', default='asap_mobilenet_v2_camvid',
                        help='a shipped model or the path of an ONNX file (%(default)s)')
    parser.add_argument('--engine', default='onnxruntime',
                        help='onnxruntime, tensorrt, or auto (%(default)s)')
    parser.add_argument('--size', nargs=2, type=int, default=(512, 1024), metavar=('H', 'W'),
                        help='network resolution, multiples of 32 (512 1024)')
    parser.add_argument('--threads', type=int, default=0, help='of the engine, 0: its choice')
    parser.add_argument('--image-topic', default='', help='where a bag has several cameras')
    parser.add_argument('--reference-topic', default='', help='the masks to compare with')
    parser.add_argument('--reference-labels', default='cityscapes',
                        help='label set of these masks (%(default)s)')
    return parser.parse_args(argv)


def evaluate_bag(path: Path, folder: Path, network: Network, given: argparse.Namespace) -> dict:
    """Evaluate one drive as the command line asks, print its headline, return its report."""
    with Bag(path) as bag:
        drive = topics.find(bag, given.image_topic, given.reference_topic)
        reference = reference_of(drive, given.reference_labels)
        results = evaluate(bag, drive, network, reference, folder)
    print(f'{bag.name}: {report.headline(results.document)}')
    print(*(f'  {file}' for file in results.files), sep='\n')
    return results.document


def main(argv: list[str] | None = None) -> int:
    """Evaluate the drives named on the command line.

    Returns 0 if every frame was processed, 1 if some were not, 2 if a drive or the network could
    not be read at all.
    """
    given = arguments(argv)
    documents = []
    refused = 0
    try:
        network = open_network(given.model, given.engine, tuple(given.size), given.threads)
        for path, folder in zip(given.bags, folders(given.bags, given.out)):
            try:
                document = evaluate_bag(path, folder, network, given)
            except BagError as error:  # the other drives can still be judged
                print(f'evaluate: {error}', file=sys.stderr)
                refused += 1
                continue
            documents.append(document)
            if not document['complete']:
                print('ended early: the figures are those of the frames until then')
                break
        if len(given.bags) > 1 and documents:
            summary = given.out / 'summary.json'
            report.write(summarise(documents), summary)
            print(f'summary: {summary}')
    except (OSError, ValueError, RuntimeError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 2
    if refused:
        return 2
    whole = all(d['complete'] and not d['frames']['failed'] for d in documents)
    return 0 if whole else 1


if __name__ == '__main__':
    sys.exit(main())
