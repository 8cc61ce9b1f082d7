"""Which engine runs a network: the one that was asked for, or the best that works."""

from __future__ import annotations

from asap_ros.engine.base import Engine, EngineError, EngineFacts, prove
from asap_ros.engine.model_file import ModelFile
from asap_ros.engine.onnxruntime import OnnxRuntimeEngine

ENGINES = ('auto', 'onnxruntime')
PROVIDERS = ('auto', 'cpu', 'cuda')


def open_engine(
        model: ModelFile, name: str = 'auto', provider: str = 'auto', threads: int = 0,
) -> tuple[Engine, EngineFacts]:
    """Return an engine that has reproduced the network's golden frame, and what it is.

    Raises EngineError where the engine cannot be had or does not reproduce the frame.
    """
    if name not in ENGINES:
        raise EngineError(f'engine {name!r} is unknown: {", ".join(ENGINES)} are possible')
    engine = OnnxRuntimeEngine(model, provider, threads)
    return engine, prove('onnxruntime', engine, model)
