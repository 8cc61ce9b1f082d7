"""Rendered frames with their labels as a plain folder that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from asap_ros.imaging import files
from asap_simulation import world as worlds
from asap_simulation.light import Colour
from asap_simulation.scenario import DAY, EVENING, NIGHT, OVERCAST, RAIN, SCENARIOS, Scenario
from asap_simulation.simulation import SimulatedCamera, Simulation

PER_WORLD = 6
"""Frames taken in one world before the next is built."""

SECONDS = 12.0
"""Seconds of driving over which the frames of a world are spread."""

MEANING = 'label_set: cityscapes\nvalues: ids\n'
"""What labels.yaml says: the masks hold the ids of a packaged label set."""

LIGHTS = ((DAY, 0.36), (OVERCAST, 0.18), (EVENING, 0.18), (RAIN, 0.10), (NIGHT, 0.18))
"""Lights and how often they are drawn: the harder a light, the more of it is to be learnt."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame for training: its name, RGB uint8 (H, W, 3), Cityscapes train ids (H, W)."""

    name: str
    rgb: np.ndarray
    mask: np.ndarray


def randomised(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """Return a scenario in another light, on another road, with more or less about."""
    light = LIGHTS[rng.choice(len(LIGHTS), p=[share for _, share in LIGHTS])][0]
    elevation = light.sun_elevation if light is EVENING else rng.uniform(0.35, 1.2)
    gain = rng.uniform(0.75, 1.25)  # exposure is never quite right
    tint = rng.normal(1.0, 0.03, 3)

    def exposed(colour: Colour) -> Colour:
        red, green, blue = (gain * tint * np.array(colour)).tolist()
        return red, green, blue

    light = replace(
        light,
        sun_elevation=elevation,
        clouds=float(np.clip(light.clouds + rng.normal(0, 0.2), 0, 1)),
        haze=light.haze * rng.uniform(0.5, 2.5),
        grain=light.grain * rng.uniform(0.5, 2.0),
        sun=exposed(light.sun),
        sky=exposed(light.sky),
        zenith=exposed(light.zenith),
        horizon=exposed(light.horizon),
    )
    wider = rng.uniform(0.9, 1.2)
    return replace(
        scenario,
        light=light,
        width=(wider * scenario.width[0], wider * scenario.width[1]),
        trees=scenario.trees * rng.uniform(0.5, 1.8),
        walkers=scenario.walkers * rng.uniform(1, 3),
        cyclists=scenario.cyclists * rng.uniform(1, 3),
        oncoming=scenario.oncoming * rng.uniform(0.5, 1.5),
    )


def random_lens(height: int, width: int, rng: np.random.Generator) -> SimulatedCamera:
    """Return a camera of that size with another view, height and tilt."""
    return SimulatedCamera(
        height,
        width,
        width * rng.uniform(0.62, 1.25),
        rng.uniform(1.1, 1.75),
        rng.uniform(-0.01, 0.09),
        rng.uniform(0.5, 2.0),
    )


def samples(
    count: int, seed: int, height: int, width: int, names: tuple[str, ...] = tuple(SCENARIOS)
) -> Iterator[Sample]:
    """Yield ``count`` frames of random worlds, cameras and moments, the same for one seed."""
    for number in range(count):
        index, within = divmod(number, PER_WORLD)
        if within == 0:
            rng = np.random.default_rng([seed, 5, index])
            name = names[index % len(names)]
            world_seed = int(rng.integers(2**31))
            world = worlds.build(randomised(SCENARIOS[name], rng), world_seed, SECONDS)
            simulation = Simulation(world, random_lens(height, width, rng), world_seed)
            moments = (np.arange(PER_WORLD) + rng.uniform(0, 1, PER_WORLD)) * SECONDS / PER_WORLD
        frame = simulation.frame(int(1000 * moments[within]), 1000.0)
        yield Sample(f'{name}_{seed}_{number:05d}', frame.rgb, frame.mask)


def start(root: Path) -> None:
    """Make the folders ``images`` and ``labels`` and ``labels.yaml``, which says what ids mean.

    Raises FileExistsError where the folder holds something already.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise FileExistsError(f'{root} exists already: give another --out, or remove it')
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    (root / 'labels.yaml').write_text(MEANING)


def write(root: Path, sample: Sample) -> None:
    """Write a frame and its labels as PNG, losslessly; the picture appears last, once whole."""
    files.write(root / 'labels' / f'{sample.name}.png', sample.mask)
    files.write(
        root / 'images' / f'{sample.name}.png', cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2BGR)
    )
