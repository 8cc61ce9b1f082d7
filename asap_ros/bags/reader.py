"""Recorded drives: what a ROS 2 bag holds, which of its topics matter, its messages in order."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader

from asap_ros.bags import mcap_recovery
from asap_ros.bags.mcap_recovery import TopicKey
from asap_ros.bags.typestore import typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TF = 'tf2_msgs/msg/TFMessage'
ODOMETRY = 'nav_msgs/msg/Odometry'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
ROAD_GEOMETRY = 'asap_ros/msg/RoadGeometry'
STORAGE = ('.mcap', '.db3')


class BagError(RuntimeError):
    """A bag that cannot be read or lacks what is asked of it; the text says what to do."""


@dataclass(frozen=True)
class Topic:
    """One recorded topic: its name, its message type and how many messages there are."""

    name: str
    type: str
    count: int

    @property
    def compressed(self) -> bool:
        """Return whether its messages are sensor_msgs/CompressedImage."""
        return self.type == COMPRESSED

    def __str__(self) -> str:
        """Return the topic as it is listed for a reader."""
        return f'{self.name} ({self.type}, {self.count} messages)'


@dataclass(frozen=True)
class Message:
    """One recorded message: its topic, the bag's time in ns, and its bytes as recorded (CDR)."""

    topic: Topic
    time_ns: int
    cdr: bytes

    @cached_property
    def value(self) -> Any:
        """The message's fields, as attributes; BagError where the bytes do not make sense."""
        try:
            return typestore().deserialize_cdr(self.cdr, self.topic.type)
        except Exception as error:  # whatever a parser does on damaged bytes, it is one thing here
            raise BagError(
                f'a message on {self.topic.name} at {self.time_ns / 1e9:.3f} s is not a '
                f'{self.topic.type}: {error}'
            ) from error

    @property
    def stamp_ns(self) -> int:
        """Return the header's stamp in nanoseconds; BagError as for ``value``."""
        stamp = self.value.header.stamp
        return stamp.sec * 1_000_000_000 + stamp.nanosec


class Bag:
    """A rosbag2 recording: a folder with metadata.yaml, or one .mcap or .db3 file.

    ``files`` are its storage files. ``damage`` is None, or the sentence that says what could not
    be read; it can appear while messages are read. What is readable of a damaged MCAP file is
    still given.
    """

    def __init__(self, path: str | Path):
        """Open the bag; BagError says what is wrong with it where that cannot be done."""
        self.path = Path(path)
        self.damage: str | None = None
        self.files = _storage_files(self.path)
        self._reader: Reader | None = None
        try:
            reader = Reader(self.path)
            reader.open()
        except Exception as error:  # a damaged file makes the parsers behind this fail anyhow
            self.topics = self._recovered_topics(error)
        else:
            self._reader = reader
            counts: dict[TopicKey, int] = {}
            for c in reader.connections:
                key = (c.topic, c.msgtype)
                counts[key] = counts.get(key, 0) + c.msgcount
            self.topics = tuple(Topic(*key, count) for key, count in sorted(counts.items()))

    def __enter__(self) -> Bag:
        """Return the open bag."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the bag's files."""
        self.close()

    def close(self) -> None:
        """Close the bag's files; closing twice does nothing."""
        if self._reader:
            self._reader.close()
            self._reader = None

    @property
    def name(self) -> str:
        """Return the folder's or the file's name without its ending."""
        return self.path.resolve().stem if self.path.is_file() else self.path.resolve().name

    def messages(self, *topics: Topic | None) -> Iterator[Message]:
        """Yield the messages of the topics given (None is passed over) in time order."""
        wanted = {(t.name, t.type): t for t in topics if t}
        newest = -1
        at_newest: list[tuple] = []
        if self._reader:
            yielded = 0
            try:
                for key, time_ns, cdr in _indexed(self._reader, wanted):
                    if time_ns > newest:
                        newest, at_newest = time_ns, []
                    at_newest.append((key, cdr))
                    yielded += 1
                    yield Message(wanted[key], time_ns, cdr)
                return
            except Exception as error:  # as on opening: damage shows as any kind of exception
                self._note_damage(error, yielded)
        for key, time_ns, cdr in self._recovered():
            if key in wanted and time_ns >= newest and (key, cdr) not in at_newest:
                yield Message(wanted[key], time_ns, cdr)

    def _recovered(self) -> Iterator[tuple[TopicKey, int, bytes]]:
        """Yield whatever whole messages the MCAP files hold, whatever their index says."""
        for file in self.files:
            if file.suffix == '.mcap':
                yield from mcap_recovery.messages(file)

    def _recovered_topics(self, error: Exception) -> tuple[Topic, ...]:
        """Return the topics that a scan finds in a bag that does not open; else BagError."""
        counts: dict[TopicKey, int] = {}
        for key, _, _ in self._recovered():
            counts[key] = counts.get(key, 0) + 1
        if not counts:
            raise BagError(
                f'bag {self.path} is corrupt and not one message could be read: {error}'
            ) from error
        self._note_damage(error)
        return tuple(Topic(*key, count) for key, count in sorted(counts.items()))

    def _note_damage(self, error: Exception, before: int = 0) -> None:
        """Put into words what is damaged; a sentence from opening is kept."""
        if self.damage:
            return
        readable = sum(1 for _ in self._recovered())
        if readable:
            self.damage = f'bag {self.path} is damaged ({error}): {readable} messages are readable'
        else:
            self.damage = (
                f'bag {self.path} is damaged ({error}): reading ended after {before} messages'
            )


def _indexed(reader: Reader, wanted: Container[TopicKey]) -> Iterator[tuple[TopicKey, int, bytes]]:
    """Yield (topic and type, time, bytes) as the index of a bag leads to them."""
    connections = [c for c in reader.connections if (c.topic, c.msgtype) in wanted]
    if connections:
        for connection, time_ns, cdr in reader.messages(connections):
            yield (connection.topic, connection.msgtype), time_ns, bytes(cdr)


def _storage_files(path: Path) -> list[Path]:
    """Return the bag's storage files in order; BagError where the path is no bag."""
    if not path.exists():
        raise BagError(f'no such bag: {path}')
    if path.is_file():
        if path.suffix not in STORAGE:
            raise BagError(
                f'{path} is not a ROS 2 bag: give a folder that ros2 bag record made, '
                'or its .mcap or .db3 file'
            )
        return [path]
    files = sorted((p for p in path.iterdir() if p.suffix in STORAGE), key=_split_number)
    if (path / 'metadata.yaml').exists():
        return files
    if files:
        raise BagError(
            f'bag {path} has no metadata.yaml, as after a recording that was cut off: run '
            f'"ros2 bag reindex {path}", or give the file itself, {files[0]}'
        )
    raise BagError(
        f'{path} is not a ROS 2 bag: it has neither metadata.yaml nor a .mcap or .db3 file'
    )


def _split_number(path: Path) -> tuple[int, str]:
    """Return the sorting key of a split recording's files: _0, _1, … _10."""
    number = path.stem.rpartition('_')[2]
    return (int(number) if number.isdecimal() else -1, path.name)
