"""Whole messages out of a damaged MCAP file, read from front to back without its index.

The layout is that of https://mcap.dev/spec: a record is one byte of kind, eight of length, and
its content; a chunk holds compressed records. Only what messages need is read here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F

TopicKey = tuple[str, str]
"""Name and type: a recording may have two types under one name."""


def messages(path: Path) -> Iterator[tuple[TopicKey, int, bytes]]:
    """Yield ((topic, type), log time in ns, CDR bytes) of every message that is still whole.

    Messages come in time order within a chunk and chunks in the file's order. A chunk whose
    content does not fit its checksum is left out; reading ends where the file ends or where its
    records no longer follow one another. Raises OSError where the file cannot be read at all.
    """
    schemas: dict[int, str] = {}
    channels: dict[int, TopicKey] = {}
    size = path.stat().st_size
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        for kind, content in _records(file, size):
            if kind == DATA_END:
                return
            inner = _unpack(content) if kind == CHUNK else [(kind, content)]
            found = []
            for inner_kind, data in inner:
                try:
                    message = _read_record(inner_kind, data, schemas, channels)
                except (struct.error, UnicodeDecodeError):
                    continue
                if message:
                    found.append(message)
            yield from sorted(found, key=lambda message: message[1])


def _records(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, content) of the records that lie wholly within the file."""
    while len(head := file.read(9)) == 9:
        kind, length = struct.unpack('<BQ', head)
        if length > size - file.tell():
            return
        yield kind, file.read(length)


def _unpack(chunk: bytes) -> list[tuple[int, bytes]]:
    """Return the records within a chunk, none where its content is damaged."""
    try:
        uncompressed_size, crc, name_length = struct.unpack_from('<QII', chunk, 16)
        compression = chunk[32 : 32 + name_length].decode()
        (length,) = struct.unpack_from('<Q', chunk, 32 + name_length)
        begin = 40 + name_length
        data = DECOMPRESSORS[compression](chunk[begin : begin + length], uncompressed_size)
    except Exception:  # each decompressor fails in its own way; the chunk is lost in any case
        return []
    if len(data) != uncompressed_size or (crc and zlib.crc32(data) != crc):
        return []
    records = []
    at = 0
    while at + 9 <= len(data):
        kind, length = struct.unpack_from('<BQ', data, at)
        if at + 9 + length > len(data):
            break
        records.append((kind, data[at + 9 : at + 9 + length]))
        at += 9 + length
    return records


def _read_record(
    kind: int, data: bytes, schemas: dict[int, str], channels: dict[int, TopicKey]
) -> tuple[TopicKey, int, bytes] | None:
    """Note a schema or a channel, or return a message whose channel is known."""
    if kind == SCHEMA:
        (key,) = struct.unpack_from('<H', data)
        schemas[key] = _string(data, 2)
    elif kind == CHANNEL:
        key, schema = struct.unpack_from('<HH', data)
        if schema in schemas:
            channels[key] = (_string(data, 4), schemas[schema])
    elif kind == MESSAGE:
        key, _, log_time, _ = struct.unpack_from('<HIQQ', data)
        if key in channels:
            return channels[key], log_time, data[22:]
    return None


def _string(data: bytes, at: int) -> str:
    """Return the length-prefixed UTF-8 text at an offset."""
    (length,) = struct.unpack_from('<I', data, at)
    return data[at + 4 : at + 4 + length].decode()
