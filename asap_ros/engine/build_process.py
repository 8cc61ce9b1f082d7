"""Building an engine in a process of its own, so that frames are served meanwhile.

The child writes JSON, a document a line, into a pipe: ``{"phase", "share"}`` as it gets on, then
``{"done"}``, or ``{"fault"}`` with one sentence. What TensorRT itself prints goes elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from asap_ros.engine import model_file, prepare, runtimes
from asap_ros.engine.base import EngineError
from asap_ros.engine.build import BuildError, Recipe
from asap_ros.engine.cache import EngineCache
from asap_ros.engine.model_file import ModelError

PATIENCE = 5.0
"""Seconds that a child which was told to end may take."""
RATE = 5.0
"""Reports a second at most."""
LOWER_PRIORITY = 10
"""Niceness of the child: the node that serves frames comes first."""


@dataclass(frozen=True)
class Request:
    """What is to be built; ``cache``: the folder."""

    model: str
    runtime: str
    recipe: Recipe
    cache: str

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))


def parse_request(text: str) -> Request:
    """Return a request from JSON."""
    document = json.loads(text)
    recipe = document.pop('recipe')
    recipe |= {'size': tuple(recipe['size']), 'archs': tuple(recipe['archs'])}
    return Request(recipe=Recipe(**recipe), **document)


class BuildProcess:
    """One build, begun at once; ``wait`` is for one thread, ``stop`` for any."""

    def __init__(self, request: Request):
        """Start the process, in a session of its own: Ctrl-C is for the node to pass on."""
        self._said = tempfile.TemporaryFile()
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, '-m', __name__, str(writing), request.dump()],
                stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
                pass_fds=(writing,), start_new_session=True)
        except OSError as error:
            os.close(reading)
            raise BuildError(f'no process to build in: {error}') from error
        finally:
            os.close(writing)
        self._reports = os.fdopen(reading)

    def wait(self, report: Callable[[str, float], None]) -> None:
        """Pass on the progress until the engine stands in the cache.

        Raises BuildError where the build failed, the process died or was stopped.
        """
        done, fault = False, ''
        with self._reports:
            for line in self._reports:
                document = json.loads(line)
                done, fault = done or 'done' in document, document.get('fault', fault)
                if 'phase' in document:
                    report(document['phase'], document['share'])
        code = self._process.wait()
        with self._said:
            if done:
                return
            self._said.seek(0)
            words = self._said.read().decode(errors='replace').strip().splitlines()
        if fault:
            raise BuildError(fault)
        how = f'signal {signal.Signals(-code).name}' if code < 0 else f'status {code}'
        raise BuildError(f'the building process ended with {how}'
                         + (f': {words[-1]}' if words else ''))

    def stop(self) -> None:
        """End the build; ``wait`` then raises. Safe to call at any time."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()


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
            gpu = prepare.gpu_for(runtime, request.recipe.archs)
            prepare.prepare(runtime, model, request.recipe, EngineCache(Path(request.cache)), gpu,
                            report=report)
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
