"""The figures of every frame, kept beside a report as ``frames.csv``."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

NAME = 'frames.csv'


class FrameTableError(ValueError):
    """A ``frames.csv`` that cannot be read; the text says where and what."""


class FrameTable:
    """ColumnContacts of numbers, one row a frame; float64 (n,), NaN where a frame has no such figure."""

    def __init__(self, columns: Mapping[str, np.ndarray], rows: np.ndarray | None = None):
        """Take columns of one length; ``rows`` int (m,) selects some, in any order, repeated."""
        self._columns = columns
        self._rows = rows

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, float]]) -> FrameTable:
        """Return the table of frames, each a mapping of column to number."""
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        return cls({name: np.array([_number(row.get(name)) for row in rows]) for name in names})

    def __len__(self) -> int:
        """Return the number of frames."""
        if self._rows is not None:
            return len(self._rows)
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column, all NaN where there is none of that name."""
        if name not in self._columns:
            return np.full(len(self), np.nan)
        column = self._columns[name]
        return column if self._rows is None else column[self._rows]

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._columns)

    def below(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the columns ``prefix.X`` by X."""
        return {
            name[len(prefix) + 1 :]: self[name]
            for name in self._columns
            if name.startswith(f'{prefix}.')
        }

    def take(self, rows: np.ndarray) -> FrameTable:
        """Return the table of some frames of a whole one, in the order of ``rows`` int (m,)."""
        return FrameTable(self._columns, rows)

    def write(self, path: Path) -> None:
        """Write the table as CSV in one step; a cell without a figure is empty."""
        partial = path.with_name(f'.{path.name}.partial')
        with partial.open('w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(self.names)
            for row in zip(*(self[name].tolist() for name in self.names)):
                writer.writerow([_cell(value) for value in row])
        os.replace(partial, path)


def read(path: Path) -> FrameTable:
    """Return the table in a CSV file; TableError where it is none, OSError where it is absent."""
    with path.open(newline='') as file:
        rows = list(csv.reader(file))
    if not rows:
        return FrameTable({})
    names, *rows = rows
    try:
        if any(len(row) != len(names) for row in rows):
            raise ValueError('rows of different lengths')
        values = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    except ValueError as error:
        raise FrameTableError(f'{path} is not a table of frames: {error}') from error
    values = values.reshape(len(rows), len(names))
    return FrameTable({name: values[:, k] for k, name in enumerate(names)})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _cell(value: float) -> str:
    """Return a number with at most nine digits, whole ones without a point."""
    if math.isnan(value):
        return ''
    return str(int(value)) if value.is_integer() else f'{value:.9g}'
