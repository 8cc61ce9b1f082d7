"""Fronts of buildings: storeys of windows in brick, plaster or concrete, shops below."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from asap_simulation import textures
from asap_simulation.canvas import LIT, Surface
from asap_simulation.light import encode

BUILDING, WALL, FENCE = 2, 3, 4
"""Cityscapes train ids of what is painted here."""

STOREY, BAY = 3.1, 2.9
"""Metres that a storey is tall and a row of windows is wide."""

TEXELS = 44
"""Texels a storey and a bay."""

WALLS = (
    (0.26, 0.12, 0.08),
    (0.33, 0.17, 0.11),
    (0.46, 0.40, 0.31),
    (0.50, 0.47, 0.43),
    (0.34, 0.32, 0.29),
    (0.42, 0.33, 0.22),
    (0.55, 0.51, 0.40),
    (0.22, 0.20, 0.19),
)
"""What walls reflect: bricks, plaster, stone, concrete."""


@cache
def facade(variant: int, storeys: int, bays: int, shop: bool, lamps: bool) -> Surface:
    """Return a front of ``storeys`` by ``bays``; at night some windows are lit."""
    rng = np.random.default_rng([31, variant, storeys, bays])
    wall = np.array(WALLS[variant % len(WALLS)])
    height, width = storeys * TEXELS, bays * TEXELS
    dirt = cv2.resize(textures.noise(7, 1.2)[:256, :256], (width, height))
    grain = rng.normal(size=(height, width))
    picture = wall * (1 + 0.07 * dirt + 0.06 * grain)[..., None]
    if variant % len(WALLS) < 2:
        picture[::4] *= 0.86  # courses of bricks
    high, broad = rng.uniform(0.46, 0.62), rng.uniform(0.34, 0.56)
    frame = np.array([(0.62, 0.62, 0.60), (0.10, 0.08, 0.06), (0.35, 0.33, 0.3)][variant % 3])
    lit = np.zeros((height, width), bool)
    for row in range(storeys):
        bottom = height - row * TEXELS
        if row == 0 and shop:
            _shop(picture, lit, bottom, width, rng, lamps)
            continue
        for column in range(bays):
            top, left = (
                bottom - int((0.24 + high) * TEXELS),
                int((column + 0.5 - broad / 2) * TEXELS),
            )
            tall, wide = int(high * TEXELS), int(broad * TEXELS)
            if row == 0 and column == bays // 2:
                tall = bottom - top  # the door
            picture[top - 2 : top + tall + 2, left - 2 : left + wide + 2] = frame
            glass = _glass(tall, wide, rng)
            picture[top : top + tall, left : left + wide] = glass
            picture[top : top + tall, left + wide // 2 - 1 : left + wide // 2 + 1] = frame
            picture[top + tall + 2 : top + tall + 4, left - 3 : left + wide + 3] = wall * 1.35
            if lamps and rng.random() < 0.3:
                lit[top : top + tall, left : left + wide] = True
        picture[bottom - TEXELS : bottom - TEXELS + 2] *= 0.8
    picture[:4] = wall * 0.55  # the eaves
    coded = np.minimum(encode(picture), LIT - 1)
    coded[lit] = LIT + 2
    return Surface(textures.pyramid(coded), BUILDING)


def _glass(tall: int, wide: int, rng: np.random.Generator) -> np.ndarray:
    """Return a pane that mirrors some sky, with a curtain or none."""
    fade = np.linspace(rng.uniform(0.10, 0.26), 0.03, tall)[:, None, None]
    pane = fade * np.array([0.75, 0.88, 1.0]) * np.ones((tall, wide, 1))
    if rng.random() < 0.45:
        drop = int(tall * rng.uniform(0.25, 0.8))
        pane[:drop] = 0.35 * pane[:drop] + 0.22
    return pane


def _shop(
    picture: np.ndarray,
    lit: np.ndarray,
    bottom: int,
    width: int,
    rng: np.random.Generator,
    lamps: bool,
) -> None:
    """Paint shop windows and their sign boards into the lowest storey."""
    left = 0
    while left < width - 8:
        wide = min(int(TEXELS * rng.uniform(1.2, 2.4)), width - left)
        colour = rng.uniform(0.03, 0.45, 3)
        picture[bottom - TEXELS + 2 : bottom, left : left + wide] = colour * 0.5
        picture[bottom - TEXELS + 3 : bottom - TEXELS + 13, left + 1 : left + wide - 1] = colour
        top, tall = bottom - TEXELS + 15, TEXELS - 20
        picture[top : top + tall, left + 4 : left + wide - 4] = (
            _glass(tall, wide - 8, rng) if wide > 8 else colour
        )
        if lamps and wide > 8 and rng.random() < 0.6:
            lit[top : top + tall, left + 4 : left + wide - 4] = True
        left += wide


@cache
def masonry(variant: int) -> Surface:
    """Return a wall of 4 m by 2 m without windows."""
    rng = np.random.default_rng([32, variant])
    colour = np.array(WALLS[(variant + 2) % len(WALLS)])
    dirt = cv2.resize(textures.noise(8, 1.0)[:128, :256], (128, 64))
    picture = colour * (1 + 0.12 * dirt + 0.05 * rng.normal(size=(64, 128)))[..., None]
    picture[::8] *= 0.8
    picture[:5] = colour * 1.15
    return Surface(textures.pyramid(np.minimum(encode(picture), LIT - 1)), WALL)
