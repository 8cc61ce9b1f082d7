"""The methods that TensorRT publishes, and a base of stand-ins that can do no more than that.

Calls must fit the signatures that the real module states in its docstrings, or those of TensorRT
8.6 below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

TENSORRT_8_6 = """
Runtime.__init__(self: Runtime, logger: ILogger) -> None
Runtime.deserialize_cuda_engine(self: Runtime, serialized_engine: buffer) -> ICudaEngine
ICudaEngine.num_io_tensors
ICudaEngine.get_tensor_name(self: ICudaEngine, index: int) -> str
ICudaEngine.create_execution_context(self: ICudaEngine) -> IExecutionContext
IExecutionContext.set_input_shape(self: IExecutionContext, name: str, shape: Dims) -> bool
IExecutionContext.get_tensor_shape(self: IExecutionContext, name: str) -> Dims
IExecutionContext.set_tensor_address(self: IExecutionContext, name: str, memory: int) -> bool
IExecutionContext.execute_async_v3(self: IExecutionContext, stream_handle: int) -> bool
"""
"""As the docstrings of the wheel tensorrt 8.6.0 state them."""

SIGNATURE = re.compile(r'(?:\d+\. )?(\w+)\((.*)\) -> (.+)')


@dataclass(frozen=True)
class Signature:
    """Parameters without self as (name, type, whether it has a default)."""

    parameters: tuple[tuple[str, str, bool], ...]

    def refusal(self, arguments) -> str:
        """Return why positional arguments do not fit, nothing where they do."""
        least = sum(not default for *_, default in self.parameters)
        if not least <= len(arguments) <= len(self.parameters):
            return f'{len(arguments)} arguments, {least} to {len(self.parameters)} are taken'
        for (name, kind, _), value in zip(self.parameters, arguments):
            if not fits(kind, value):
                return f'{name} must be {kind}, not {value!r}'
        return ''


def fits(kind: str, value) -> bool:
    """Return whether pybind11 takes a value for a parameter of that type."""
    short = kind.rpartition('.')[2]
    if short == 'str':
        return isinstance(value, str)
    if short == 'bool':
        return isinstance(value, bool)
    if short in ('int', 'SupportsInt'):
        return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if short in ('Dims', 'tuple', 'list'):
        return isinstance(value, {'tuple': tuple, 'list': list}.get(short, (tuple, list))) and all(
            isinstance(number, int) for number in value
        )
    if short.lower() == 'buffer':
        return isinstance(value, (bytes, bytearray, memoryview))
    return any(short == parent.__name__ for parent in type(value).__mro__)


def parse(line: str) -> tuple[str, Signature] | None:
    """Return name and signature of a line of a docstring that is one."""
    found = SIGNATURE.fullmatch(line.strip())
    if found is None or found[2] == '*args, **kwargs':
        return None
    parameters = []
    for text in re.split(r', (?=\w+: )', found[2])[1:]:  # the first is self
        name, _, kind = text.partition(': ')
        kind, equals, _ = kind.partition(' = ')
        parameters.append((name, kind, bool(equals)))
    return found[1], Signature(tuple(parameters))


class PublishedApi:
    """The members of a TensorRT's classes by ``Class.member``; None for one that is a value."""

    def __init__(self, members: dict[str, list[Signature] | None]):
        self.members = members

    @classmethod
    def of_text(cls, text: str) -> PublishedApi:
        """Take a table such as TENSORRT_8_6."""
        members = {}
        for line in text.split('\n'):
            owner, _, rest = line.strip().partition('.')
            parsed = parse(rest)
            if parsed:
                members[f'{owner}.{parsed[0]}'] = [parsed[1]]
            elif rest:
                members[f'{owner}.{rest}'] = None
        return cls(members)

    @classmethod
    def of_module(cls, trt, *names: str) -> PublishedApi:
        """Take what the docstrings of a real module's classes state."""
        members = {}
        for owner in names:
            kind = getattr(trt, owner)
            for name in dir(kind):
                member = getattr(kind, name)
                if not callable(member):
                    members[f'{owner}.{name}'] = None
                    continue
                parsed = [parse(line) for line in (member.__doc__ or '').split('\n')]
                signatures = [p[1] for p in parsed if p and p[0] == name]
                if signatures:
                    members[f'{owner}.{name}'] = signatures
        return cls(members)

    def check(self, owner: str, name: str, arguments) -> None:
        """AssertionError where the published class takes no such call."""
        signatures = self.members.get(f'{owner}.{name}')
        assert signatures, f'{owner} has no method {name}'
        refusals = [signature.refusal(arguments) for signature in signatures]
        assert '' in refusals, f'{owner}.{name}: {"; or ".join(refusals)}'


class ApiStandIn:
    """Base of the stand-ins: a member that the real class does not publish does not exist."""

    published: PublishedApi

    def __init__(self, *arguments):
        self.published.check(type(self).__name__, '__init__', arguments)

    def __getattribute__(self, name):
        if name.startswith('_') or name == 'published':
            return object.__getattribute__(self, name)
        owner = type(self).__name__
        published = object.__getattribute__(self, 'published')
        if f'{owner}.{name}' not in published.members:
            raise AttributeError(f'{owner} publishes no {name}')
        value = object.__getattribute__(self, name)
        if not callable(value):
            return value

        def call(*arguments):
            published.check(owner, name, arguments)
            return value(*arguments)

        return call

    def __setattr__(self, name, value):
        if not name.startswith('_'):
            assert self.published.members.get(f'{type(self).__name__}.{name}', 0) is None, (
                f'{type(self).__name__} has no attribute {name} to be set'
            )
        object.__setattr__(self, name, value)
