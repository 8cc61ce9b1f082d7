"""How far the masks of two engines agree."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from asap_ros.segmentation.engine import Engine


def compare(engine: Engine, reference: Engine, pictures: list[np.ndarray]) -> dict:
    """Return how far the masks of two engines agree on pictures; ``least`` is the worst one's."""
    shares = []
    for picture in tqdm(pictures, 'comparing masks', unit='picture', leave=False):
        frame = np.ascontiguousarray(picture[np.newaxis])
        shares.append(float((engine.infer(frame)[0] == reference.infer(frame)[0]).mean()))
    return {'pictures': len(shares), 'mean': float(np.mean(shares)), 'least': min(shares)}
