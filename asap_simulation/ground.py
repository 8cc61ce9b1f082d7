"""The ground's labels and its picture: road, markings, kerbs, pavement and grass."""

from __future__ import annotations

import cv2
import numpy as np

from asap_simulation import markings, textures
from asap_simulation.camera_view import GroundView
from asap_simulation.light import LAMP, Light, headlights
from asap_simulation.road_field import RoadField
from asap_simulation.road_layout import KERB, RoadLayout

ROAD, SIDEWALK, TERRAIN = 0, 1, 9
"""Cityscapes train ids of the classes on the ground."""

ASPHALT = np.array([0.118, 0.118, 0.122], np.float32)
MARKING = np.array([0.62, 0.62, 0.60], np.float32)
PAVEMENT = np.array([0.27, 0.26, 0.245], np.float32)
KERBSTONE = np.array([0.36, 0.355, 0.34], np.float32)
GRASS = np.array([0.085, 0.125, 0.036], np.float32)
DRY = np.array([0.125, 0.142, 0.039], np.float32)
GRAVEL = np.array([0.20, 0.18, 0.145], np.float32)


def labels(ground: GroundView, field: RoadField, layout: RoadLayout) -> np.ndarray:
    """Return the classes on the ground, uint8 (rows, W); a pixel is what its centre is."""
    bands = np.full(field.edge.shape, TERRAIN, np.uint8)
    bands[field.edge < layout.verge.pavement] = SIDEWALK
    bands[field.edge < 0] = ROAD
    return bands


def picture(
    ground: GroundView,
    field: RoadField,
    layout: RoadLayout,
    light: Light,
    shade: np.ndarray,
    lamps: np.ndarray,
    forward: np.ndarray,
) -> np.ndarray:
    """Return the colours of the ground, linear float32 (3, rows, W).

    ``shade`` float32 (rows, W): share of the sun that is hidden. ``lamps`` (n, 4): x, y in the
    world, height and strength of street lamps. ``forward`` (2, 2): the vehicle's place and its
    direction in the plan view.
    """
    depth = np.minimum(ground.depth, np.float32(1e4))
    rows = depth[:, depth.shape[1] // 2, None]
    texel = np.square(rows) / np.float32(ground.view.fy * ground.view.position[2])
    colour = _materials(field, layout, texel, light)
    bright = 1 - shade
    lamplight = _artificial(ground, lamps, forward) if light.lamps else None
    for channel in range(3):
        sun = np.float32(light.sun[channel] * max(np.sin(light.sun_elevation), 0.0))
        lit = bright * sun + np.float32(light.sky[channel])
        if lamplight is not None:
            lit += lamplight[channel]
        colour[channel] *= lit
    if light.wet:
        _mirror(colour, ground, field, light)
    clear = cv2.exp(np.float32(-light.haze) * depth)
    for channel in range(3):
        colour[channel] *= clear
        colour[channel] += (1 - clear) * np.float32(light.horizon[channel])
    return colour


def _fade(texel: np.ndarray, size: float) -> np.ndarray:
    """Return how far detail of ``size`` metres is told apart in each row, (rows, 1)."""
    return np.clip(1.6 - texel / size, 0.0, 1.0).astype(np.float32)


def _materials(
    field: RoadField, layout: RoadLayout, texel: np.ndarray, light: Light
) -> np.ndarray:
    """Return what the ground reflects, linear float32 (3, rows, W)."""
    fine = textures.sample(textures.noise(1, 0.35), field.x, field.y, 0.02) * _fade(texel, 0.06)
    middle = textures.sample(textures.noise(2, 0.8), field.x, field.y, 0.125) * _fade(texel, 0.6)
    coarse = textures.sample(textures.noise(3, 1.3), field.x, field.y, 0.5) * _fade(texel, 8.0)
    edge, pixel = field.edge, field.pixel

    grass = 1 + 0.16 * fine + 0.24 * middle + 0.20 * coarse
    dry = np.clip(0.35 + 0.32 * coarse, 0, 1)
    colour = np.empty((3, *edge.shape), np.float32)
    for plane, fresh, withered in zip(colour, GRASS, DRY):
        np.multiply(grass, fresh + dry * (withered - fresh), out=plane)
    verge = layout.verge
    if verge.gravel:
        # A ragged strip of gravel between asphalt and grass.
        share = _inside(edge - verge.gravel + 0.15 * middle, pixel)
        _lay(colour, share, GRAVEL, 1 + 0.25 * fine + 0.10 * middle)
    if verge.pavement:
        slabs = 1 + 0.05 * fine + 0.05 * middle + 0.05 * coarse
        joints = np.minimum(_near_lines(field.s, 0.9), _near_lines(edge - KERB, 0.75))
        slabs -= 0.30 * _inside(joints - 0.012, pixel) * _fade(texel, 0.12)
        _lay(colour, _inside(edge - verge.pavement, pixel), PAVEMENT, slabs)
        stones = (
            1
            + 0.06 * middle
            - 0.35 * _inside(_near_lines(field.s, 1.0) - 0.012, pixel) * _fade(texel, 0.10)
        )
        _lay(colour, _inside(edge - KERB, pixel), KERBSTONE, stones)
        # The kerb's upright face, in its own shade.
        _lay(colour, _inside(edge - 0.05, pixel), KERBSTONE * np.float32(0.55), stones)
    _lay(
        colour,
        _inside(edge, pixel),
        ASPHALT * np.float32(layout.asphalt),
        _asphalt(field, layout, fine, middle, coarse),
    )
    worn = np.clip(0.86 + 0.10 * middle + 0.06 * fine, 0.25, 1.0)
    for share in markings.shares(field, layout):
        _lay(colour, share * worn, MARKING * np.float32(1.25 if light.lamps else 1.0), 1.0)
    return colour


def _asphalt(
    field: RoadField, layout: RoadLayout, fine: np.ndarray, middle: np.ndarray, coarse: np.ndarray
) -> np.ndarray:
    """Return how bright the asphalt is: grain, stains, wheel tracks, dirt along its edges."""
    tracks = np.cos(2 * np.pi / layout.track * (field.d - layout.lane_middle))
    # Patches laid later, along the road: where slow noise is beyond a threshold.
    phase = 0.35 * field.s + layout.patch_phase
    patch = textures.sample(
        textures.noise(5, 1.6), phase - 92.16 * np.floor(phase / 92.16), field.d, 0.18
    )
    bright = 1 + 0.10 * fine + 0.05 * middle + 0.07 * coarse + 0.05 * tracks
    bright -= 0.16 * np.clip(6 * (patch - 1.55), 0, 1)
    bright -= 0.22 * np.exp(np.minimum(field.edge, 0) / 0.25)
    return np.maximum(bright, 0.2)


def _inside(distance: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Return the share of each pixel that lies where ``distance`` is negative."""
    return np.clip(0.5 - distance / pixel, 0.0, 1.0)


def _near_lines(coordinate: np.ndarray, spacing: float) -> np.ndarray:
    """Return the distance from the nearest of lines ``spacing`` apart."""
    return np.abs(coordinate - spacing * np.rint(coordinate / spacing))


def _lay(
    colour: np.ndarray, share: np.ndarray, paint: np.ndarray, bright: float | np.ndarray
) -> None:
    """Cover a share of each pixel with a paint of varying brightness, in place."""
    touched = np.flatnonzero(share.max(axis=1) > 0)
    if not len(touched):
        return
    rows = slice(touched[0], touched[-1] + 1)
    share = share[rows]
    bright = np.broadcast_to(np.asarray(bright, np.float32), colour.shape[1:])[rows]
    for plane, tint in zip(colour[:, rows], paint):
        plane += share * (bright * tint - plane)


def _artificial(ground: GroundView, lamps: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return the light (3, rows, W) of headlights and street lamps on the ground."""
    x, y = ground.x, ground.y
    dx, dy = x - forward[0, 0], y - forward[0, 1]
    c, n = forward[1]
    total = headlights(dx * c + dy * n, dy * c - dx * n, upright=False)
    for lamp in lamps:
        square = np.square(x - lamp[0]) + np.square(y - lamp[1])
        pool = lamp[3] * lamp[2] / np.power(square + lamp[2] ** 2, 1.5) * lamp[2]
        total = total + pool[..., None] * LAMP
    return np.stack([ground.smooth(total[..., i]) for i in range(3)])


def _mirror(colour: np.ndarray, ground: GroundView, field: RoadField, light: Light) -> None:
    """Darken the wet ground and mirror the sky in the road, more the flatter it is seen."""
    grazing = np.clip(np.float32(ground.view.position[2]) / np.minimum(ground.depth, 300), 0, 1)
    fresnel = np.power(1 - grazing, 6) * np.float32(0.35 * light.wet)
    puddles = textures.sample(textures.noise(4, 1.2), field.x, field.y, 0.125)
    share = np.clip(fresnel * (1 + 0.5 * np.clip(puddles, -1, 2)), 0, 0.85)
    share *= _inside(field.edge, field.pixel)
    for plane, sky in zip(colour, light.horizon):
        plane *= np.float32(1 - 0.35 * light.wet)
        plane += share * (np.float32(0.75 * sky) - plane)
