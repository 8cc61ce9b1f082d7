"""The child of build_process.py: builds one engine and reports into a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import ModelError
from asap_ros.segmentation.tensorrt import find_or_build, runtimes, target
from asap_ros.segmentation.tensorrt.build_process import parse_request
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache

RATE = 5.0
"""Reports a second at most."""
LOWER_PRIORITY = 10
"""Niceness of the child: the node that serves frames comes first."""


def main(arguments: list[str]) -> int:
    """Build what a Request asks for; ``arguments``: number of the pipe, the request."""
    os.nice(LOWER_PRIORITY)
    with os.fdopen(int(arguments[0]), 'w', buffering=1) as pipe:
        latest = ['', 0.0]

        def tell(**document) -> None:
            pipe.write(json.dumps(document) + '\n')

        def report(phase: str, share: float) -> None:
            now = time.monotonic()
            if now - latest[1] > 1.0 / RATE:
                latest[:] = phase, now
                tell(phase=phase, share=round(share, 3))

        try:
            request = parse_request(arguments[1])
            runtime = runtimes.load(request.runtime)
            model = model_file.read(Path(request.model))
            gpu = target.gpu_for(runtime, request.recipe.archs)
            find_or_build.prepare(
                runtime, model, request.recipe, PlanCache(Path(request.cache)), gpu, report=report
            )
        except (EngineError, ModelError) as error:
            tell(fault=str(error))
            return 1
        except BrokenPipeError:  # whoever asked is gone
            return 1
        with contextlib.suppress(BrokenPipeError):
            tell(done=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
