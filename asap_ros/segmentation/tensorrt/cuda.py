"""What the engine needs of CUDA, by way of NVIDIA's cuda-bindings: the GPU, memory, a stream."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ros.segmentation.engine import DeviceError, EngineError

try:
    from cuda.bindings import runtime as cudart
except ImportError:  # the vehicle may have no GPU
    cudart = None


class CudaError(DeviceError):
    """A call of CUDA that failed; ``code`` is CUDA's own name for why."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Gpu:
    """A GPU. ``arch`` such as ``sm89``; ``memory`` and ``free`` in bytes."""

    name: str
    arch: str
    memory: int
    free: int


def call(function: str, *arguments: Any) -> Any:
    """Return what a function of the CUDA runtime gives; CudaError where it fails."""
    if cudart is None:
        raise CudaError(
            'cudaErrorNotInstalled',
            'the Python package cuda-bindings is not '
            'installed: python3 -m pip install cuda-bindings',
        )
    code, *results = getattr(cudart, function)(*arguments)
    if code != cudart.cudaError_t.cudaSuccess:
        raise CudaError(code.name, explain(code.name, function))
    return results[0] if len(results) == 1 else tuple(results)


def explain(code: str, function: str) -> str:
    """Return one sentence on what a CUDA error means for a user."""
    known = {
        'cudaErrorInsufficientDriver': 'there is no NVIDIA driver, or it is older than the CUDA of cuda-bindings',
        'cudaErrorNoDevice': 'there is no NVIDIA GPU',
        'cudaErrorMemoryAllocation': 'the GPU has too little free memory: close what else uses it, or lower batch or '
        'resolution',
    }
    return f'{known.get(code, "CUDA failed")} ({code} in {function})'


def gpu() -> Gpu:
    """Return the first GPU. Raises CudaError where there is none, or no driver for it."""
    if call('cudaGetDeviceCount') < 1:
        raise CudaError('cudaErrorNoDevice', explain('cudaErrorNoDevice', 'cudaGetDeviceCount'))
    properties = call('cudaGetDeviceProperties', 0)
    free, total = call('cudaMemGetInfo')
    name = properties.name.decode() if isinstance(properties.name, bytes) else properties.name
    return Gpu(name.strip('\0'), f'sm{properties.major}{properties.minor}', total, free)


class PinnedBuffer:
    """Pinned host memory and as much device memory.

    ``host``: uint8 of ``shape``; ``pinned`` and ``device``: the addresses of either.
    """

    def __init__(self, shape: tuple[int, ...]):
        """Allocate both; CudaError where there is too little."""
        self.shape, self.nbytes = shape, int(np.prod(shape))
        self.pinned = int(call('cudaHostAlloc', self.nbytes, cudart.cudaHostAllocDefault))
        try:
            self.device = call('cudaMalloc', self.nbytes)
        except CudaError:
            _try_call('cudaFreeHost', self.pinned)
            raise
        memory = (ctypes.c_uint8 * self.nbytes).from_address(self.pinned)
        self.host = np.ctypeslib.as_array(memory).reshape(shape)

    def bytes_of(self, items: int) -> int:
        """Return the bytes of so many items of the first axis."""
        return self.nbytes // self.shape[0] * items

    def close(self) -> None:
        """Free both, once; ``host`` must not be used afterwards."""
        _try_call('cudaFreeHost', self.pinned)
        _try_call('cudaFree', self.device)


class Stream:
    """A stream that waits for no other one, and graphs captured from it."""

    def __init__(self) -> None:
        """Create it; CudaError where CUDA cannot."""
        self.handle = call('cudaStreamCreateWithFlags', cudart.cudaStreamNonBlocking)
        self._graphs: list[Any] = []

    def to_device(self, buffer: PinnedBuffer, items: int) -> None:
        """Queue the copy of a buffer's first items (of its first axis) to the device."""
        call(
            'cudaMemcpyAsync',
            buffer.device,
            buffer.pinned,
            buffer.bytes_of(items),
            cudart.cudaMemcpyKind.cudaMemcpyHostToDevice,
            self.handle,
        )

    def to_host(self, buffer: PinnedBuffer, items: int) -> None:
        """Queue the copy of a buffer's first items to the host."""
        call(
            'cudaMemcpyAsync',
            buffer.pinned,
            buffer.device,
            buffer.bytes_of(items),
            cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost,
            self.handle,
        )

    def capture(self, enqueue: Callable[[], None]) -> Any:
        """Return a graph of what ``enqueue`` queues; it does not run yet."""
        call(
            'cudaStreamBeginCapture',
            self.handle,
            cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal,
        )
        try:
            enqueue()
        except EngineError:
            _try_call('cudaStreamEndCapture', self.handle)
            raise
        graph = call('cudaStreamEndCapture', self.handle)
        try:
            self._graphs.append(call('cudaGraphInstantiate', graph, 0))
        finally:
            _try_call('cudaGraphDestroy', graph)
        return self._graphs[-1]

    def launch(self, graph: Any) -> None:
        """Queue a captured graph."""
        call('cudaGraphLaunch', graph, self.handle)

    def wait(self) -> None:
        """Wait for all that is queued; errors of earlier calls surface here."""
        call('cudaStreamSynchronize', self.handle)

    @contextlib.contextmanager
    def timed(self) -> Iterator[Callable[[], float]]:
        """Time on the device what is queued meanwhile; gives a function of the milliseconds."""
        events = [call('cudaEventCreate') for _ in range(2)]
        elapsed: list[float] = []
        try:
            call('cudaEventRecord', events[0], self.handle)
            yield lambda: elapsed[0]
            call('cudaEventRecord', events[1], self.handle)
            self.wait()
            elapsed.append(call('cudaEventElapsedTime', *events))
        finally:
            for event in events:
                _try_call('cudaEventDestroy', event)

    def close(self) -> None:
        """Destroy the stream and its graphs, once."""
        for graph in self._graphs:
            _try_call('cudaGraphExecDestroy', graph)
        _try_call('cudaStreamDestroy', self.handle)


def reset() -> None:
    """Drop the process's CUDA context: the only way on after an error of a kernel."""
    _try_call('cudaDeviceReset')


def _try_call(function: str, *arguments: Any) -> None:
    """Call where failure changes nothing: after an error of a kernel, freeing fails as well."""
    getattr(cudart, function)(*arguments)
