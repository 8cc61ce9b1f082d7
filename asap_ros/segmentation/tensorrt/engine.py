"""The engine on TensorRT and on TensorRT-RTX, which share one interface."""

from __future__ import annotations

import numpy as np

from asap_ros.segmentation.engine import EngineError, check_frames
from asap_ros.segmentation.model_file import TENSORS
from asap_ros.segmentation.tensorrt import cuda
from asap_ros.segmentation.tensorrt.cuda import CudaError, PinnedBuffer, Stream
from asap_ros.segmentation.tensorrt.plan import CachedPlan, describe_layers
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime


class PlanRefused(EngineError):
    """A plan that the runtime does not take: built for another version, driver or GPU."""


class TensorRtEngine:
    """A plan on the GPU; see ``Engine``. For one thread at a time.

    Frames are copied to the device, labelled and copied back on one stream, which is captured as
    a CUDA graph at the first batch of each size and launched as one from then on. All memory of
    the device and all pinned memory is allocated by ``open``; a call makes nothing but the two
    arrays that it returns.
    """

    def __init__(
        self, runtime: TensorRtRuntime, entry: CachedPlan, gpu_name: str, use_graph: bool = True
    ):
        """Load the plan; see ``open``. ``use_graph`` false queues the work anew for each batch."""
        self._runtime, self._entry, self._use_graph = runtime, entry, use_graph
        self.key = entry.manifest.key
        self.provider, self.precision = gpu_name, self.key.precision
        self._stream: Stream | None = None
        self._buffers: dict[str, PinnedBuffer] = {}
        self._loader = self._engine = self._context = None
        self.open()

    def open(self) -> None:
        """Load the plan and allocate. Raises EngineError where the runtime or the GPU refuses."""
        try:
            self._stream = Stream()
            self._loader = self._runtime.create('Runtime')
            self._engine = self._loader.deserialize_cuda_engine(self._entry.plan)
            if self._engine is None:
                raise PlanRefused(str(self._error('cannot load the engine')))
            names = {self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)}
            if names != set(TENSORS):
                raise EngineError(
                    f'the engine has the tensors {", ".join(sorted(names))} in place of '
                    f'{", ".join(TENSORS)}'
                )
            self._context = self._make_context()
            if self._context is None:
                raise self._error('cannot prepare the engine: is too little GPU memory free?')
            self._shape = 0
            self._graphs: dict[int, object] = {}
            self._set_batch(self.key.batch)
            for name in TENSORS:
                self._buffers[name] = PinnedBuffer(tuple(self._context.get_tensor_shape(name)))
                if not self._context.set_tensor_address(name, self._buffers[name].device):
                    raise self._error(f'refuses the address of {name}')
        except EngineError:
            self.close()
            raise

    def close(self) -> None:
        """Free everything; safe to call again."""
        if self._stream is not None:
            self._stream.close()
        for buffer in self._buffers.values():
            buffer.close()
        self._buffers, self._stream = {}, None
        self._context = self._engine = self._loader = None  # each is the next one's

    def reopen(self) -> None:
        """Begin anew on a new CUDA context, after an error that has spoilt the old one."""
        self.close()
        cuda.reset()
        self.open()

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence of a batch; see ``Engine.infer``.

        At most as many frames as the engine was built for, of its resolution: else ValueError.
        """
        check_frames(frames)
        batch, height, width = frames.shape[:3]
        if (height, width) != self.key.size or batch > self.key.batch:
            raise ValueError(
                f'{batch} frames of {height}x{width} (height x width) do not fit an engine for at '
                f'most {self.key.batch} of {self.key.size[0]}x{self.key.size[1]}'
            )
        if self._stream is None:
            raise EngineError('the engine is closed')
        self._buffers['image'].host[:batch] = frames
        self._run(batch)
        return (
            self._buffers['labels'].host[:batch].copy(),
            self._buffers['confidence'].host[:batch].copy(),
        )

    def details(self) -> dict[str, str]:
        """Return what else diagnostics state of it."""
        manifest = self._entry.manifest
        graphs = [graph is not None for graph in self._graphs.values()]
        return {
            'runtime_version': self.key.version,
            'engine': self.key.digest,
            'layers': describe_layers(manifest.layers),
            'float32_checked': str(manifest.float32),
            'cuda_graph': 'yes' if graphs and all(graphs) else 'no',
            'batch': str(self.key.batch),
        }

    def time_on_device(self, batch: int, repeats: int) -> list[float]:
        """Return milliseconds of each of so many runs on the device alone, without the copies."""
        self._prepare(batch)
        self._set_batch(batch)
        run = self._execute
        if self._graphs[batch] is not None:
            graph = self._stream.capture(self._execute)
            run = lambda: self._stream.launch(graph)  # noqa: E731
        times = []
        for _ in range(repeats):
            with self._stream.timed() as elapsed:
                run()
            times.append(elapsed())
        return times

    def _make_context(self):
        """Return an execution context; of TensorRT-RTX one that compiles all kernels at once.

        It otherwise compiles them beside the first frames, and a graph would keep the slow ones.
        """
        if not hasattr(self._engine, 'create_runtime_config') or not hasattr(
            self._runtime.trt, 'DynamicShapesKernelSpecializationStrategy'
        ):
            return self._engine.create_execution_context()
        trt = self._runtime.trt
        config = self._engine.create_runtime_config()
        config.dynamic_shapes_kernel_specialization_strategy = (
            trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED  # captured here, copies too
        return self._engine.create_execution_context(config)

    def _set_batch(self, batch: int) -> None:
        """Tell the context how many frames come; a graph that is captured needs it no more."""
        if batch == self._shape:
            return
        if not self._context.set_input_shape('image', (batch, *self.key.size, 3)):
            raise self._error(f'refuses a batch of {batch}')
        self._shape = batch

    def _run(self, batch: int) -> None:
        self._prepare(batch)
        graph = self._graphs[batch]
        if graph is not None:
            self._stream.launch(graph)
        else:
            self._set_batch(batch)
            self._enqueue()
        self._stream.wait()

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

    def _enqueue(self) -> None:
        """Queue the copies and the network for the present batch."""
        self._stream.to_device(self._buffers['image'], self._shape)
        self._execute()
        for name in ('labels', 'confidence'):
            self._stream.to_host(self._buffers[name], self._shape)

    def _execute(self) -> None:
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise self._error('failed on a batch')

    def _error(self, what: str) -> EngineError:
        key = self.key
        return CudaError(
            'TensorRT', f'{key.runtime} {key.version} {what} ({self._runtime.logger.take()})'
        )
