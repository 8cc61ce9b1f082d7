"""Data sets in miniature, laid out on the disk as their makers publish them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (64, 96)
SKY, ROAD, UNLABELLED = 0, 3, 11
"""Class ids of CamVid."""
CITYSCAPES = {'sky': 23, 'road': 7, 'ego vehicle': 1}
"""labelIds of Cityscapes."""


def _pair(random: np.random.Generator, sky: int, road: int, rest: int):
    """Return the frame (BGR) and mask of a blue sky over a grey road, a stripe of rest below."""
    horizon = int(random.integers(24, 40))
    image = np.empty((*SIZE, 3), np.uint8)
    image[:horizon], image[horizon:] = (220, 140, 60), (90, 90, 90)
    image = np.clip(image + random.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
    mask = np.full(SIZE, road, np.uint8)
    mask[:horizon], mask[-4:] = sky, rest
    return image, mask


def camvid(root: Path) -> Path:
    """Write 8 pairs to train on and 2 to score, that a network learns in a few steps."""
    random = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 2)):
        stems = [f'{split}_{number}' for number in range(count)]
        for stem in stems:
            pair = _pair(random, SKY, ROAD, UNLABELLED)
            for folder, pixels in zip((split, f'{split}annot'), pair):
                (root / folder).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / folder / f'{stem}.png'), pixels)
        (root / f'{split}.txt').write_text('\n'.join(stems))
    return root


def cityscapes(root: Path) -> Path:
    """Write two cities of train and one of val, two pairs each.

    Names, folders and label ids are the official ones; colour and instance files lie beside the
    label ids as they do there. The stripe below is the own car's bonnet.
    """
    random = np.random.default_rng(0)
    for split, cities in (('train', ('aachen', 'bremen')), ('val', ('frankfurt',))):
        for city in cities:
            images, fine = (root / tree / split / city for tree in ('leftImg8bit', 'gtFine'))
            for number in range(2):
                stem = f'{city}_{number:06d}_000019'
                image, mask = _pair(random, *CITYSCAPES.values())
                for folder in (images, fine):
                    folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(images / f'{stem}_leftImg8bit.png'), image)
                cv2.imwrite(str(fine / f'{stem}_gtFine_labelIds.png'), mask)
                cv2.imwrite(str(fine / f'{stem}_gtFine_color.png'), image)
                cv2.imwrite(str(fine / f'{stem}_gtFine_instanceIds.png'), mask.astype(np.uint16))
    return root
