"""Draw docs/images/simulation.jpg: ``tools/ros python tools/simulation_picture.py``.

One frame of every scenario beside its labels, all rendered, so free to publish.
"""

from pathlib import Path

import cv2
import numpy as np

from asap_ros import labels
from asap_simulation import world
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera, Simulation

TARGET = Path(__file__).resolve().parents[1] / 'docs' / 'images' / 'simulation.jpg'
SEED, SECONDS = 7, 5.0
TILE = (480, 240)


def main() -> None:
    """Render, label and tile the scenarios, two in a row."""
    colours = labels.load('cityscapes').colours
    tiles = []
    for scenario in SCENARIOS.values():
        simulation = Simulation(world.build(scenario, SEED, SECONDS), SimulatedCamera(), SEED)
        frame = simulation.frame(round(SECONDS * 20) - 1, 20.0)
        pair = [
            cv2.resize(frame.rgb, TILE, interpolation=cv2.INTER_AREA),
            cv2.resize(colours[frame.mask], TILE, interpolation=cv2.INTER_NEAREST),
        ]
        cv2.putText(
            pair[0],
            scenario.name,
            (10, 24),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.7,
            (255, 255, 255),
            2,
            cv2.LINE_AA,
        )
        tiles.append(np.hstack(pair))
    rows = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles), 2)]
    cv2.imwrite(str(TARGET), np.vstack(rows)[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 82))
    print(TARGET)


if __name__ == '__main__':
    main()
