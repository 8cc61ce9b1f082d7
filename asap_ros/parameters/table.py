"""The segmenter's parameters as a table in Markdown: ``python -m asap_ros.parameters.table``."""

from __future__ import annotations

from asap_ros.parameters.definition import Definition, Value
from asap_ros.parameters.segmenter_parameters import DEFINITIONS

HEAD = ('name', 'type', 'default', 'unit', 'possible', 'running', 'meaning')


def markdown() -> str:
    """Return the table, as docs/node.md holds it."""
    rows = [HEAD, ('---',) * len(HEAD), *map(_row, DEFINITIONS)]
    return ''.join(f'{"".join(f"| {cell} " if cell else "| " for cell in row)}|\n' for row in rows)


def _row(one: Definition) -> tuple[str, ...]:
    return (
        f'`{one.name}`',
        one.ros_type.lower().replace('_', ' '),
        written(one.default),
        one.unit,
        _possible(one),
        'yes' if one.may_change else '',
        one.description,
    )


def written(value: Value) -> str:
    """Return a value as a parameter file has it; nothing for a list that nobody set."""
    if value == ():
        return 'unset'
    if value == '':
        return "''"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _possible(one: Definition) -> str:
    if one.choices:
        return ', '.join(f'`{choice}`' for choice in one.choices)
    if not one.range:
        return ''
    low, high = one.range
    steps = f', multiples of {one.step}' if one.step > 1 else ''
    return f'{low:g} to {high:g}{steps}'


if __name__ == '__main__':
    print(markdown(), end='')
