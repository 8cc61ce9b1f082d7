"""What a live segmenter made of the frames it was sent: results by stamp, and the balance."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from asap_ros import labels, resources
from asap_ros.evaluation.report import FrameCounts
from asap_ros.labels import LabelError, LabelSet
from asap_ros.road.geometry import RoadGeometry

COUNTERS = ('received', 'processed', 'dropped', 'stale', 'failed')


@dataclass
class LiveResult:
    """What came back for one frame; ``sent`` and ``arrived`` are seconds of one steady clock."""

    sent: float
    arrived: float | None = None
    stages: Mapping[str, float] | None = None
    unusable: bool = False
    packed: tuple[bytes, tuple[int, ...]] | None = None
    geometry: RoadGeometry | None = None

    @property
    def resolved(self) -> bool:
        """Return whether nothing more is to be expected for this frame."""
        return self.stages is not None and (self.unusable or self.packed is not None)

    @property
    def mask(self) -> np.ndarray | None:
        """Return the label mask, uint8 (h, w), None where there is no usable one."""
        if not self.packed or self.unusable:
            return None
        data, shape = self.packed
        return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)

    @property
    def timings(self) -> dict[str, float]:
        """Return the finite stages in ms, ``age`` being from sending to the mask's arrival."""
        stages = {k: v for k, v in (self.stages or {}).items() if math.isfinite(v)}
        stages.pop('age', None)
        if self.arrived is not None:
            stages['age'] = (self.arrived - self.sent) * 1e3
        return stages


class LiveResults:
    """The frames sent and what came back for each, matched by the header's stamp in ns.

    Masks are kept compressed, about 20 kB each, so that a long drive fits into memory and is
    scored after it, when that takes no time from the segmenter.
    """

    def __init__(self) -> None:
        """Start with nothing sent."""
        self._results: dict[int, LiveResult] = {}
        self.counters = dict.fromkeys(COUNTERS, 0)

    def __len__(self) -> int:
        """Return how many frames were sent."""
        return len(self._results)

    def __contains__(self, stamp_ns: int) -> bool:
        """Return whether a frame of that stamp was sent."""
        return stamp_ns in self._results

    def __getitem__(self, stamp_ns: int) -> LiveResult:
        """Return what came back for a frame that was sent."""
        return self._results[stamp_ns]

    @property
    def processed(self) -> int:
        """Return how many frames have a usable mask."""
        return sum(r.packed is not None and not r.unusable for r in self._results.values())

    def add_sent(self, stamp_ns: int, now: float) -> None:
        """Note that a frame goes out; ValueError where its stamp has been used before."""
        if stamp_ns in self._results:
            raise ValueError(
                f'two frames share the stamp {stamp_ns / 1e9:.6f} s: their results '
                'cannot be told apart'
            )
        self._results[stamp_ns] = LiveResult(now)

    def discard(self, stamp_ns: int) -> None:
        """Forget a frame whose result nobody waits for any more."""
        del self._results[stamp_ns]

    def add_mask(self, stamp_ns: int, mask: np.ndarray, now: float) -> None:
        """Note a mask, uint8 (h, w); masks of frames that were not sent are passed over."""
        result = self._results.get(stamp_ns)
        if result:
            result.arrived = now
            result.packed = zlib.compress(np.ascontiguousarray(mask).data, 1), mask.shape

    def add_geometry(self, stamp_ns: int, geometry: RoadGeometry) -> None:
        """Note the corridor of a frame; those of frames that were not sent are passed over."""
        result = self._results.get(stamp_ns)
        if result:
            result.geometry = geometry

    def add_timings(
        self, stamp_ns: int, stages: Mapping[str, float], counters: Mapping[str, int]
    ) -> None:
        """Note a frame's stages in ms and the segmenter's counters since its activation.

        Where more have failed or gone stale than before but none was processed, the frame is
        without result. (An earlier one may have failed without a message of its own.)
        """
        lost = counters['processed'] <= self.counters['processed'] and any(
            counters[k] > self.counters[k] for k in ('stale', 'failed')
        )
        self.counters = {k: max(int(counters[k]), self.counters[k]) for k in COUNTERS}
        result = self._results.get(stamp_ns)
        if result:
            result.stages = dict(stages)
            result.unusable = lost

    def counts(self, recorded: int, unreadable: int, lockstep: bool) -> FrameCounts:
        """Return the balance of the run; every frame sent has exactly one fate.

        ``unreadable`` frames of the bag were never sent and count as failed. A frame of which
        nothing was heard has failed in lockstep, where it was waited for; otherwise the
        transport put a newer one in its place, and it was dropped.
        """
        sent, processed = len(self), self.processed
        left = sent - processed
        stale = min(self.counters['stale'], left)
        failed = min(self.counters['failed'], left - stale)
        dropped = min(self.counters['dropped'], left - stale - failed)
        silent = left - stale - failed - dropped
        return FrameCounts(
            recorded=recorded,
            sent=sent,
            received=min(max(self.counters['received'], processed), sent),
            processed=processed,
            dropped=dropped + (0 if lockstep else silent),
            stale=stale,
            failed=failed + unreadable + (silent if lockstep else 0),
        )


def label_set_of(classes: Iterable[tuple[int, str]]) -> LabelSet:
    """Return the packaged label set whose classes are these (id, name) pairs, 255 left out.

    Raises LabelError, naming the classes, where there is none.
    """
    names = tuple(name for index, name in sorted(classes) if index < labels.IGNORED)
    for path in sorted(resources.find('config/labels').glob('*.yaml')):
        known = labels.load(str(path))
        if known.names == names:
            return known
    raise LabelError(
        f"the segmenter's classes ({', '.join(names) or 'none'}) are those of no "
        'label set in config/labels, so its masks can be neither shown nor scored; '
        'add the label set there'
    )


def engine_facts(
    statuses: Iterable[tuple[str, Mapping[str, str]]], segmenter: str
) -> dict[str, str] | None:
    """Return the engine's facts out of diagnostics, (name, values) pairs; None if not among them.

    ``segmenter`` is the node's name, with or without its namespace.
    """
    wanted = f'{segmenter.rpartition("/")[2]}: engine'
    for name, values in statuses:
        if name.rpartition('/')[2] == wanted:
            return dict(values)
    return None
