"""Build a network's TensorRT engine ahead of its use, for this machine's GPU or another's."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from asap_ros.cli import command
from asap_ros.cli.arguments import CommandParser, add_cache, add_out, add_size, at_least_one
from asap_ros.cli.command import UsageError
from asap_ros.segmentation import engine_selection, model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.engine_selection import TENSORRT, EngineOptions
from asap_ros.segmentation.model_file import ModelError, ModelFile
from asap_ros.segmentation.tensorrt import runtimes
from asap_ros.segmentation.tensorrt.find_or_build import find_or_build
from asap_ros.segmentation.tensorrt.plan import (
    PRECISIONS,
    CachedPlan,
    PlanManifest,
    PlanOptions,
    describe_layers,
)
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache, export, install
from asap_ros.segmentation.tensorrt.target import Target, find_gpu

EXAMPLES = """
  %(prog)s asap_resnet18_camvid
      for the GPU in this machine, fp16, 512x1024: what the node takes by default
  %(prog)s asap_resnet18_camvid --runtime tensorrt_rtx \\
          --arch sm86,sm89 --out resnet18.plan
      on a machine without a GPU
  %(prog)s --install resnet18.plan
      then, with both files copied over, on the vehicle
"""
Made = TypeVar('Made')

STOP_TIMEOUT = 10.0
"""Seconds that TensorRT may take to end a build after Ctrl-C."""


def parser() -> CommandParser:
    """Return the command line."""
    made = CommandParser('build_engine', __doc__, EXAMPLES)
    made.add_argument(
        'model',
        nargs='?',
        metavar='MODEL',
        help='a shipped model by name, or an ONNX file',
    )
    made.add_argument(
        '--runtime',
        choices=TENSORRT,
        help='of TensorRT (default the first that is installed, tensorrt before tensorrt_rtx)',
    )
    made.add_argument(
        '--precision', choices=PRECISIONS, default='fp16', help='of the engine: %(choices)s'
    )
    add_size(made, 'the one resolution of the engine')
    made.add_argument(
        '--batch', type=at_least_one, default=1, metavar='N', help='frames in one call, 1 to N'
    )
    made.add_argument(
        '--arch',
        type=lambda text: tuple(text.lower().split(',')),
        default=(),
        metavar='SM,SM',
        help='GPUs to build for, such as sm86,sm89; tensorrt_rtx '
        'alone (default the one in this machine)',
    )
    made.add_argument(
        '--timing-cache',
        type=Path,
        metavar='FILE',
        help='measured kernels, read and written: makes the next build shorter',
    )
    add_out(made, 'file to write the engine to too, its manifest beside it as PATH.json', False)
    add_cache(made)
    other = made.add_mutually_exclusive_group()
    other.add_argument(
        '--install',
        type=Path,
        metavar='FILE',
        help='take an engine that --out wrote into the cache',
    )
    other.add_argument('--list', action='store_true', help='say what the cache holds')
    other.add_argument('--clear', action='store_true', help='remove all engines')
    return made


def build(options: argparse.Namespace, cache: PlanCache) -> None:
    """Build what was asked for, unless the cache has it, and print what it is."""
    wanted = (options.runtime,) if options.runtime else TENSORRT
    runtime = runtimes.first_that_works(wanted, runtimes.load)
    model = model_file.read(model_file.locate(options.model))
    plan_options = PlanOptions(options.precision, options.size, options.batch, options.arch)
    gpu = find_gpu(runtime, plan_options.archs)
    bar = tqdm(
        total=100,
        leave=False,
        bar_format='{desc:40.40} {percentage:3.0f} % |{bar}| {elapsed}, {remaining} left',
    )
    began = time.time()

    def report(phase: str, share: float) -> None:
        bar.n = max(bar.n, 100.0 * share)
        bar.set_description_str(phase)

    with bar:
        entry = interruptible(
            lambda stopped: find_or_build(
                runtime, model, plan_options, cache, gpu, options.timing_cache, report, stopped
            )
        )
    for fault in cache.faults:
        print(f'build_engine: {fault}', file=sys.stderr)
    print(
        summary(entry.manifest),
        f'in the cache: {cache.folder / entry.manifest.key.digest}.plan'
        + (', built before' if entry.manifest.built < began else ''),
        sep='\n',
    )
    if options.out is not None:
        export(entry, options.out)
        print(f'written: {options.out} and {options.out}.json')
    if gpu is not None and gpu.arch in entry.manifest.key.archs:
        verify_on_gpu(model, Target(runtime, gpu), entry)
    else:
        print('golden frame: not run, that takes the GPU; the node runs it when it configures')


def verify_on_gpu(model: ModelFile, target: Target, entry: CachedPlan) -> None:
    """Run the golden frame and print how it went. Raises EngineError where it went wrong."""
    verified = engine_selection.open_plan(model, target, entry, EngineOptions())
    verified.engine.close()
    print(
        f'golden frame: {verified.facts.golden_deviation} pixels differ, '
        f'{verified.facts.golden_agreement:.2%} agree'
    )


def interruptible(work: Callable[[Callable[[], bool]], Made]) -> Made:
    """Return ``work(stopped)``, run so that Ctrl-C ends it: TensorRT itself does not listen."""
    stop = threading.Event()
    outcome: list[Made | Exception] = []

    def run() -> None:
        try:
            outcome.append(work(stop.is_set))
        except Exception as error:  # raised again in the main thread
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except KeyboardInterrupt:
        stop.set()
        print('\nbuild_engine: stopping', file=sys.stderr)
        thread.join(STOP_TIMEOUT)
        if thread.is_alive():  # in a phase that asks nobody; nothing is half written
            os._exit(command.INTERRUPTED)
        raise
    (made,) = outcome
    if isinstance(made, Exception):
        raise made
    return made


def summary(manifest: PlanManifest) -> str:
    """Return what an engine is, in three lines."""
    key = manifest.key
    return (
        f'{manifest.model}: {key.precision}, {key.size[0]}x{key.size[1]}, batch '
        f'{"1" if key.batch == 1 else f"1 to {key.batch}"}, {key.runtime} {key.version} for '
        f'{", ".join(key.archs)}{f" ({key.gpu})" if key.gpu else ""}\n'
        f'  layers: {describe_layers(manifest.layers)}; {manifest.float32} of norms and '
        'statistics, checked to be fp32\n'
        f'  {manifest.plan_bytes / 1e6:.1f} MB, built in {manifest.seconds:.1f} s'
    )


def work(given: argparse.Namespace) -> None:
    """Build, install, list or clear engines."""
    if not (given.model or given.list or given.clear or given.install):
        raise UsageError(
            f'which model? One of {", ".join(model_file.shipped())}, or an .onnx file'
        )
    cache = PlanCache(given.cache)
    if given.clear:
        print(f'{cache.clear() / 1e6:.1f} MB removed from {cache.folder}')
    elif given.list:
        for manifest in cache.manifests():
            print(summary(manifest), f'  {manifest.key.digest}.plan', sep='\n')
        print(
            f'{cache.size() / 1e6:.1f} MB in {cache.folder}, at most '
            f'{cache.limit / 1e6:.0f} MB are kept'
        )
    elif given.install:
        if not given.install.is_file():
            raise UsageError(f'there is no engine {given.install}')
        print(summary(install(cache, given.install)))
    else:
        build(given, cache)


def main(argv: list[str] | None = None) -> int:
    """Build a network's TensorRT engine ahead of its use, or install, list or clear engines."""
    return command.run(
        parser(),
        work,
        argv,
        mistyped=(ModelError,),
        failed=(EngineError,),
        stopped='stopped, the cache is as it was',
    )


if __name__ == '__main__':
    sys.exit(main())
