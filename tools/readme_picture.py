"""Draw docs/images/mask.png: ``tools/ros python tools/readme_picture.py BAG MODEL FRAME``.

Only what the network made of a recorded frame is drawn, never the frame itself: recorded drives
are not the project's to publish.
"""

import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from asap_ros import overlay, recorded
from asap_ros.evaluation import frames, topics
from asap_ros.evaluation.bags import Bag
from asap_ros.pipeline import Pipeline

TARGET = Path(__file__).resolve().parents[1] / 'docs' / 'images' / 'mask.png'


def main(bag_path: str, model: str, number: int) -> None:
    """Show the label mask of one frame of a bag beside its confidence, above the legend."""
    pipeline = Pipeline.open(model)
    with Bag(bag_path) as bag:
        stream = frames.frames(bag, topics.find(bag), [])
        frame = next(islice(stream, number, None))
        seen = pipeline.run(recorded.picture(frame.image, pipeline.size))
    sure = cv2.resize(seen.confidence, pipeline.size[::-1], interpolation=cv2.INTER_LINEAR)
    both = np.hstack([overlay.colourise(seen.mask, pipeline.labels),
                      cv2.cvtColor(sure, cv2.COLOR_GRAY2RGB)])
    both = cv2.resize(both, (1152, 288), interpolation=cv2.INTER_AREA)
    picture = np.vstack([both, overlay.legend(pipeline.labels, both.shape[1])])
    cv2.imwrite(str(TARGET), picture[..., ::-1])
    print(TARGET)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
