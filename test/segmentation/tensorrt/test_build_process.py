"""Building beside the node: two at once, and what may end it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from asap_ros.segmentation.tensorrt import build_process
from asap_ros.segmentation.tensorrt.build_process import BuildProcess, BuildRequest, parse_request
from asap_ros.segmentation.tensorrt.plan import BuildError, PlanOptions, make_key
from asap_ros.segmentation.tensorrt.plan_cache import PlanCache

OPTIONS = PlanOptions('fp16', (64, 128), 1, ('sm86',))
PATIENCE = 120.0
"""Seconds that a build of a small engine may take on a machine that is busy."""


def request(shipped, cache, **changes):
    values = {
        'model': str(shipped.path),
        'sha256': shipped.sha256,
        'runtime': 'tensorrt_rtx',
        'options': OPTIONS,
        'cache': str(cache.folder),
    }
    return BuildRequest(**values | changes)


def test_request_there_and_back(shipped, cache):
    made = request(shipped, cache)
    assert parse_request(made.dump()) == made


def test_two_processes_build_one_engine_once(rtx, shipped, cache):
    key = make_key(shipped, rtx, OPTIONS, '')
    heard = [[], []]
    with cache.lock(key):
        processes = [BuildProcess(request(shipped, cache)) for _ in heard]
        threads = [
            threading.Thread(
                target=process.wait, args=(lambda phase, share, to=phases: to.append(phase),)
            )
            for process, phases in zip(processes, heard)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + PATIENCE
        while not all(heard) and time.monotonic() < end:
            time.sleep(0.02)
    for thread in threads:
        thread.join(PATIENCE)
    assert all('waiting for another process' in phases[0] for phases in heard)
    assert sorted(len(phases) > 1 for phases in heard) == [False, True]
    assert cache.find(key) is not None and not cache.faults


@pytest.mark.parametrize(
    'changes, says',
    [
        ({'options': PlanOptions('int8', (64, 128), 1, ('sm86',))}, 'holds no quantisation'),
        ({'options': PlanOptions('fp16', (64, 128), 1, ('sm90',))}, 'does not build for sm90'),
        ({'model': '/nowhere.onnx'}, 'nowhere.onnx cannot be read'),
    ],
)
def test_failure_comes_as_its_sentence(rtx, shipped, cache, changes, says):
    with pytest.raises(BuildError, match=says):
        BuildProcess(request(shipped, cache, **changes)).wait(lambda phase, share: None)


def test_process_that_dies_is_named_with_its_last_words(shipped, cache, monkeypatch):
    monkeypatch.setattr(build_process, 'WORKER', 'asap_ros.no_such_module')
    with pytest.raises(BuildError, match='ended with status 1: .*No module named'):
        BuildProcess(request(shipped, cache)).wait(lambda phase, share: None)


def test_stopping_ends_the_process_and_its_lock(rtx, shipped, cache):
    key = make_key(shipped, rtx, OPTIONS, '')
    with cache.lock(key):
        process = BuildProcess(request(shipped, cache))
        phases = []
        waiting = threading.Thread(
            target=lambda: pytest.raises(BuildError, process.wait, lambda *p: phases.append(p))
        )
        waiting.start()
        end = time.monotonic() + PATIENCE
        while not phases and time.monotonic() < end:
            time.sleep(0.02)
        process.stop()
        waiting.join(PATIENCE)
        assert not waiting.is_alive()
    process.stop()
    assert PlanCache(Path(cache.folder)).find(key) is None
