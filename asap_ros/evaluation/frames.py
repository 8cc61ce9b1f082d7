"""A drive's camera frames in order, each beside its reference mask."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from asap_ros.evaluation.bags import Bag, BagError, Message
from asap_ros.evaluation.topics import Drive

LOOK_AHEAD = 16
"""Frames that may wait for a reference recorded late, before they go on without one."""


@dataclass(frozen=True)
class Frame:
    """A recorded camera frame and the reference mask of the same stamp, None without one."""

    stamp_ns: int
    image: Message
    reference: Message | None


def frames(bag: Bag, drive: Drive, unreadable: list[str]) -> Iterator[Frame]:
    """Yield the camera's frames in the bag's order.

    A message whose header cannot be read is left out, its BagError's text put into
    ``unreadable``.
    """
    waiting: deque[tuple[int, Message]] = deque()
    references: dict[int, Message] = {}
    newest_reference = -1
    for message in bag.messages(drive.image, drive.reference):
        try:
            stamp = message.stamp_ns
        except BagError as error:
            unreadable.append(str(error))
            continue
        if message.topic is drive.image:
            waiting.append((stamp, message))
        else:
            references[stamp] = message
            newest_reference = stamp
        while waiting and (
                waiting[0][0] in references or newest_reference > waiting[0][0]
                or len(waiting) > LOOK_AHEAD or not drive.reference):
            yield _frame(waiting, references)
    while waiting:
        yield _frame(waiting, references)


def play_order(bag: Bag, drive: Drive, unreadable: list[str]) -> Iterator[Message]:
    """Yield the camera's images and calibrations, no image before the calibration of its stamp.

    A recorder may have written the two in either order; who listens needs the calibration
    first. Messages whose header cannot be read are left out as in ``frames``.
    """
    waiting: deque[Message] = deque()
    newest_info = -1
    for message in bag.messages(drive.image, drive.camera_info):
        try:
            stamp = message.stamp_ns
        except BagError as error:
            unreadable.append(str(error))
            continue
        if message.topic is drive.image:
            waiting.append(message)
        else:
            newest_info = max(newest_info, stamp)
            yield message
        while waiting and (newest_info >= waiting[0].stamp_ns or not drive.camera_info
                           or len(waiting) > LOOK_AHEAD):
            yield waiting.popleft()
    yield from waiting


def rate(bag: Bag, drive: Drive) -> float:
    """Return the camera's frames a second by the bag's first seconds, 10 where it cannot tell."""
    times = [m.time_ns for m in islice(bag.messages(drive.image), 50)]
    steps = sorted(b - a for a, b in zip(times, times[1:]) if b > a)
    return 1e9 / steps[len(steps) // 2] if steps else 10.


def _frame(waiting: deque[tuple[int, Message]], references: dict[int, Message]) -> Frame:
    """Take the frame that waits longest, and forget the references before it."""
    stamp, image = waiting.popleft()
    reference = references.pop(stamp, None)
    for old in [s for s in references if s < stamp]:
        del references[old]
    return Frame(stamp, image, reference)
