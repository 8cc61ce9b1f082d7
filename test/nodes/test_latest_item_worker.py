from __future__ import annotations

import queue
import threading

import pytest

from asap_ros.nodes.latest_item_worker import LatestItemWorker

TIMEOUT = 20.0


class Held:
    """A worker whose items wait for the test to release them."""

    def __init__(self):
        self.begun, self.release, self.errors = queue.Queue(), queue.Queue(), []
        self.done = queue.Queue()
        self.worker = LatestItemWorker(self.process, self.errors.append)

    def process(self, item):
        self.begun.put(item)
        outcome = self.release.get(timeout=TIMEOUT)
        if outcome is not None:
            raise outcome
        self.done.put(item)


@pytest.fixture
def held():
    held = Held()
    held.worker.start()
    yield held
    for _ in range(3):
        held.release.put(None)
    held.worker.stop()


def test_only_the_newest_waiting_item_is_taken(held):
    assert held.worker.offer(1) is False
    assert held.begun.get(timeout=TIMEOUT) == 1
    assert held.worker.offer(2) is False  # 1 is in work, not waiting: nothing is displaced
    assert held.worker.offer(3) is True
    assert held.worker.offer(4) is True
    held.release.put(None)
    assert held.begun.get(timeout=TIMEOUT) == 4
    assert held.done.get(timeout=TIMEOUT) == 1


def test_work_is_done_in_a_thread_of_its_own():
    found = queue.Queue()
    worker = LatestItemWorker(lambda _: found.put(threading.current_thread()), pytest.fail)
    worker.start()
    worker.offer(1)
    assert found.get(timeout=TIMEOUT) is not threading.current_thread()
    worker.stop()


def test_an_error_is_reported_and_the_next_item_taken(held):
    error = ZeroDivisionError('one')
    held.worker.offer(1)
    held.begun.get(timeout=TIMEOUT)
    held.release.put(error)
    held.worker.offer(2)
    assert held.begun.get(timeout=TIMEOUT) == 2
    assert held.errors == [error]
    held.release.put(None)
    assert held.done.get(timeout=TIMEOUT) == 2


def test_stop_finishes_the_item_in_work_and_forgets_the_waiting_one(held):
    held.worker.offer(1)
    held.begun.get(timeout=TIMEOUT)
    held.worker.offer(2)
    stopping = threading.Thread(target=held.worker.stop)
    stopping.start()
    held.release.put(None)
    stopping.join(TIMEOUT)
    assert not stopping.is_alive()
    assert held.done.get(timeout=TIMEOUT) == 1
    held.worker.start()
    held.worker.offer(3)
    assert held.begun.get(timeout=TIMEOUT) == 3


def test_what_is_offered_while_stopped_is_not_taken_up_later(held):
    held.worker.stop()
    assert held.worker.offer(1) is True
    held.worker.start()
    held.worker.offer(2)
    assert held.begun.get(timeout=TIMEOUT) == 2


def test_no_thread_is_left_behind():
    before = threading.active_count()
    worker = LatestItemWorker(lambda _: None, pytest.fail)
    for _ in range(5):
        worker.start()
        worker.offer(1)
        worker.stop()
    worker.stop()  # once more does no harm
    assert threading.active_count() == before
