"""Sentences about what went wrong with a drive, collected on the way and told at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator


class Warnings:
    """Sentences in the order in which they came; what was only counted comes after them.

    The length is the number of sentences.
    """

    def __init__(self, *sentences: str):
        """Begin with these sentences."""
        self._sentences = list(sentences)
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, *sentences: str) -> None:
        """Append sentences, each told as it is, however often it comes."""
        self._sentences += sentences

    def count(self, what: str, why: str) -> None:
        """Count one more of ``what`` for a reason; told as one sentence, such as below.

        ``12 frames without a road: the bag has no camera_info``
        """
        self._counts[what, why] += 1

    def __iter__(self) -> Iterator[str]:
        """Yield the sentences, those with counts last."""
        yield from self._sentences
        for (what, why), number in self._counts.items():
            yield f'{number} {what}: {why}'

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self._sentences) + len(self._counts)
