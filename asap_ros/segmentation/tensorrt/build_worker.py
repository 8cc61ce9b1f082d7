"""The child of build_process.py: builds one engine and reports into a pipe."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from asap_ros.segmentation import model_file
from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import ModelError
from asap_ros.segmentation.tensorrt import runtimes, target
from asap_ros.segmentation.tensorrt.build_process import parse_request
from asap_ros.segmentation.tensorrt.find_or_build import find_or_build
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache

MAX_REPORT_RATE = 5.0
"""Reports a second at most."""
LOWER_PRIORITY = 10
"""Niceness of the child: the node that serves frames comes first."""


def main(arguments: list[str]) -> int:
    """Build what a BuildRequest asks for; ``arguments``: number of the pipe, the request."""
    os.nice(LOWER_PRIORITY)
    with os.fdopen(int(arguments[0]), 'w', buffering=1) as pipe:
        reported = -math.inf

        def send(**document: Any) -> None:
            pipe.write(json.dumps(document) + '\n')

        def report(phase: str, share: float) -> None:
            nonlocal reported
            now = time.monotonic()
            if now - reported > 1.0 / MAX_REPORT_RATE:
                reported = now
                send(phase=phase, share=round(share, 3))

        try:
            request = parse_request(arguments[1])
            runtime = runtimes.load(request.runtime)
            model = model_file.read(Path(request.model))
            if model.sha256 != request.sha256:
                raise ModelError(f'{model.path} has changed since it was loaded: load it anew')
            gpu = target.find_gpu(runtime, request.options.archs)
            cache = PlanCache(Path(request.cache))
            find_or_build(runtime, model, request.options, cache, gpu, report=report)
        except (EngineError, ModelError) as error:
            send(fault=str(error))
            return 1
        except BrokenPipeError:  # whoever asked is gone
            return 1
        with contextlib.suppress(BrokenPipeError):
            send(done=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
