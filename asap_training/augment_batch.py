"""Random views of a whole batch with torch, where the data lie: the same views as augment.py.

Both do what ``Augmentation.draw`` drew; they differ by rounding alone (OpenCV interpolates in
fixed point).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asap_ros.labels import IGNORED
from asap_training.augment import RandomView


def views(
    images: Tensor,
    masks: Tensor,
    drawn: Sequence[RandomView],
    crop: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return views of pairs of one size, on their device.

    ``images``: uint8 RGB (N, H, W, 3), ``masks``: uint8 (N, H, W), ``drawn``: N views.
    Returns uint8 (N, *crop, 3) and int64 (N, *crop), 255 where a view leaves its picture.
    """
    frames = torch.empty(len(drawn), *crop, 3, dtype=torch.uint8, device=images.device)
    targets = torch.empty(len(drawn), *crop, dtype=torch.int64, device=images.device)
    by_size: dict[tuple[int, int], list[int]] = {}
    for number, view in enumerate(drawn):
        by_size.setdefault(view.size, []).append(number)
    for size, members in by_size.items():
        chosen = torch.tensor(members, device=images.device)
        places = [
            [_places(drawn[m], axis, crop[axis], size[axis]) for m in members] for axis in (0, 1)
        ]
        rows, columns = (torch.from_numpy(np.stack(p)).to(images.device) for p in places)
        frames[chosen] = _cut_image(resize(images[chosen], size), rows, columns)
        targets[chosen] = _cut_mask(masks[chosen], size, rows, columns)
    matrices = [view.colours for view in drawn if view.colours is not None]
    if matrices:
        colours = np.stack(matrices).astype(np.float32)
        frames = recolour(frames, torch.from_numpy(colours).to(images.device))
    return frames, targets


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as OpenCV does, by area where it shrinks, else bilinearly; uint8 in and out.

    (N, H, W, 3) -> (N, *size, 3).
    """
    height, width = images.shape[1:3]
    if (height, width) == tuple(size):
        return images
    if size[0] < height:
        down = _area(height, size[0]).to(images.device)
        across = _area(width, size[1]).to(images.device)
        resized = torch.einsum('ab,nbcd,ec->naed', down, images.float(), across)
    else:
        planes = images.permute(0, 3, 1, 2).float()
        resized = functional.interpolate(planes, size, mode='bilinear').permute(0, 2, 3, 1)
    return resized.round().clamp(0, 255).to(torch.uint8)


def recolour(frames: Tensor, colours: Tensor) -> Tensor:
    """Apply matrices that ``augment.jitter`` drew: uint8 (N, h, w, 3), float32 (N, 3, 4)."""
    values = frames.float()
    offset = colours[:, :, 3] * values.mean((1, 2, 3)).unsqueeze(1)
    mixed = values.flatten(1, 2) @ colours[:, :, :3].transpose(1, 2) + offset.unsqueeze(1)
    return mixed.view_as(values).round().clamp(0, 255).to(torch.uint8)


def _places(view: RandomView, axis: int, want: int, have: int) -> np.ndarray:
    """Return the rows (or columns) of the scaled pair that a view shows; some may be outside."""
    places = np.arange(want) + view.corner[axis]
    return places[::-1].copy() if axis == 1 and view.flip else places


def _cut_image(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(n, H, W, 3), int64 (n, h), (n, w) -> (n, h, w, 3), reflected where they are outside."""
    number = torch.arange(len(images), device=images.device)[:, None, None]
    rows, columns = (_reflect(p, have) for p, have in zip((rows, columns), images.shape[1:3]))
    return images[number, rows[:, :, None], columns[:, None, :]]


def _cut_mask(masks: Tensor, size: tuple[int, int], rows: Tensor, columns: Tensor) -> Tensor:
    """(n, H, W) -> (n, h, w) by the nearest pixel of the pair before scaling, 255 outside."""
    number = torch.arange(len(masks), device=masks.device)[:, None, None]
    inside, nearest = [], []
    for places, scaled, have in zip((rows, columns), size, masks.shape[1:3]):
        inside.append((places >= 0) & (places < scaled))
        # The nearest pixel as OpenCV finds it, in fixed point of 16 bits.
        step = ((have << 16) + scaled // 2) // scaled
        nearest.append((places.clamp(0, scaled - 1) * step + step // 2 - have % 2) >> 16)
    cut = masks[number, nearest[0][:, :, None], nearest[1][:, None, :]].long()
    return cut.masked_fill(~(inside[0][:, :, None] & inside[1][:, None, :]), IGNORED)


def _reflect(places: Tensor, length: int) -> Tensor:
    """Mirror places about the first and the last pixel, neither of which is repeated."""
    if length == 1:
        return torch.zeros_like(places)
    folded = places.remainder(2 * (length - 1))
    return torch.minimum(folded, 2 * (length - 1) - folded)


@lru_cache(maxsize=64)
def _area(have: int, want: int) -> Tensor:
    """Return the matrix (want, have) that averages over the area that an output pixel covers."""
    edges = torch.arange(want + 1, dtype=torch.float64) * have / want
    start = torch.arange(have, dtype=torch.float64)
    overlap = (
        torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    ).clamp_min(0)
    return (overlap * want / have).float()
