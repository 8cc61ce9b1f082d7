from __future__ import annotations

from types import SimpleNamespace

import pytest

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.tensorrt import runtimes
from asap_ros.segmentation.tensorrt.runtimes import BuildProgress, TensorRtRuntime, make_monitor


def module(version, flags=(), builder_flags=(), **members):
    """Return what tells one version of TensorRT from another."""
    numbered = {name: number for number, name in enumerate(flags)}
    return SimpleNamespace(
        __version__=version,
        NetworkDefinitionCreationFlag=SimpleNamespace(**numbered),
        BuilderFlag=SimpleNamespace(**dict.fromkeys(builder_flags, 0)),
        **members,
    )


TACTICS = SimpleNamespace(
    __members__={
        'CUBLAS': 0,
        'CUBLAS_LT': 1,
        'CUDNN': 2,
        'EDGE_MASK_CONVOLUTIONS': 3,
        'JIT_CONVOLUTIONS': 4,
    }
)


@pytest.mark.parametrize(
    'version, flags, builder_flags, typed, opset, bits, tactics',
    [
        ('8.6.0', ('EXPLICIT_BATCH',), ('FP16',), False, 17, 1, 0b11000),
        ('10.3.0', ('EXPLICIT_BATCH', 'STRONGLY_TYPED'), ('FP16',), True, None, 2, None),
        ('11.0.1', (), (), True, None, 0, None),
    ],
)
def test_versions_of_tensorrt(version, flags, builder_flags, typed, opset, bits, tactics):
    runtime = TensorRtRuntime(
        'tensorrt', module(version, flags, builder_flags, TacticSource=TACTICS), None
    )
    assert (runtime.strongly_typed, runtime.opset) == (typed, opset)
    assert (runtime.network_flags, runtime.tactic_sources) == (bits, tactics)
    assert runtime.cross_targets == ()


def test_tensorrt_rtx(rtx):
    assert rtx.strongly_typed and rtx.opset is None and rtx.tactic_sources is None
    assert {'sm86', 'sm89'} <= set(rtx.cross_targets)


def test_too_old(monkeypatch):
    monkeypatch.setattr(runtimes.importlib, 'import_module', lambda name: module('8.5.3'))
    with pytest.raises(EngineError, match=r'TensorRT 8\.5\.3 is too old: 8\.6 or newer'):
        runtimes.load('tensorrt')


def test_library_that_does_not_load(monkeypatch):
    def fail(name):
        raise OSError('libnvinfer.so.8: cannot open shared object file')

    monkeypatch.setattr(runtimes.importlib, 'import_module', fail)
    with pytest.raises(EngineError, match=r'not installed .*libnvinfer.*docs/engines\.md'):
        runtimes.load('tensorrt')


def test_logger_keeps_its_latest_errors(rtx):
    logger = runtimes.make_logger(rtx.trt)
    for number in range(5):
        logger.log(rtx.trt.ILogger.ERROR, f'error {number} ')
        logger.log(rtx.trt.ILogger.WARNING, 'warning')
    assert logger.take() == 'error 2; error 3; error 4'
    assert logger.take() == 'no reason given'


def test_share_of_phases_within_phases():
    phases = BuildProgress()
    phases.start('engine', None, 4)
    assert phases.step('engine', 0) == 0.25
    phases.start('timing', 'engine', 2)
    phases.start('tactics', 'timing', 10)
    assert phases.step('tactics', 4) == pytest.approx(0.25 + 0.25 * 0.25)
    assert phases.finish('tactics') == pytest.approx(0.3125), 'a share never falls'
    assert phases.step('timing', 0) == pytest.approx(0.375)
    phases.finish('timing')
    assert phases.step('engine', 1) == 0.5
    assert phases.finish('engine') == 1.0


def test_phases_that_nobody_announced():
    phases = BuildProgress()
    assert phases.step('unknown', 3) == 0.0
    phases.start('lost', 'unknown', 3)
    assert phases.step('lost', 1) == 0.0


def test_no_monitor_where_the_version_has_none():
    assert make_monitor(module('8.6.0'), print, bool) is None
