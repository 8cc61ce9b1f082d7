"""The engine that frames go to, and who takes over where it fails or a better one is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from asap_ros.segmentation.engine import Engine, EngineError, EngineFacts
from asap_ros.segmentation.tensorrt.cuda import CudaError


class EngineState(Enum):
    """How the engine in use came to be that."""

    CHOSEN = 'chosen'
    BUILDING = 'building'
    FALLBACK = 'fallback'
    STOPPED = 'stopped'


@dataclass(frozen=True)
class ProvenEngine:
    """An engine that has reproduced the golden frame; ``prove`` does that anew."""

    engine: Engine
    facts: EngineFacts
    prove: Callable[[], EngineFacts]


class EngineManager:
    """One engine to its user, whichever serves.

    ``state`` and ``message`` say which and why. Frames go to ``infer`` from one thread; a better
    engine is prepared in another one and takes over between two frames. After an error of CUDA
    the engine's context is made anew once; then ``fall_back`` serves, where there is one, or no
    engine does: every frame is refused with the reason.
    """

    def __init__(
        self,
        proven: ProvenEngine,
        fall_back: Callable[[], ProvenEngine] | None = None,
        state: EngineState = EngineState.CHOSEN,
        message: str = '',
        notify: Callable[[bool, str], None] = lambda good, text: None,
    ):
        """Serve on ``proven``. ``notify`` gets each change: whether it is good news, and what."""
        self._current, self._fall_back, self._notify = proven, fall_back, notify
        self.state, self.message = state, message
        self.phase, self.share = '', 0.0
        self._next: ProvenEngine | None = None
        self._reopened = False
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._preparing: threading.Thread | None = None
        self._stop_preparing: Callable[[], None] = lambda: None
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

    def prepare(
        self,
        make: Callable[[Callable[[str, float], None]], ProvenEngine],
        stop: Callable[[], None],
    ) -> None:
        """Let ``make`` build a better engine in a thread; it takes over once it is proven.

        ``make`` gets where to report (phase, share done); ``stop`` makes it end early.
        """
        self.state, self._stop_preparing = EngineState.BUILDING, stop
        self._preparing = threading.Thread(
            target=self._prepare, args=(make,), name='engine-build', daemon=True
        )
        self._preparing.start()

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
            except CudaError as error:
                self._recover(error)

    def close(self) -> None:
        """Stop preparing and let go of the engine."""
        with self._lock:
            self._closed = True
        self._stop_preparing()
        if self._preparing is not None:
            self._preparing.join()
        if self._next is not None:
            _close(self._next.engine)
        _close(self._current.engine)

    def _prepare(self, make: Callable[[Callable[[str, float], None]], ProvenEngine]) -> None:
        try:
            proven = make(self._report)
        except Exception as error:  # in a thread of its own nobody else would hear of it
            reason = str(error) if isinstance(error, EngineError) else repr(error)
            with self._lock:
                if self._closed:
                    return
                self.state, self.message = EngineState.FALLBACK, reason
            self._notify(False, f'the engine could not be built: {reason}')
            return
        with self._lock:
            if not self._closed:
                self._next = proven
                self.message, self.share = 'built; takes over with the next frame', 1.0
                return
        _close(proven.engine)

    def _report(self, phase: str, share: float) -> None:
        self.phase, self.share = phase, share

    def _take_over(self) -> None:
        """Let the engine that is ready serve from this frame on."""
        with self._lock:
            ready, self._next = self._next, None
        if ready is None:
            return
        before, self._current = self._current, ready
        _close(before.engine)
        self.state = EngineState.CHOSEN
        self.message = (
            f'switched from {before.facts.name} to {ready.facts.name} after '
            f'{time.monotonic() - self._began:.1f} s, between two frames'
        )
        self._notify(True, self.message)

    def _recover(self, error: CudaError) -> None:
        """Make the next call possible after an error of CUDA; EngineError where it is not."""
        failed = self._current.facts.name
        if not self._reopened:
            self._reopened = True
            try:
                self._current.engine.reopen()
                self._current = ProvenEngine(
                    self._current.engine, self._current.prove(), self._current.prove
                )
            except EngineError as again:
                error = again
            else:
                self.message = f'{failed} was opened anew after an error: {error}'
                self._notify(False, self.message)
                return
        _close(self._current.engine)
        if self._fall_back is not None:
            try:
                self._current = self._fall_back()
            except EngineError as other:
                error = EngineError(f'{error}; and {other}')
            else:
                self.state = EngineState.FALLBACK
                self.message = f'{failed} failed: {error}'
                self._notify(False, f'{self.message}; {self._current.facts.name} serves')
                return
        self.state = EngineState.STOPPED
        self.message = f'{failed} failed and nothing may take its place: {error}'
        self._notify(False, self.message)
        raise EngineError(self.message) from error


def _close(engine: Engine) -> None:
    if hasattr(engine, 'close'):
        engine.close()
