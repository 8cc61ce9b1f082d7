"""Draw docs/images/overlay.jpg: ``tools/ros python tools/readme_picture.py MODEL SCENARIO FRAME``.

The drive is rendered: recorded ones are not the project's to publish.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from asap_ros.imaging import overlay
from asap_ros.imaging.pixel_formats import CameraPicture, PixelFormat
from asap_ros.road.drawing import draw_road
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.projection import Camera
from asap_ros.road.road_model import RoadModel
from asap_ros.segmentation.pipeline import Pipeline
from asap_simulation import world as worlds
from asap_simulation.scenario import SCENARIOS
from asap_simulation.simulation import SimulatedCamera, Simulation

TARGET = Path(__file__).resolve().parents[1] / 'docs' / 'images' / 'overlay.jpg'
RATE, SECONDS, SEED, OPACITY = 10.0, 6.0, 1, 0.4
BEFORE = 6
"""Frames before the one that is shown which the tracker has seen."""


def main(model: str, scenario: str, number: int) -> None:
    """Show what network and road model make of one frame of a rendered drive, above the legend."""
    lens, pipeline = SimulatedCamera(), Pipeline.open(model)
    road_model, pose = RoadModel(pipeline.labels), lens.mounting
    camera = Camera(
        lens.f, lens.f, *lens.centre, lens.width, lens.height, pose.rotation, pose.translation
    )
    drive = Simulation(worlds.build(SCENARIOS[scenario], SEED, SECONDS), lens, SEED)
    for index in range(max(0, number - BEFORE), number + 1):
        frame = drive.frame(index, RATE)
        seen = pipeline.run(
            CameraPicture(
                np.ascontiguousarray(frame.rgb), PixelFormat.RGB, lens.height, lens.width
            )
        )
        sure = cv2.resize(seen.confidence, (lens.width, lens.height))
        road = road_model.analyse(LabelledFrame(seen.mask.copy(), sure, camera), frame.time)
    tinted = overlay.blend(frame.rgb, seen.mask, pipeline.labels, OPACITY)
    picture = draw_road(tinted, road.geometry, pipeline.labels, camera, road.space)
    picture = np.vstack([picture, overlay.legend(pipeline.labels, picture.shape[1])])
    cv2.imwrite(str(TARGET), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(TARGET)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
