"""A stand-in for a GPU and its TensorRT, strict about how it is called.

Calls of CUDA go through the real cuda-bindings first, which convert every argument and then find
no driver; calls of TensorRT must fit what it publishes (support/tensorrt_api.py). Device memory
is host memory; what is captured does not run before its graph is launched, as on a GPU.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from cuda.bindings import runtime as real

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.tensorrt import cuda, runtimes
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime
from support.tensorrt_api import ApiStandIn, PublishedApi

NO_GPU = (real.cudaError_t.cudaErrorInsufficientDriver, real.cudaError_t.cudaErrorNoDevice)


@dataclass
class Gpu:
    """CUDA's runtime; ``fail``: CUDA's name of an error by the function that shall give it.

    ``calls``: names of what was called, in order. ``held``: what is allocated and not freed.
    """

    name: str = 'Stand-in RTX 3090'
    arch: tuple[int, int] = (8, 6)
    fail: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    held: dict[int, object] = field(default_factory=dict)
    executions: int = 0
    _captured: list | None = None
    _graphs: dict[int, list] = field(default_factory=dict)

    def __getattr__(self, name):
        if (
            not name.startswith('cuda')
            or not callable(getattr(real, name))
            or isinstance(getattr(real, name), type)
        ):
            return getattr(real, name)  # an enumeration or a constant

        def call(*arguments):
            self.calls.append(name)
            converted = getattr(real, name)(*arguments)  # TypeError where an argument cannot be
            assert converted[0] in NO_GPU, 'this stand-in is for machines without a GPU'
            if name in self.fail:
                return (getattr(real.cudaError_t, self.fail[name]), *[None] * (len(converted) - 1))
            results = getattr(self, f'_{name}', lambda *_: ())(*arguments)
            results = results if isinstance(results, tuple) else (results,)
            assert len(results) == len(converted) - 1
            return (real.cudaError_t.cudaSuccess, *results)

        return call

    def queue(self, work) -> None:
        """Run work on the stream, or keep it where the stream is being captured."""
        if self._captured is not None:
            self._captured.append(work)
        else:
            work()

    def _new(self, thing) -> int:
        address = ctypes.addressof(thing) if isinstance(thing, ctypes.Array) else id(thing)
        self.held[address] = thing
        return address

    def _cudaGetDeviceCount(self):
        return 1

    def _cudaGetDeviceProperties(self, device):
        return SimpleNamespace(name=self.name.encode(), major=self.arch[0], minor=self.arch[1])

    def _cudaMemGetInfo(self):
        return 20 << 30, 24 << 30

    def _cudaDeviceGetAttribute(self, attribute, device):
        return {
            'cudaDevAttrClockRate': 1_695_000,
            'cudaDevAttrMemoryClockRate': 9_751_000,
            'cudaDevAttrGlobalMemoryBusWidth': 384,
            'cudaDevAttrMultiProcessorCount': 82,
        }[attribute.name]

    def _cudaHostAlloc(self, size, flags):
        return self._new((ctypes.c_uint8 * size)())

    def _cudaMalloc(self, size):
        return self._new((ctypes.c_uint8 * size)())

    def _free(self, address):
        del self.held[int(address)]
        return ()

    _cudaFree = _cudaFreeHost = _cudaStreamDestroy = _cudaGraphExecDestroy = _free
    _cudaEventDestroy = _cudaGraphDestroy = _free

    def _handle(self, kind):
        thing = object()
        return kind(self._new(thing))

    def _cudaStreamCreateWithFlags(self, flags):
        return self._handle(real.cudaStream_t)

    def _cudaEventCreate(self):
        return self._handle(real.cudaEvent_t)

    def _cudaEventElapsedTime(self, begin, end):
        return 1.5

    def _cudaMemcpyAsync(self, to, source, size, kind, stream):
        assert int(stream) in self.held, 'no such stream'
        self.queue(lambda: ctypes.memmove(int(to), int(source), size))
        return ()

    def _cudaStreamBeginCapture(self, stream, mode):
        self._captured = []
        return ()

    def _cudaStreamEndCapture(self, stream):
        graph = self._handle(real.cudaGraph_t)
        self._graphs[int(graph)], self._captured = self._captured, None
        return graph

    def _cudaGraphInstantiate(self, graph, flags):
        executable = self._handle(real.cudaGraphExec_t)
        self._graphs[int(executable)] = self._graphs[int(graph)]
        return executable

    def _cudaGraphLaunch(self, graph, stream):
        assert int(graph) in self.held, 'the graph is destroyed'
        for work in self._graphs[int(graph)]:
            self.queue(work)
        return ()

    def _cudaDeviceReset(self):
        assert not self.held, 'something still refers to the context'
        self.fail.clear()
        return ()


RTX_CLASSES = ('Runtime', 'ICudaEngine', 'IExecutionContext', 'IRuntimeConfig')


def install(monkeypatch, rtx, network, **options) -> Gpu:
    """Put a GPU into this machine, on which the real TensorRT-RTX would be used.

    It builds as it does; what it builds is run by ``network``. ``options`` go to ``make_trt``.
    """
    gpu = Gpu()
    trt = make_trt(
        gpu, PublishedApi.of_module(rtx.trt, *RTX_CLASSES), network, rtx.version, **options
    )
    trt.ComputeCapability = rtx.trt.ComputeCapability
    runtime = TensorRtRuntime('tensorrt_rtx', trt, runtimes.make_logger(trt))

    def load(name):
        if name == 'tensorrt_rtx':
            return runtime
        raise EngineError(f'{name} is not installed')

    monkeypatch.setattr(cuda, 'cudart', gpu)
    monkeypatch.setattr(runtimes, 'load', load)
    return gpu


def make_trt(
    gpu: Gpu,
    published: PublishedApi,
    network,
    version: str,
    loads=lambda plan: True,
    capturable: bool = True,
):
    """Return a module with TensorRT's runtime half.

    ``network``: uint8 frames (B, H, W, 3) to labels and confidence; ``loads``: whether a plan is
    one of this machine's. Executing fails while ``gpu.fail`` has 'execute_async_v3'.
    """

    class ILogger:
        INTERNAL_ERROR, ERROR = 0, 1

    class IExecutionContext(ApiStandIn):
        def __init__(self):
            self._shape, self._addresses = None, {}

        def set_input_shape(self, name, shape):
            assert name == 'image'
            self._shape = tuple(shape)
            return True

        def get_tensor_shape(self, name):
            batch, height, width, _ = self._shape
            return {
                'image': self._shape,
                'labels': (batch, height, width),
                'confidence': (batch, height // 4, width // 4),
            }[name]

        def set_tensor_address(self, name, memory):
            assert memory in gpu.held, 'no such device memory'
            self._addresses[name] = memory
            return True

        def is_stream_capturable(self, stream):
            assert stream in gpu.held
            return capturable

        def execute_async_v3(self, stream_handle):
            assert stream_handle in gpu.held, 'no such stream'
            if 'execute_async_v3' in gpu.fail:
                return False
            shape = self._shape
            gpu.queue(lambda: self._execute(shape))
            return True

        def _execute(self, shape):
            def at(name, shape):
                memory = (ctypes.c_uint8 * int(np.prod(shape))).from_address(self._addresses[name])
                return np.frombuffer(memory, np.uint8).reshape(shape)

            gpu.executions += 1
            for name, result in zip(('labels', 'confidence'), network(at('image', shape))):
                at(name, result.shape)[...] = result

    class IRuntimeConfig(ApiStandIn):
        cuda_graph_strategy = dynamic_shapes_kernel_specialization_strategy = None

        def __init__(self):
            pass

    class ICudaEngine(ApiStandIn):
        num_io_tensors = 3

        def __init__(self):
            pass

        def get_tensor_name(self, index):
            return ('image', 'labels', 'confidence')[index]

        def create_execution_context(self, *config):
            return None if 'create_execution_context' in gpu.fail else IExecutionContext()

        def create_runtime_config(self):
            return IRuntimeConfig()

    class Runtime(ApiStandIn):
        def deserialize_cuda_engine(self, serialized_engine):
            return ICudaEngine() if loads(serialized_engine) else None

    ApiStandIn.published = published
    return SimpleNamespace(
        __version__=version,
        ILogger=ILogger,
        Runtime=Runtime,
        ICudaEngine=ICudaEngine,
        BuilderFlag=SimpleNamespace(),
        NetworkDefinitionCreationFlag=SimpleNamespace(),
        CudaGraphStrategy=SimpleNamespace(DISABLED=0),
        DynamicShapesKernelSpecializationStrategy=SimpleNamespace(EAGER=1),
    )
