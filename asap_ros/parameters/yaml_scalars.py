"""Types of single values in a ROS 2 parameter file, as rcl_yaml_param_parser infers them."""

from __future__ import annotations

import re
import sys

Scalar = bool | int | float | str

TRUE = 'Y y yes Yes YES true True TRUE on On ON'.split()
FALSE = 'N n no No NO false False FALSE off Off OFF'.split()
STRING_TAG = 'tag:yaml.org,2002:str'
INTEGER = re.compile(r'[+-]?(?:0[xX][\da-fA-F]+|0[0-7]*|[1-9]\d*)', re.ASCII)
"""What strtoll takes with base 0: hexadecimal behind 0x, octal behind 0."""
REAL = re.compile(r'[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?', re.ASCII)
HEXADECIMAL_REAL = re.compile(
    r'[+-]?0[xX](?:[\da-fA-F]+\.?[\da-fA-F]*|\.[\da-fA-F]+)(?:[pP][+-]?\d+)?', re.ASCII
)
NOT_FINITE = re.compile(r'[+-]?(?:inf|infinity|nan)|\.nan|[+-]?\.inf', re.ASCII | re.IGNORECASE)
DOTTED = re.compile(r'\.(?:nan|NaN|NAN)|[+-]?\.(?:inf|Inf|INF)')
"""Spellings with a dot; of others in mixed case rcl knows none."""


def parse(text: str, style: str | None, tag: str | None) -> Scalar:
    """Return a value of a file: with quotes always a string, else what it looks like to rcl.

    ``style`` and ``tag`` as PyYAML's ScalarEvent has them.
    """
    if tag == STRING_TAG or style in ("'", '"'):
        return text
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    integer = _integer(text)
    if integer is not None:
        return integer
    real = _real(text)
    return text if real is None else real


def _integer(text: str) -> int | None:
    """Return an integer of 64 bits, None where the text is none."""
    if not INTEGER.fullmatch(text):
        return None
    digits = text.lstrip('+-')
    base = 16 if digits[:2] in ('0x', '0X') else 8 if digits.startswith('0') else 10
    value = int(text, base)
    return value if -(2**63) <= value < 2**63 else None


def _real(text: str) -> float | None:
    """Return a double, None where the text is none or leaves its range."""
    if NOT_FINITE.fullmatch(text):
        if '.' in text and not DOTTED.fullmatch(text):
            return None
        return float(text.replace('.', ''))
    if HEXADECIMAL_REAL.fullmatch(text):
        try:
            value = float.fromhex(text)
        except OverflowError:
            return None
    elif REAL.fullmatch(text):
        value = float(text)
    else:
        return None
    mantissa = re.split('[eEpP]', text.lower().replace('0x', ''))[0]
    vanished = abs(value) < sys.float_info.min and bool(re.search('[1-9a-f]', mantissa))
    return None if vanished or abs(value) == float('inf') else value
