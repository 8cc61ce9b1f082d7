"""Building an engine in a process of its own, so that frames are served meanwhile.

The child writes JSON, a document a line, into a pipe: ``{"phase", "share"}`` as it gets on, then
``{"done"}``, or ``{"fault"}`` with one sentence. What TensorRT itself prints goes elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

from asap_ros.segmentation.engine import ReportProgress
from asap_ros.segmentation.tensorrt.plan import BuildError, PlanOptions, with_tuples

STOP_TIMEOUT = 5.0
"""Seconds that a child which was told to end may take."""
WORKER = 'asap_ros.segmentation.tensorrt.build_worker'
"""The child's module. Apart, because a node that builds nothing needs no ONNX package."""


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built.

    ``model``: path of the network file, which must still be that of ``sha256``; ``runtime``: by
    name; ``cache``: the folder.
    """

    model: str
    sha256: str
    runtime: str
    options: PlanOptions
    cache: str

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))


def parse_request(text: str) -> BuildRequest:
    """Return a request from JSON."""
    document = json.loads(text)
    options = PlanOptions(**with_tuples(document.pop('options')))
    return BuildRequest(options=options, **document)


class BuildProcess:
    """One build, begun at once; ``wait`` is for one thread, ``stop`` for any."""

    def __init__(self, request: BuildRequest):
        """Start the process, in a session of its own: Ctrl-C is for the node to pass on."""
        self._output = tempfile.TemporaryFile()
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, '-m', WORKER, str(writing), request.dump()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            raise BuildError(f'no process to build in: {error}') from error
        finally:
            os.close(writing)
        self._reports = os.fdopen(reading)

    def wait(self, report: ReportProgress) -> None:
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
        with self._output:
            if done:
                return
            self._output.seek(0)
            words = self._output.read().decode(errors='replace').strip().splitlines()
        if fault:
            raise BuildError(fault)
        how = f'signal {signal.Signals(-code).name}' if code < 0 else f'status {code}'
        raise BuildError(
            f'the building process ended with {how}' + (f': {words[-1]}' if words else '')
        )

    def stop(self) -> None:
        """End the build; ``wait`` then raises. Safe to call at any time."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
