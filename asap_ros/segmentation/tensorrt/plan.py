"""A TensorRT plan: the options it is built by, the key it is found by, and its manifest."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.model_file import ModelFile
from asap_ros.segmentation.tensorrt.runtimes import TensorRtRuntime

FORMAT = 1
PRECISIONS = ('fp32', 'fp16', 'int8')


class BuildError(EngineError):
    """An engine that could not be built; the message says why and what to do."""


@dataclass(frozen=True)
class PlanOptions:
    """What an engine is built to be.

    ``precision``: one of PRECISIONS; ``size``: (height, width); ``batch``: the most frames in one
    call, 1 to it are possible; ``archs``: GPUs that it shall run on, such as ``('sm86', 'sm89')``.
    """

    precision: str = 'fp16'
    size: tuple[int, int] = (512, 1024)
    batch: int = 1
    archs: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuiltPlan:
    """A plan and what is in it.

    ``layers``: how many layers compute in which precision; ``float32``: how many layers of norms
    and other statistics were found, and found to be float32; ``seconds`` that it took.
    """

    plan: bytes = field(repr=False)
    layers: dict[str, int]
    float32: int
    seconds: float


@dataclass(frozen=True)
class PlanKey:
    """What makes one plan differ from another.

    ``runtime`` and its ``version``; ``gpu``: the name of the GPU it was built on and tuned for,
    empty where the plan runs on any GPU of ``archs`` (TensorRT-RTX); the rest as in
    ``PlanOptions``.
    """

    model_sha256: str
    runtime: str
    version: str
    gpu: str
    archs: tuple[str, ...]
    precision: str
    size: tuple[int, int]
    batch: int

    @property
    def digest(self) -> str:
        """Return the hash that names the files."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def satisfies(self, wanted: PlanKey) -> bool:
        """Return whether a plan of this key does all of ``wanted``: its GPUs and its batch."""
        return (
            replace(self, archs=wanted.archs, batch=wanted.batch) == wanted
            and set(wanted.archs) <= set(self.archs)
            and self.batch >= wanted.batch
        )


def make_key(
    model: ModelFile, runtime: TensorRtRuntime, options: PlanOptions, gpu: str
) -> PlanKey:
    """Return the key of an engine; ``gpu``: the name of the one in this machine, if any."""
    return PlanKey(
        model.sha256,
        runtime.name,
        runtime.version,
        '' if runtime.cross_targets else gpu,
        tuple(sorted(options.archs)),
        options.precision,
        options.size,
        options.batch,
    )


@dataclass(frozen=True)
class PlanManifest:
    """What a plan is.

    ``model``: name of the network; ``plan_sha256`` and ``plan_bytes``: of the plan; ``layers`` by
    precision, ``float32`` of them norms and other statistics, checked to be float32. ``built`` is
    seconds since 1970, ``seconds`` what building took; ``format``: of the manifest itself.
    """

    key: PlanKey
    model: str
    plan_sha256: str
    plan_bytes: int
    layers: dict[str, int]
    float32: int
    built: float
    seconds: float
    format: int = FORMAT

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    def matches(self, plan: bytes) -> bool:
        """Return whether a plan is the one that this manifest is of, to the last byte."""
        return hashlib.sha256(plan).hexdigest() == self.plan_sha256


def parse_manifest(text: str) -> PlanManifest:
    """Return a manifest from JSON. Raises ValueError where it is none of this format."""
    try:
        document = json.loads(text)
        if document['format'] != FORMAT:
            raise ValueError(f'format {document["format"]} is not {FORMAT}')
        key = PlanKey(**with_tuples(document.pop('key')))
        return PlanManifest(key=key, **document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'not a manifest: {error!r}') from error


def with_tuples(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a key or of options as they were before JSON made lists of them."""
    return document | {'archs': tuple(document['archs']), 'size': tuple(document['size'])}


def make_manifest(built: BuiltPlan, key: PlanKey, model: ModelFile) -> PlanManifest:
    """Return the manifest of a new plan."""
    return PlanManifest(
        key,
        model.path.stem,
        hashlib.sha256(built.plan).hexdigest(),
        len(built.plan),
        built.layers,
        built.float32,
        time.time(),
        built.seconds,
    )


@dataclass(frozen=True)
class CachedPlan:
    """A plan, whole and as its manifest says."""

    manifest: PlanManifest
    plan: bytes = field(repr=False)


def describe_layers(layers: dict[str, int]) -> str:
    """Return how many layers have which precision, as text."""
    return ', '.join(f'{count} {name}' for name, count in sorted(layers.items()))
