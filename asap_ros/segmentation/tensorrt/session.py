"""A plan loaded on the GPU, with all memory that running it takes."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import TENSORS
from asap_ros.segmentation.tensorrt.cuda import CudaError, PinnedBuffer, Stream
from asap_ros.segmentation.tensorrt.plan import CachedPlan
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime


class PlanRefused(EngineError):
    """A plan that the runtime does not take: built for another version, driver or GPU."""


class PlanSession:
    """A plan that is loaded whole; what cannot be loaded whole leaves nothing behind.

    Frames are copied to the device, labelled and copied back on one stream, which is captured as
    a CUDA graph at the first batch of each size and launched as one from then on. A call makes
    nothing but the two arrays that it returns.
    """

    def __init__(self, runtime: TensorRtRuntime, entry: CachedPlan, use_graph: bool):
        """Load the plan and allocate. Raises EngineError where the runtime or GPU refuses.

        ``use_graph`` false queues the work anew for each batch.
        """
        self._runtime, self._key, self._use_graph = runtime, entry.manifest.key, use_graph
        self._graphs: dict[int, Any] = {}  # by batch; None where the stream is not captured
        with contextlib.ExitStack() as opened:
            opened.callback(self._drop)
            self._stream = Stream()
            opened.callback(self._stream.close)
            self._loader = runtime.create('Runtime')
            self._engine = self._loader.deserialize_cuda_engine(entry.plan)
            if self._engine is None:
                raise PlanRefused(str(self._error('cannot load the engine')))
            names = {self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)}
            if names != set(TENSORS):
                raise EngineError(
                    f'the engine has the tensors {", ".join(sorted(names))} in place of '
                    f'{", ".join(TENSORS)}'
                )
            self._context = make_context(runtime, self._engine)
            if self._context is None:
                raise self._error('cannot prepare the engine: is too little GPU memory free?')
            self._batch = 0
            self._set_batch(self._key.batch)
            self._buffers: dict[str, PinnedBuffer] = {}
            for name in TENSORS:
                buffer = PinnedBuffer(tuple(self._context.get_tensor_shape(name)))
                opened.callback(buffer.close)
                if not self._context.set_tensor_address(name, buffer.device):
                    raise self._error(f'refuses the address of {name}')
                self._buffers[name] = buffer
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Free everything; the session must not be used afterwards."""
        self._opened.close()

    def _drop(self) -> None:
        """Let go of TensorRT's objects, each before the one that made it.

        An exception may still hold a session that could not be loaded: the GPU's memory is free
        all the same.
        """
        for name in ('_context', '_engine', '_loader'):
            vars(self).pop(name, None)

    @property
    def captured(self) -> bool:
        """Return whether every batch size that came so far runs as a CUDA graph."""
        return bool(self._graphs) and all(graph is not None for graph in self._graphs.values())

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence of a batch that fits the plan; see ``Engine.infer``."""
        batch = len(frames)
        self._buffers['image'].host[:batch] = frames
        self._prepare(batch)
        graph = self._graphs[batch]
        if graph is not None:
            self._stream.launch(graph)
        else:
            self._set_batch(batch)
            self._enqueue()
        self._stream.wait()
        return (
            self._buffers['labels'].host[:batch].copy(),
            self._buffers['confidence'].host[:batch].copy(),
        )

    def time_on_device(self, batch: int, repeats: int) -> list[float]:
        """Return milliseconds of each of so many runs on the device alone, without the copies."""
        self._prepare(batch)
        self._set_batch(batch)
        graph = None if self._graphs[batch] is None else self._stream.capture(self._execute)
        times = []
        for _ in range(repeats):
            with self._stream.timed() as elapsed:
                if graph is None:
                    self._execute()
                else:
                    self._stream.launch(graph)
            times.append(elapsed())
        return times

    def _prepare(self, batch: int) -> None:
        """Run a batch size for the first time, and capture it where that is possible."""
        if batch in self._graphs:
            return
        self._set_batch(batch)
        self._enqueue()  # what TensorRT still has to set up cannot be captured
        self._stream.wait()
        capture = self._use_graph and self._capturable()
        self._graphs[batch] = self._stream.capture(self._enqueue) if capture else None

    def _capturable(self) -> bool:
        ask = getattr(self._context, 'is_stream_capturable', None)
        return ask is None or ask(int(self._stream.handle))

    def _set_batch(self, batch: int) -> None:
        """Tell the context how many frames come; a graph that is captured needs it no more."""
        if batch == self._batch:
            return
        if not self._context.set_input_shape('image', (batch, *self._key.size, 3)):
            raise self._error(f'refuses a batch of {batch}')
        self._batch = batch

    def _enqueue(self) -> None:
        """Queue the copies and the network for the present batch."""
        self._stream.to_device(self._buffers['image'], self._batch)
        self._execute()
        for name in ('labels', 'confidence'):
            self._stream.to_host(self._buffers[name], self._batch)

    def _execute(self) -> None:
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise self._error('failed on a batch')

    def _error(self, what: str) -> EngineError:
        name, reason = self._runtime.name, self._runtime.logger.take()
        return CudaError('TensorRT', f'{name} {self._runtime.version} {what} ({reason})')


def make_context(runtime: TensorRtRuntime, engine: Any) -> Any:
    """Return an execution context; of TensorRT-RTX one that compiles all kernels at once.

    It otherwise compiles them beside the first frames, and a graph would keep the slow ones.
    """
    if not hasattr(engine, 'create_runtime_config') or not hasattr(
        runtime.trt, 'DynamicShapesKernelSpecializationStrategy'
    ):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = (
        runtime.trt.DynamicShapesKernelSpecializationStrategy.EAGER
    )
    config.cuda_graph_strategy = runtime.trt.CudaGraphStrategy.DISABLED  # captured here
    return engine.create_execution_context(config)
