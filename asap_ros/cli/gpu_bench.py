"""Measure TensorRT engines on the GPU in this machine, and compare their masks on real pictures.

Needs no ROS, so that it runs wherever there is a GPU: ``python -m asap_ros.cli.gpu_bench``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser, add_cache, add_model, add_size, at_least_one
from asap_ros.imaging.files import SUFFIXES
from asap_ros.imaging.pixel_formats import PixelFormat, to_rgb_at
from asap_ros.segmentation import engine_selection, model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.engine_selection import TENSORRT, EngineOptions
from asap_ros.segmentation.frame_statistics import percentiles
from asap_ros.segmentation.mask_agreement import compare
from asap_ros.segmentation.model_file import ModelError, ModelFile
from asap_ros.segmentation.tensorrt import cuda, roofline
from asap_ros.segmentation.tensorrt.engine import TensorRtEngine
from asap_ros.segmentation.tensorrt.find_or_build import find_or_build
from asap_ros.segmentation.tensorrt.mixed_precision import make_typed_network
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanOptions
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache
from asap_ros.segmentation.tensorrt.target import Target

DESCRIPTION = "Measure TensorRT engines on this machine's GPU and print JSON."
EXAMPLES = """
  %(prog)s --pictures drive/ > gpu.json
  %(prog)s --model models/mine.onnx --precision fp16 --batch 1 --frames 1000 > mine.json
"""
STOPPED = 'stopped, nothing was measured to the end'
"""What Ctrl-C leaves of a measurement."""

CAMERA = (1024, 2048)
"""Height and width of the frames that are resized, as in the paper."""
BATCHES = (1, 4, 8)
PRECISIONS = ('fp16', 'fp32')
WARM_UP = 20
PICTURES = 200
"""Real pictures at most that masks are compared on."""


def time_calls(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds of a call, after a warm-up."""
    times = []
    for number in range(WARM_UP + repeats):
        begin = time.perf_counter()
        call()
        if number >= WARM_UP:
            times.append((time.perf_counter() - begin) * 1e3)
    return percentiles(times)


def measure(engine: TensorRtEngine, batch: int, pictures: np.ndarray, repeats: int) -> dict:
    """Return the times of a batch: with resizing, host to host, and on the device alone.

    ``pictures``: uint8 RGB (batch, *CAMERA, 3).
    """
    frames = np.empty((batch, *engine.key.size, 3), np.uint8)

    def resize_and_infer() -> None:
        for picture, frame in zip(pictures, frames):
            to_rgb_at(picture, PixelFormat.RGB, engine.key.size, out=frame)
        engine.infer(frames)

    with_resize = time_calls(resize_and_infer, repeats)
    engine.time_on_device(batch, WARM_UP)
    return {
        'resize_and_host_to_host': with_resize,
        'host_to_host': time_calls(lambda: engine.infer(frames), repeats),
        'device': percentiles(engine.time_on_device(batch, repeats)),
        'frames_per_second': 1e3 * batch / with_resize['p50'],
    }


def measure_batch(
    target: Target, entry: CachedPlan, model: ModelFile, batch: int, repeats: int, golden: dict
) -> dict:
    """Return all that is measured of one engine at its full batch."""
    pictures = np.repeat(cv2.resize(model.golden.frame, CAMERA[::-1])[np.newaxis], batch, axis=0)
    key = entry.manifest.key
    free = cuda.gpu().free
    found: dict[str, Any] = {
        'model': entry.manifest.model,
        'precision': key.precision,
        'batch': batch,
        'size': list(key.size),
        'layers': entry.manifest.layers,
        'float32_checked': entry.manifest.float32,
        'golden': golden,
        'ms': {},
    }
    for name, use_graph in (('graph', True), ('no_graph', False)):
        engine = TensorRtEngine(target.runtime, entry, target.gpu.name, use_graph)
        try:
            found['ms'][name] = measure(engine, batch, pictures, repeats)
            found.setdefault('gpu_memory_mb', (free - cuda.gpu().free) / 1e6)
            found['ms'][name]['captured'] = engine.details()['cuda_graph'] == 'yes'
        finally:
            engine.close()
    works = roofline.count_work(
        make_typed_network(model, key.precision, key.size, 1).content, batch
    )
    peak = roofline.gpu_peak(target.gpu, key.precision)
    found['roofline'] = {
        'operations': sum(work.operations for work in works),
        'bytes': sum(work.bytes for work in works),
        'peak': None if peak is None else asdict(peak),
        'ms': None,
        'share': None,
    }
    if peak is not None:
        least = roofline.roofline_ms(works, peak)
        found['roofline'] |= {'ms': least, 'share': least / found['ms']['graph']['device']['p50']}
    return found


def read_pictures(folder: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """Return up to PICTURES pictures of a folder, RGB at (height, width), spread over it."""
    paths = sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES)
    chosen = paths[:: max(1, len(paths) // PICTURES)][:PICTURES]
    if not chosen:
        raise EngineError(f'{folder} holds no pictures ({", ".join(SUFFIXES)})')
    pictures = []
    for path in chosen:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise EngineError(f'{path} is damaged or no picture')
        pictures.append(cv2.resize(picture, size[::-1])[..., ::-1])
    return pictures


def run(options: argparse.Namespace) -> dict:
    """Build, verify, compare and measure what was asked for."""
    target = engine_selection.find_target(options.runtime or 'auto')
    cache = PlanCache(options.cache)
    results, agreements = [], []
    for name in options.model or model_file.shipped():
        model = model_file.read(model_file.locate(name))
        reference = engine_selection.open_onnxruntime(model, 'cpu').engine
        for precision in options.precision or PRECISIONS:
            for batch in options.batch or BATCHES:
                plan_options = PlanOptions(precision, options.size, batch)
                with tqdm(
                    total=1.0,
                    desc=f'building {name} {precision} x{batch}',
                    leave=False,
                    bar_format='{desc} {percentage:3.0f} % {elapsed}',
                ) as bar:

                    def report(phase: str, share: float, bar: tqdm = bar) -> None:
                        bar.update(max(0.0, share - bar.n))

                    entry = find_or_build(
                        target.runtime,
                        model,
                        plan_options,
                        cache,
                        target.gpu,
                        report=report,
                    )
                verified = engine_selection.open_plan(model, target, entry, EngineOptions())
                golden = {
                    'agreement': verified.facts.golden_agreement,
                    'deviation_pixels': verified.facts.golden_deviation,
                }
                if options.pictures is not None and batch == (options.batch or BATCHES)[0]:
                    agreements.append(
                        {'model': name, 'precision': precision}
                        | compare(
                            verified.engine,
                            reference,
                            read_pictures(options.pictures, options.size),
                        )
                    )
                verified.engine.close()
                results.append(measure_batch(target, entry, model, batch, options.frames, golden))
    return {
        'gpu': asdict(target.gpu),
        'runtime': target.runtime.name,
        'version': target.runtime.version,
        'results': results,
        'agreements': agreements,
    }


def parser(mode: str = '') -> CommandParser:
    """Return the command line; ``mode`` are the words that led from another one to this."""
    made = CommandParser('bench', DESCRIPTION, EXAMPLES, mode)
    add_model(made, None, ', may be given again (default every shipped one)', action='append')
    add_size(made, 'network resolution')
    made.add_argument(
        '--frames', type=at_least_one, default=300, metavar='N', help='measured calls'
    )
    made.add_argument(
        '--runtime', choices=TENSORRT, help='of TensorRT (default the first that works)'
    )
    made.add_argument(
        '--precision',
        action='append',
        choices=PRECISIONS,
        help='may be given again (default both)',
    )
    made.add_argument(
        '--batch',
        action='append',
        type=at_least_one,
        metavar='N',
        help=f'frames in one call, may be given again (default {" and ".join(map(str, BATCHES))})',
    )
    made.add_argument(
        '--pictures',
        type=Path,
        metavar='FOLDER',
        help=f'compare masks with ONNX Runtime on up to {PICTURES} real ones',
    )
    add_cache(made)
    return made


def main(argv: list[str] | None = None, mode: str = '') -> int:
    """Measure TensorRT engines on this machine's GPU and print JSON."""
    return command.run(
        parser(mode),
        lambda given: print(json.dumps(run(given), indent=2)),
        argv,
        mistyped=(ModelError,),
        failed=(EngineError,),
        stopped=STOPPED,
    )


if __name__ == '__main__':
    sys.exit(main())
