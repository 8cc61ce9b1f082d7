"""The bag of results: what was made of a drive, beside the stamps of the frames it was made of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from asap_ros.bags.typestore import typestore

FOLDER = 'results'


class ResultBag:
    """An MCAP bag that appears whole in ``folder/results``, or not at all."""

    def __init__(self, folder: Path):
        """Prepare a bag; nothing is written before the first message."""
        self._final = folder / FOLDER
        self._partial = folder / f'.{FOLDER}.partial'
        self._writer: Writer | None = None
        self._connections: dict[tuple[str, str], Connection] = {}

    def _open(self) -> Writer:
        """Begin to write; OSError where that cannot be done."""
        shutil.rmtree(self._partial, ignore_errors=True)  # the rest of a run that was killed
        self._partial.mkdir(parents=True)
        writer = Writer(self._partial / FOLDER, version=9, storage_plugin=StoragePlugin.MCAP)
        # Chunks in zstd: a label mask is a thirtieth of its size then.
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        writer.open()
        return writer

    def write(self, topic: str, kind: str, time_ns: int, cdr: bytes) -> None:
        """Append a serialised message of a known type at the bag's time in ns."""
        if self._writer is None:
            self._writer = self._open()
        key = topic, kind
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                topic, kind, typestore=typestore()
            )
        self._writer.write(self._connections[key], time_ns, cdr)

    def put(self, topic: str, time_ns: int, message: Any) -> None:
        """Append a message of the type store."""
        kind = message.__msgtype__
        self.write(topic, kind, time_ns, bytes(typestore().serialize_cdr(message, kind)))

    def close(self) -> Path | None:
        """Finish the bag and return its folder, None where nothing was written.

        That of an earlier run is gone then.
        """
        shutil.rmtree(self._final, ignore_errors=True)
        if self._writer is None:
            return None
        self._writer.close()
        self._writer = None
        (self._partial / FOLDER).rename(self._final)
        shutil.rmtree(self._partial)
        return self._final

    def discard(self) -> None:
        """Drop what was written; after ``close`` this does nothing."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
            shutil.rmtree(self._partial, ignore_errors=True)
