"""The engine on ONNX Runtime: any CPU, and CUDA where its provider is installed."""

from __future__ import annotations

import numpy as np
import onnxruntime

from asap_ros.segmentation.engine import EngineError, check_frames
from asap_ros.segmentation.model_file import ModelFile, session_options

NAME = 'onnxruntime'
PROVIDERS = {'cuda': 'CUDAExecutionProvider', 'cpu': 'CPUExecutionProvider'}


class OnnxRuntimeEngine:
    """A network on ONNX Runtime; see ``Engine``.

    Float32 throughout, whatever the weights are; ``precision`` is int8 for a quantised file.
    """

    def __init__(self, model: ModelFile, provider: str = 'auto', threads: int = 0):
        """Load the network.

        ``provider``: ``cpu``, ``cuda``, or ``auto`` for the first that is installed and works.
        ``threads``: of the CPU provider, 0 for one a physical core. Raises EngineError where the
        provider asked for cannot be had; ``provider`` then says which it became.
        """
        self.name = NAME
        self.precision = 'int8' if model.training.get('precision') == 'int8' else 'fp32'
        available = onnxruntime.get_available_providers()
        if provider == 'auto':
            wanted = [p for p in PROVIDERS.values() if p in available]
        elif provider not in PROVIDERS:
            raise EngineError(
                f'provider {provider!r} is unknown: auto, {", ".join(PROVIDERS)} are possible'
            )
        elif PROVIDERS[provider] not in available:
            raise EngineError(
                f'provider {provider!r} is not in this ONNX Runtime, which has '
                f'{", ".join(available)}; install the build that has it, or ask for auto'
            )
        else:
            wanted = [PROVIDERS[provider]]
        self._model, self._wanted, self._threads = model, wanted, threads
        session = load(model, wanted, threads)
        self._session: onnxruntime.InferenceSession | None = session
        self.provider: str = session.get_providers()[0]
        # The runtime falls back to the CPU by itself, with no more than a line in its log.
        if provider != 'auto' and self.provider != PROVIDERS[provider]:
            raise EngineError(
                f'ONNX Runtime was asked for {PROVIDERS[provider]} and took {self.provider}: '
                'its libraries or the driver are missing'
            )

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence of a batch; see ``Engine.infer``."""
        check_frames(frames)
        if self._session is None:
            raise EngineError('the engine is closed')
        try:
            labels, confidence = self._session.run(['labels', 'confidence'], {'image': frames})
        except Exception as error:  # the runtime's exceptions share no public base class
            raise EngineError(f'ONNX Runtime failed on a batch: {error}') from error
        return labels, confidence

    def details(self) -> dict[str, str]:
        """Return nothing: name, provider and precision say it all."""
        return {}

    def reopen(self) -> None:
        """Load the network anew. Raises EngineError where that fails."""
        self._session = load(self._model, self._wanted, self._threads)

    def close(self) -> None:
        """Let go of the network; safe to call again."""
        self._session = None


def load(model: ModelFile, providers: list[str], threads: int) -> onnxruntime.InferenceSession:
    """Return a session of ONNX Runtime. Raises EngineError where it cannot load the network."""
    options = session_options()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(model.content, options, providers=providers)
    except Exception as error:  # the runtime's exceptions share no public base class
        raise EngineError(f'ONNX Runtime cannot load {model.path}: {error}') from error
