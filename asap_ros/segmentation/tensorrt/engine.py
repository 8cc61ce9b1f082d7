"""The engine on TensorRT and on TensorRT-RTX, which share one interface."""

from __future__ import annotations

import numpy as np

from asap_ros.segmentation.engine import EngineError, check_frames
from asap_ros.segmentation.tensorrt import cuda
from asap_ros.segmentation.tensorrt.plan import CachedPlan, describe_layers
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime
from asap_ros.segmentation.tensorrt.session import PlanSession


class TensorRtEngine:
    """A plan on the GPU; see ``Engine`` and ``PlanSession``. For one thread at a time."""

    def __init__(
        self, runtime: TensorRtRuntime, entry: CachedPlan, gpu_name: str, use_graph: bool = True
    ):
        """Load the plan. ``use_graph`` false queues the work anew for each batch.

        Raises EngineError where the runtime or the GPU refuses.
        """
        self._runtime, self._entry, self._use_graph = runtime, entry, use_graph
        self.key = entry.manifest.key
        self.name, self.provider, self.precision = runtime.name, gpu_name, self.key.precision
        self._session: PlanSession | None = self._open()

    def close(self) -> None:
        """Free everything; safe to call again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def reopen(self) -> None:
        """Begin anew on a new CUDA context, after an error that has spoilt the old one."""
        self.close()
        cuda.reset()
        self._session = self._open()

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
        return self._opened().infer(frames)

    def details(self) -> dict[str, str]:
        """Return what else diagnostics state of it."""
        manifest = self._entry.manifest
        return {
            'runtime_version': self.key.version,
            'engine': self.key.digest,
            'layers': describe_layers(manifest.layers),
            'float32_checked': str(manifest.float32),
            'cuda_graph': 'yes' if self._opened().captured else 'no',
            'batch': str(self.key.batch),
        }

    def time_on_device(self, batch: int, repeats: int) -> list[float]:
        """Return milliseconds of each of so many runs on the device alone, without the copies."""
        return self._opened().time_on_device(batch, repeats)

    def _open(self) -> PlanSession:
        return PlanSession(self._runtime, self._entry, self._use_graph)

    def _opened(self) -> PlanSession:
        if self._session is None:
            raise EngineError('the engine is closed')
        return self._session
