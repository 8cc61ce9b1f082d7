"""What an ONNX network file says of itself: the contract between training and vehicle.

Tensors: input ``image`` uint8 [B, H, W, 3] RGB, H and W multiples of 32; outputs ``labels`` uint8
[B, H, W] and ``confidence`` uint8 [B, H/s, W/s]. Metadata: one entry, ``asap_ros``, a JSON
document of the keys that ``metadata`` writes and ``read`` checks.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from asap_ros import labels as label_sets
from asap_ros import resources
from asap_ros.imaging import files
from asap_ros.labels import LabelSet

KEY = 'asap_ros'
NO_FOLDER = '/dev/null/none'
"""A folder that cannot be."""
CONTRACT = 1
STRIDE = 32
TENSORS = {'image': 4, 'labels': 3, 'confidence': 3}


class ModelError(ValueError):
    """A network file that cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class GoldenFrame:
    """A frame, uint8 RGB (H, W, 3), and the mask, uint8 (H, W), that every engine must give."""

    frame: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class ModelFile:
    """A network file, read once and found sound.

    ``content``: its bytes, which engines are made of; ``path`` only names it. ``labels``: what its label ids mean; ``training``: data, recipe and scores as the file states
    them; ``software``: version of the project that wrote it; ``sha256``: of the whole file.
    """

    path: Path
    content: bytes = field(repr=False)
    sha256: str
    labels: LabelSet
    golden: GoldenFrame
    training: dict[str, Any]
    software: str


def locate(name_or_path: str) -> Path:
    """Return the file of a shipped model by its name, or the given path to an ONNX file.

    Raises ModelError where there is none, naming the shipped ones.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix == '.onnx':
        if not path.is_file():
            raise ModelError(f'{path} is not there')
        return path
    try:
        return resources.find(f'models/{name_or_path}.onnx')
    except FileNotFoundError:
        raise ModelError(
            f'there is no model {name_or_path!r}: give the path of an .onnx file, or one of '
            f'{", ".join(shipped()) or "none, this installation ships no models"}'
        ) from None


def shipped() -> list[str]:
    """Return the names of the models that this installation ships."""
    folders = [folder / 'models' for folder in resources.share_folders()]
    return sorted({p.stem for folder in folders for p in folder.glob('*.onnx')})


def metadata(
    labels: LabelSet, golden: GoldenFrame, training: dict[str, Any], software: str
) -> dict[str, str]:
    """Return the metadata entries of a network file, as ``read`` takes them."""
    document = {
        'contract': CONTRACT,
        'software': software,
        'label_set': label_sets.dump(labels),
        'training': training,
        'golden': {'frame': _encode(golden.frame[..., ::-1]), 'mask': _encode(golden.mask)},
    }
    return {KEY: json.dumps(document, sort_keys=True)}


def read(path: Path) -> ModelFile:
    """Read and check a network file. Raises ModelError that says what does not hold."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=['CPUExecutionProvider']
        )
    except Exception as error:  # the runtime's exceptions share no public base class
        if 'external data' in str(error).lower():
            raise ModelError(
                f'{path} keeps weights in another file, which is not loaded: export it with all '
                f'of them inside ({error})'
            ) from error
        raise ModelError(f'{path} is damaged or not an ONNX network: {error}') from error
    _check_tensors(path, session)
    entries = session.get_modelmeta().custom_metadata_map
    if KEY not in entries:
        raise ModelError(
            f'{path} was not exported by asap_training: it carries no metadata entry {KEY!r}'
        )
    try:
        document = json.loads(entries[KEY])
        if document['contract'] != CONTRACT:
            raise ModelError(
                f'{path} follows contract {document["contract"]}, this software {CONTRACT}: '
                f'export it again with asap_training {document["software"]} or newer'
            )
        golden = GoldenFrame(
            np.ascontiguousarray(_decode(document['golden']['frame'], 3)[..., ::-1]),
            _decode(document['golden']['mask'], 2),
        )
        labels = label_sets.parse(document['label_set'], f'the label set of {path}')
        training, software = dict(document['training']), str(document['software'])
    except ModelError:
        raise
    except label_sets.LabelError as error:
        raise ModelError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:  # an ImageError is a ValueError
        raise ModelError(f'{path} carries damaged metadata: {error!r}') from error
    height, width = golden.mask.shape
    if golden.frame.shape[:2] != (height, width) or height % STRIDE or width % STRIDE:
        raise ModelError(
            f'{path} carries a golden frame of shape {golden.frame.shape} and a mask of shape '
            f'{golden.mask.shape}: both must be of one size, a multiple of {STRIDE}'
        )
    return ModelFile(
        path, content, hashlib.sha256(content).hexdigest(), labels, golden, training, software
    )


def session_options() -> onnxruntime.SessionOptions:
    """Return options of ONNX Runtime for bytes that must be whole in themselves.

    Without them the runtime would look for weights kept elsewhere in the folder that the process
    happens to run in.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(
        'session.model_external_initializers_file_folder_path', NO_FOLDER
    )
    return options


def check_size(size: tuple[int, int]) -> None:
    """Raise ModelError unless a network can have the resolution (height, width)."""
    if min(size) < STRIDE or size[0] % STRIDE or size[1] % STRIDE:
        raise ModelError(
            f'a network resolution of {size[0]}x{size[1]} (height x width) is not possible: '
            f'both must be positive multiples of {STRIDE}'
        )


def _check_tensors(path: Path, session: onnxruntime.InferenceSession) -> None:
    found = {t.name: t for t in [*session.get_inputs(), *session.get_outputs()]}
    for name, rank in TENSORS.items():
        if name not in found:
            raise ModelError(f'{path} has no tensor {name!r}; it has {", ".join(sorted(found))}')
        tensor = found[name]
        if tensor.type != 'tensor(uint8)' or len(tensor.shape) != rank:
            raise ModelError(
                f'{path}: {name} must be uint8 of {rank} dimensions, it is {tensor.type} '
                f'of shape {tensor.shape}'
            )


def _encode(pixels: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode('.png', pixels)[1].tobytes()).decode('ascii')


def _decode(text: str, dimensions: int) -> np.ndarray:
    flags = cv2.IMREAD_COLOR if dimensions == 3 else cv2.IMREAD_GRAYSCALE
    return files.decode(base64.b64decode(text), flags)
