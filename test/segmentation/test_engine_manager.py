"""Who serves: switching between two frames, errors in flight, falling back and refusing."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from asap_ros.segmentation.engine import EngineError, EngineFacts, Severity, VerifiedEngine
from asap_ros.segmentation.engine_manager import EngineManager, EngineState
from asap_ros.segmentation.tensorrt.cuda import CudaError

PATIENCE = 30.0
FRAMES = np.zeros((1, 32, 32, 3), np.uint8)


class Engine:
    """Labels everything with its number; ``errors`` are raised one a call."""

    def __init__(self, number, errors=(), reopening=None):
        self.number, self.errors, self.reopening = number, list(errors), reopening
        self.closed = self.reopened = 0

    def infer(self, frames):
        assert not self.closed, 'a frame went to an engine that is closed'
        if self.errors:
            raise self.errors.pop(0)
        return np.full(frames.shape[:3], self.number, np.uint8), None

    def reopen(self):
        self.reopened += 1
        if self.reopening:
            raise self.reopening

    def close(self):
        self.closed += 1


def verified(engine, name):
    facts = EngineFacts(name, 'there', 'fp16', 1.0)
    return VerifiedEngine(engine, facts, lambda: facts)


class Heard(list):
    def __call__(self, severity, text):
        self.append((severity, text))


def label(served):
    return int(served.infer(FRAMES)[0][0, 0, 0])


def cuda_error():
    return CudaError('cudaErrorIllegalAddress', 'CUDA failed (cudaErrorIllegalAddress in x)')


def test_a_better_engine_takes_over_between_two_frames():
    slow, fast, heard = Engine(1), Engine(2), Heard()
    served = EngineManager(verified(slow, 'onnxruntime'), notify=heard)
    begun, built = threading.Event(), threading.Event()

    def make(report):
        report('timing kernels', 0.4)
        begun.set()
        assert built.wait(PATIENCE)
        return verified(fast, 'tensorrt')

    served.build_in_background(make, built.set)
    assert begun.wait(PATIENCE)
    assert label(served) == 1 and served.facts.name == 'onnxruntime'
    status = served.status()
    assert status['state'] == 'building' and status['build_progress'] == '40 %'
    assert status['build_phase'] == 'timing kernels'
    built.set()
    served._building.join(PATIENCE)
    assert served.facts.name == 'onnxruntime', 'before the next frame nothing changes'
    assert 'takes over with the next frame' in served.message
    assert label(served) == 2 and served.facts.name == 'tensorrt' and slow.closed == 1
    assert served.state is EngineState.CHOSEN
    assert served.message.startswith('switched from onnxruntime to tensorrt after ')
    assert heard == [(Severity.INFO, served.message)]
    served.close()
    assert fast.closed == 1


@pytest.mark.parametrize(
    'error, says',
    [(EngineError('no kernel'), 'no kernel'), (RuntimeError('odd'), "RuntimeError('odd')")],
)
def test_a_failed_build_is_told_and_the_first_engine_goes_on(error, says):
    first, heard = Engine(1), Heard()
    served = EngineManager(verified(first, 'onnxruntime'), notify=heard)

    def make(report):
        raise error

    served.build_in_background(make, lambda: None)
    served._building.join(PATIENCE)
    assert label(served) == 1
    assert (served.state, served.message) == (EngineState.FALLBACK, says)
    assert heard == [(Severity.WARNING, f'the engine could not be built: {says}')]


def test_closing_in_the_middle_of_a_build():
    first, late, heard = Engine(1), Engine(2), Heard()
    served = EngineManager(verified(first, 'onnxruntime'), notify=heard)
    told = threading.Event()

    def make(report):
        assert told.wait(PATIENCE)
        return verified(late, 'tensorrt')

    served.build_in_background(make, told.set)
    served.close()
    assert first.closed == late.closed == 1 and not heard


def test_closing_after_the_build_and_before_a_frame():
    first, late = Engine(1), Engine(2)
    served = EngineManager(verified(first, 'onnxruntime'))
    served.build_in_background(lambda report: verified(late, 'tensorrt'), lambda: None)
    served._building.join(PATIENCE)
    served.close()
    assert first.closed == late.closed == 1


def test_an_error_in_flight_makes_the_context_anew_once_and_the_frame_is_answered():
    engine, heard = Engine(2, [cuda_error()]), Heard()
    served = EngineManager(verified(engine, 'tensorrt'), notify=heard)
    assert label(served) == 2 and engine.reopened == 1
    assert (
        served.state is EngineState.CHOSEN and 'opened anew after an error: CUDA' in served.message
    )
    assert label(served) == 2
    assert [severity for severity, _ in heard] == [Severity.WARNING]


@pytest.mark.parametrize(
    'engine',
    [
        Engine(2, [cuda_error(), cuda_error()]),
        Engine(2, [cuda_error()], reopening=EngineError('the GPU is gone')),
    ],
)
def test_a_second_error_falls_back_where_that_is_allowed(engine):
    heard = Heard()
    served = EngineManager(
        verified(engine, 'tensorrt'), lambda: verified(Engine(1), 'onnxruntime'), notify=heard
    )
    assert label(served) == 1 and label(served) == 1
    assert served.state is EngineState.FALLBACK and served.facts.name == 'onnxruntime'
    assert engine.reopened == 1 and engine.closed == 1
    assert heard[-1] == (Severity.WARNING, f'{served.message}; onnxruntime serves')


def test_a_second_error_stops_honestly_where_it_is_not():
    engine = Engine(2, [cuda_error(), cuda_error()])
    heard = Heard()
    served = EngineManager(verified(engine, 'tensorrt'), notify=heard)
    for _ in range(3):
        with pytest.raises(EngineError, match='nothing may take its place: CUDA failed'):
            served.infer(FRAMES)
    assert heard[-1] == (Severity.ERROR, served.message)
    assert served.state is EngineState.STOPPED and engine.reopened == 1 and engine.closed == 1


def test_an_engine_that_comes_back_wrong_does_not_serve():
    engine = Engine(2, [cuda_error()])

    def fails():
        raise EngineError('labels only 12 % of the golden frame')

    facts = EngineFacts('tensorrt', 'there', 'fp16', 1.0)
    served = EngineManager(VerifiedEngine(engine, facts, fails))
    with pytest.raises(EngineError, match='labels only 12 %'):
        served.infer(FRAMES)
    assert served.state is EngineState.STOPPED


def test_no_fall_back_to_be_had():
    def fails():
        raise EngineError('no ONNX Runtime either')

    served = EngineManager(verified(Engine(2, [cuda_error()] * 2), 'tensorrt'), fails)
    with pytest.raises(EngineError, match='CUDA failed.*; and no ONNX Runtime either'):
        served.infer(FRAMES)


def test_errors_that_are_not_of_cuda_are_the_callers():
    engine = Engine(2, [EngineError('a bad batch'), ValueError('a bad shape')])
    served = EngineManager(verified(engine, 'onnxruntime'))
    for error in (EngineError, ValueError):
        with pytest.raises(error, match='a bad'):
            served.infer(FRAMES)
    assert label(served) == 2 and not engine.reopened
