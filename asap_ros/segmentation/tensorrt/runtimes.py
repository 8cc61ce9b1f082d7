"""The two TensorRT runtimes behind one description: what each installed version can do."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, TypeVar

from asap_ros.segmentation.engine import EngineError, ReportProgress

Found = TypeVar('Found')

MODULES = {'tensorrt': ('tensorrt',), 'tensorrt_rtx': ('tensorrt_rtx', 'tensorrt_rtx_bindings')}
"""Import names of each runtime, the vendor's own first; then that of the bare bindings."""
OLDEST = (8, 6)
OPSET_18_SINCE = 10
"""Major version from which the parser of TensorRT reads opset 18.

Older ones take axes that are an input for none, and reduce over everything without a word.
"""
LIBRARY_TACTICS = ('CUBLAS', 'CUBLAS_LT', 'CUDNN')


class ErrorLog(Protocol):
    """A logger of TensorRT that keeps its latest errors."""

    def take(self) -> str:
        """Return the latest errors in one line and forget them."""


@dataclass(frozen=True)
class TensorRtRuntime:
    """One installed runtime.

    ``name``: ``tensorrt`` or ``tensorrt_rtx``; ``trt``: its module; ``logger``: TensorRT's, with its
    latest errors.
    """

    name: str
    trt: ModuleType
    logger: ErrorLog = field(compare=False)

    @property
    def version(self) -> str:
        """Return the version, as it is part of an engine's identity."""
        return str(self.trt.__version__)

    def create(self, kind: str) -> Any:
        """Return a ``Builder`` or a ``Runtime``. Raises EngineError where CUDA does not let it."""
        try:
            return getattr(self.trt, kind)(self.logger)
        except TypeError as error:  # how the bindings say that they were given nothing
            raise EngineError(
                f'{self.name} {self.version} cannot start on this machine: {self.logger.take()}'
            ) from error

    @property
    def strongly_typed(self) -> bool:
        """Return whether networks are computed in exactly the types that they state."""
        return hasattr(self.trt.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED') or not hasattr(
            self.trt.BuilderFlag, 'FP16'
        )

    @property
    def opset(self) -> int | None:
        """Return the newest operator set that the parser is sure to read, None for any."""
        old = self.name == 'tensorrt' and int(self.version.split('.')[0]) < OPSET_18_SINCE
        return 17 if old else None

    @property
    def cross_targets(self) -> tuple[str, ...]:
        """Return the architectures that it builds for on any machine, such as ``sm86``."""
        if self.name != 'tensorrt_rtx':
            return ()
        return tuple(
            name.lower()
            for name in self.trt.ComputeCapability.__members__
            if name.startswith('SM')
        )

    @property
    def network_flags(self) -> int:
        """Return the flags of a network with an explicit batch, strongly typed where possible."""
        flags = self.trt.NetworkDefinitionCreationFlag
        for name in ('STRONGLY_TYPED', 'EXPLICIT_BATCH'):
            if hasattr(flags, name):
                return 1 << int(getattr(flags, name))
        return 0

    @property
    def tactic_sources(self) -> int | None:
        """Return the tactic sources without cuBLAS and cuDNN; None where that is the default.

        Version 8 else needs both libraries, some 2 GB, for kernels that it rarely prefers.
        """
        if int(self.version.split('.')[0]) >= OPSET_18_SINCE or self.name != 'tensorrt':
            return None
        sources = self.trt.TacticSource.__members__
        return sum(
            1 << int(value) for name, value in sources.items() if name not in LIBRARY_TACTICS
        )


def load(name: str) -> TensorRtRuntime:
    """Return a runtime by name. Raises EngineError that says how to install it."""
    reasons: list[str] = []
    for module in MODULES[name]:
        if module == 'tensorrt_rtx_bindings':
            _import('tensorrt_rtx_libs', [])  # loads the libraries that the bindings need
        found = _import(module, reasons)
        if found is None:
            continue
        version = tuple(int(part) for part in found.__version__.split('.')[:2])
        if name == 'tensorrt' and version < OLDEST:
            raise EngineError(f'TensorRT {found.__version__} is too old: 8.6 or newer is needed')
        return TensorRtRuntime(name, found, make_logger(found))
    raise EngineError(
        f'{name} is not installed ({"; ".join(reasons)}): docs/engines.md says where it comes from'
    )


def first_that_works(names: Iterable[str], make: Callable[[str], Found]) -> Found:
    """Return what ``make`` gives for the first name that works; EngineError with every reason."""
    reasons = []
    for name in names:
        try:
            return make(name)
        except EngineError as error:
            reasons.append(str(error))
    raise EngineError('; '.join(reasons))


def _import(module: str, reasons: list[str]) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        reasons.append(str(error))
        return None


def make_logger(trt: ModuleType) -> ErrorLog:
    """Return a logger for TensorRT that keeps its latest errors for whoever explains a failure."""
    base: Any = trt.ILogger

    class Logger(base):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: list[str] = []
            self._lock = threading.Lock()

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                with self._lock:
                    self._errors = [*self._errors[-2:], message.strip()]

        def take(self) -> str:
            """Return the latest errors in one line and forget them."""
            with self._lock:
                errors, self._errors = self._errors, []
            return '; '.join(errors) or 'no reason given'

    return Logger()


def make_monitor(trt: ModuleType, report: ReportProgress, stopped: Callable[[], bool]) -> Any:
    """Return TensorRT's progress monitor, or None where the version has none (8.6).

    ``report`` is called from any thread; ``stopped`` ends the build where it returns true.
    """
    if not hasattr(trt, 'IProgressMonitor'):
        return None

    base: Any = trt.IProgressMonitor

    class Monitor(base):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._phases = BuildProgress()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            report(phase_name, self._phases.step(phase_name, step))
            return not stopped()

        def phase_finish(self, phase_name: str) -> None:
            report(phase_name, self._phases.finish(phase_name))

    return Monitor()


@dataclass
class _Phase:
    """A phase of a build: within which other, how many steps it has and has done."""

    parent: str | None
    steps: int
    done: int = 0


class BuildProgress:
    """The share of a build that is done, from phases within phases; safe between threads."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._most = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase of so many steps within another one, or at the top."""
        with self._lock:
            self._phases[name] = _Phase(parent, max(1, steps))

    def step(self, name: str, step: int) -> float:
        """Count a step, numbered from 0, as done and return the share of the whole, 0 to 1."""
        with self._lock:
            if name in self._phases:
                self._phases[name].done = step + 1
            return self._share()

    def finish(self, name: str) -> float:
        """End a phase and return the share of the whole; a phase may end before its last step."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase is None or phase.parent is None:
                self._most = 1.0
            return self._share()

    def _share(self) -> float:
        """Return the share; it never falls, though phases begin again."""

        def share(name: str) -> float:
            phase = self._phases[name]
            inner = [share(n) for n, p in self._phases.items() if p.parent == name]
            return min(1.0, (phase.done + max(inner, default=0.0)) / phase.steps)

        tops = [share(name) for name, phase in self._phases.items() if phase.parent is None]
        self._most = max(self._most, max(tops, default=0.0))
        return self._most
