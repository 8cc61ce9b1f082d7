"""What an engine was built from and what it is: the name and the manifest of a plan."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field, replace

from asap_ros.engine.build import Built, Recipe
from asap_ros.engine.model_file import ModelFile
from asap_ros.engine.runtimes import TensorRt

FORMAT = 1


@dataclass(frozen=True)
class Key:
    """What makes one plan differ from another.

    ``gpu``: the name of the GPU it was built on and tuned for, empty where the plan runs on any
    GPU of ``archs`` (TensorRT-RTX).
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

    def serves(self, wanted: Key) -> bool:
        """Return whether a plan of this key is one of ``wanted``: its GPU among others'."""
        return (replace(self, archs=wanted.archs, batch=wanted.batch) == wanted
                and set(wanted.archs) <= set(self.archs) and self.batch >= wanted.batch)


def make_key(model: ModelFile, runtime: TensorRt, recipe: Recipe, gpu: str) -> Key:
    """Return the key of an engine; ``gpu``: the name of the one in this machine, if any."""
    return Key(model.sha256, runtime.name, runtime.version,
               '' if runtime.cross_targets else gpu, tuple(sorted(recipe.archs)),
               recipe.precision, tuple(recipe.size), recipe.batch)


@dataclass(frozen=True)
class Manifest:
    """What a plan is; ``layers`` by precision, ``float32`` of them checked to be norms and such.

    ``built`` is seconds since 1970, ``seconds`` what building took.
    """

    key: Key
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


def parse_manifest(text: str) -> Manifest:
    """Return a manifest from JSON. Raises ValueError where it is none of this format."""
    try:
        document = json.loads(text)
        if document['format'] != FORMAT:
            raise ValueError(f'format {document["format"]} is not {FORMAT}')
        key = document.pop('key')
        key = Key(**key | {'archs': tuple(key['archs']), 'size': tuple(key['size'])})
        return Manifest(key=key, **document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'not a manifest: {error!r}') from error


def describe(built: Built, key: Key, model: ModelFile) -> Manifest:
    """Return the manifest of a new plan."""
    return Manifest(key, model.path.stem, hashlib.sha256(built.plan).hexdigest(),
                    len(built.plan), built.layers, built.float32, time.time(), built.seconds)


@dataclass(frozen=True)
class Entry:
    """A plan, whole and as its manifest says."""

    manifest: Manifest
    plan: bytes = field(repr=False)
