"""The engine that frames go to, and who takes over where it fails or a better one is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

import numpy as np

from asap_ros.segmentation.engine import (
    DeviceError,
    EngineError,
    EngineFacts,
    Notify,
    ReportProgress,
    Severity,
    VerifiedEngine,
    ignore_events,
)

Build = Callable[[ReportProgress], VerifiedEngine]
"""Makes a better engine; gets where to report its progress."""


class EngineState(Enum):
    """How the engine in use came to be that."""

    CHOSEN = 'chosen'
    BUILDING = 'building'
    FALLBACK = 'fallback'
    STOPPED = 'stopped'


class EngineManager:
    """One engine to its user, whichever runs.

    ``state`` and ``message`` say which and why. Frames go to ``infer`` from one thread; a better
    engine is built in another one and takes over between two frames. After an error of the device
    the engine is reopened once; then ``fall_back`` serves, where there is one, or no
    engine does: every frame is refused with the reason.
    """

    def __init__(
        self,
        engine: VerifiedEngine,
        fall_back: Callable[[], VerifiedEngine] | None = None,
        state: EngineState = EngineState.CHOSEN,
        message: str = '',
        notify: Notify = ignore_events,
    ):
        """Run frames on ``engine``. ``notify`` gets each change of what runs them."""
        self._current, self._fall_back, self._notify = engine, fall_back, notify
        self.state, self.message = state, message
        self.phase, self.share = '', 0.0
        self._next: VerifiedEngine | None = None
        self._reopened = False
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._building: threading.Thread | None = None
        self._stop_building: Callable[[], None] = lambda: None
        self._closed = False

    @property
    def facts(self) -> EngineFacts:
        """Return what is in use."""
        return self._current.facts

    def status(self) -> dict[str, str]:
        """Return the state for diagnostics."""
        found = {'state': self.state.value, 'message': self.message}
        if self.state is EngineState.BUILDING:
            found |= {
                'build_phase': self.phase,
                'build_progress': f'{100 * self.share:.0f} %',
                'build_seconds': f'{time.monotonic() - self._began:.0f}',
            }
        return found

    def build_in_background(self, build: Build, stop: Callable[[], None]) -> None:
        """Let ``build`` make a better engine in a thread; it takes over once it is verified.

        ``stop`` makes ``build`` end early.
        """
        self.state, self._stop_building = EngineState.BUILDING, stop
        self._building = threading.Thread(
            target=self._build, args=(build,), name='engine-build', daemon=True
        )
        self._building.start()

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence of a batch; see ``Engine.infer``.

        Raises EngineError where no engine is left.
        """
        self._take_over()
        if self.state is EngineState.STOPPED:
            raise EngineError(self.message)
        while True:
            try:
                return self._current.engine.infer(frames)
            except DeviceError as error:
                self._recover(error)

    def close(self) -> None:
        """Stop building and let go of the engine."""
        with self._lock:
            self._closed = True
        self._stop_building()
        if self._building is not None:
            self._building.join()
        if self._next is not None:
            self._next.engine.close()
        self._current.engine.close()

    def _build(self, build: Build) -> None:
        try:
            built = build(self._report)
        except Exception as error:  # in a thread of its own nobody else would hear of it
            reason = str(error) if isinstance(error, EngineError) else repr(error)
            with self._lock:
                if self._closed:
                    return
                self.state, self.message = EngineState.FALLBACK, reason
            self._notify(Severity.WARNING, f'the engine could not be built: {reason}')
            return
        with self._lock:
            if not self._closed:
                self._next = built
                self.message, self.share = 'built; takes over with the next frame', 1.0
                return
        built.engine.close()

    def _report(self, phase: str, share: float) -> None:
        self.phase, self.share = phase, share

    def _take_over(self) -> None:
        """Let the engine that is ready run frames from this one on."""
        with self._lock:
            ready, self._next = self._next, None
        if ready is None:
            return
        before, self._current = self._current, ready
        before.engine.close()
        self.state = EngineState.CHOSEN
        self.message = (
            f'switched from {before.facts.name} to {ready.facts.name} after '
            f'{time.monotonic() - self._began:.1f} s, between two frames'
        )
        self._notify(Severity.INFO, self.message)

    def _recover(self, error: EngineError) -> None:
        """Make the next call possible after an error of the device, or raise EngineError."""
        failed = self._current.facts.name
        if not self._reopened:
            self._reopened = True
            try:
                self._current.engine.reopen()
                self._current = replace(self._current, facts=self._current.verify())
            except EngineError as again:
                error = again
            else:
                self.message = f'{failed} was opened anew after an error: {error}'
                self._notify(Severity.WARNING, self.message)
                return
        self._current.engine.close()
        if self._fall_back is not None:
            try:
                self._current = self._fall_back()
            except EngineError as other:
                error = EngineError(f'{error}; and {other}')
            else:
                self.state = EngineState.FALLBACK
                self.message = f'{failed} failed: {error}'
                self._notify(
                    Severity.WARNING, f'{self.message}; {self._current.facts.name} serves'
                )
                return
        self.state = EngineState.STOPPED
        self.message = f'{failed} failed and nothing may take its place: {error}'
        self._notify(Severity.ERROR, self.message)
        raise EngineError(self.message) from error
