"""A drive's camera frames in order, each beside its reference mask and its truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from asap_ros.bags.reader import Bag, BagError, Message, Topic
from asap_ros.bags.topics import DriveTopics
from asap_ros.bags.warnings import Warnings

LOOK_AHEAD = 16
"""Frames that may wait for a reference recorded late, before they go on without one."""


@dataclass(frozen=True)
class RecordedFrame:
    """A recorded camera frame and what else has its stamp, None for what there is not.

    ``reference`` is a label mask to compare with, ``mask`` one to take for a network's,
    ``true_road`` and ``true_space`` are metric truth.
    """

    stamp_ns: int
    image: Message
    reference: Message | None = None
    mask: Message | None = None
    true_road: Message | None = None
    true_space: Message | None = None


def camera_frames(bag: Bag, drive: DriveTopics, warnings: Warnings) -> Iterator[RecordedFrame]:
    """Yield the camera's frames in the bag's order.

    A message whose header cannot be read is left out and named in ``warnings``.
    """
    waiting: deque[tuple[int, Message]] = deque()
    beside: dict[Topic | None, _Companions] = {
        t: _Companions()
        for t in (drive.reference, drive.masks, drive.true_road, drive.true_space)
        if t
    }

    def take() -> RecordedFrame:
        stamp, image = waiting.popleft()
        found: dict[Topic | None, Message | None] = {
            topic: companions.take(stamp) for topic, companions in beside.items()
        }
        return RecordedFrame(
            stamp,
            image,
            found.get(drive.reference),
            found.get(drive.masks),
            found.get(drive.true_road),
            found.get(drive.true_space),
        )

    for message in bag.messages(drive.image, *beside):
        try:
            stamp = message.stamp_ns
        except BagError as error:
            warnings.add(str(error))
            continue
        if message.topic in beside:
            beside[message.topic].put(stamp, message)
        if message.topic == drive.image:  # may be a companion too: masks shown as the camera
            waiting.append((stamp, message))
        while waiting and (
            len(waiting) > LOOK_AHEAD
            or all(companions.is_decided(waiting[0][0]) for companions in beside.values())
        ):
            yield take()
    while waiting:
        yield take()


class _Companions:
    """Messages of a topic that wait for the frames of their stamps."""

    def __init__(self) -> None:
        self._by_stamp: dict[int, Message] = {}
        self._newest = -1

    def put(self, stamp: int, message: Message) -> None:
        """Take in a message."""
        self._by_stamp[stamp] = message
        self._newest = stamp

    def is_decided(self, stamp: int) -> bool:
        """Return whether the message of that stamp is here, or will not come any more."""
        return stamp in self._by_stamp or self._newest > stamp

    def take(self, stamp: int) -> Message | None:
        """Return the message of that stamp, and forget it and those before it."""
        found = self._by_stamp.get(stamp)
        self._by_stamp = {s: m for s, m in self._by_stamp.items() if s > stamp}
        return found


def play_order(bag: Bag, drive: DriveTopics, warnings: Warnings) -> Iterator[Message]:
    """Yield images, calibrations and odometry, no image before the calibration of its stamp.

    A recorder may have written the two in either order; who listens needs the calibration
    first. Messages whose header cannot be read are left out as in ``camera_frames``.
    """
    waiting: deque[Message] = deque()
    newest_info = -1
    for message in bag.messages(drive.image, drive.camera_info, drive.odometry):
        try:
            stamp = message.stamp_ns
        except BagError as error:
            warnings.add(str(error))
            continue
        if message.topic == drive.image:
            waiting.append(message)
        elif message.topic == drive.odometry:
            yield message
        else:
            newest_info = max(newest_info, stamp)
            yield message
        while waiting and (
            newest_info >= waiting[0].stamp_ns
            or not drive.camera_info
            or len(waiting) > LOOK_AHEAD
        ):
            yield waiting.popleft()
    yield from waiting


def rate(bag: Bag, drive: DriveTopics) -> float:
    """Return the camera's frames a second by the bag's first seconds, 10 where it cannot tell."""
    times = [m.time_ns for m in islice(bag.messages(drive.image), 50)]
    steps = sorted(b - a for a, b in zip(times, times[1:]) if b > a)
    return 1e9 / steps[len(steps) // 2] if steps else 10.0
