"""Progress as lines of text, for output that is no terminal: a launch file's, a log's."""

from __future__ import annotations

import time

INTERVAL = 2.0
"""Seconds between two lines."""


class Progress:
    """Prints how far a run of ``total`` steps is, how fast it goes and when it will end."""

    def __init__(self, name: str, total: int):
        """Begin now."""
        self._name, self._total = name, total
        self._start = self._printed = time.monotonic()
        self._done = 0

    def step(self, done: int, note: str = '') -> None:
        """Note that ``done`` steps are finished; print a line if the last one is long ago."""
        self._done = done
        now = time.monotonic()
        if now - self._printed >= INTERVAL:
            self._printed = now
            print(line(self._name, done, self._total, now - self._start, note), flush=True)

    def end(self) -> None:
        """Print the last line."""
        print(
            line(self._name, self._done, self._total, time.monotonic() - self._start, ''),
            flush=True,
        )


def line(name: str, done: int, total: int, seconds: float, note: str) -> str:
    """Return one line about ``done`` of ``total`` steps in so many seconds."""
    parts = [f'{name}: {done}/{total} frames']
    if note:
        parts.append(note)
    if done and seconds > 0:
        parts.append(f'{done / seconds:.1f} frames/s')
        if done < total:
            parts.append(f'ETA {(total - done) * seconds / done:.0f} s')
    return ', '.join(parts)
