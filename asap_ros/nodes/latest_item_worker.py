"""A worker thread that always takes the newest item and lets older waiting ones go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')


class LatestItemWorker(Generic[Item]):
    """Runs ``process(item)`` in a thread of its own, one item at a time.

    ``report`` is called with whatever ``process`` raises; the worker then goes on.
    """

    def __init__(self, process: Callable[[Item], None], report: Callable[[Exception], None]):
        """Prepare the worker; ``start`` begins."""
        self._process, self._report = process, report
        self._changed = threading.Condition()
        self._waiting: Item | None = None
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take items; the worker must be stopped."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name='newest-worker', daemon=True)
        self._thread.start()

    def offer(self, item: Item) -> bool:
        """Make ``item`` the next one; return whether an item was lost by it.

        That is the one that was waiting, or ``item`` itself where the worker is stopped.
        """
        with self._changed:
            if not self._running:
                return True
            displaced = self._waiting is not None
            self._waiting = item
            self._changed.notify()
        return displaced

    def stop(self) -> None:
        """Let the item in work finish, forget a waiting one, and end the thread."""
        with self._changed:
            self._running = False
            self._waiting = None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or not self._running)
                if not self._running or self._waiting is None:
                    return
                item, self._waiting = self._waiting, None
            try:
                self._process(item)
            except Exception as error:  # the thread must outlive whatever one frame brings
                self._report(error)
