"""Data sets laid out in miniature, as their makers publish them."""

from pathlib import Path

import cv2
import numpy as np

SKY, ROAD, EGO_VEHICLE = 23, 7, 1
"""labelIds of Cityscapes."""


def official_cityscapes(root: Path) -> Path:
    """Write two cities of train and one of val, 96x64 (width x height), as Cityscapes lies.

    Names, folders and label ids are the official ones; colour and instance files lie beside the
    label ids as they do there. A blue sky over a grey road, and the own car's bonnet.
    """
    random = np.random.default_rng(0)
    for split, cities in (('train', ('aachen', 'bremen')), ('val', ('frankfurt',))):
        for city in cities:
            for number in range(2):
                _pair(root, split, city, f'{city}_{number:06d}_000019', random)
    return root


def _pair(root: Path, split: str, city: str, stem: str, random: np.random.Generator) -> None:
    horizon = int(random.integers(24, 40))
    image = np.empty((64, 96, 3), np.uint8)
    image[:horizon], image[horizon:] = (220, 140, 60), (90, 90, 90)
    image = np.clip(image + random.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
    mask = np.full((64, 96), ROAD, np.uint8)
    mask[:horizon], mask[-4:] = SKY, EGO_VEHICLE
    for tree in ('leftImg8bit', 'gtFine'):
        (root / tree / split / city).mkdir(parents=True, exist_ok=True)
    fine = root / 'gtFine' / split / city
    cv2.imwrite(str(root / 'leftImg8bit' / split / city / f'{stem}_leftImg8bit.png'), image)
    cv2.imwrite(str(fine / f'{stem}_gtFine_labelIds.png'), mask)
    cv2.imwrite(str(fine / f'{stem}_gtFine_color.png'), image)
    cv2.imwrite(str(fine / f'{stem}_gtFine_instanceIds.png'), mask.astype(np.uint16))
