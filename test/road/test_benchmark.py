"""The road model's stopwatch: every step is timed for every frame."""

import numpy as np

from asap_ros.road.benchmark import time_steps
from asap_ros.road.road_model import RoadModel
from support.synthetic_roads import LABELS, MOUNT, Truth, render


def test_every_step_of_every_frame():
    mount = MOUNT.resized(0.25)
    masks = [render(Truth(curvature=k), mount) for k in (0.0, 0.004)]
    confidence = np.full(masks[0].shape, 200, np.uint8)
    taken = time_steps(RoadModel(LABELS), masks, mount.camera(), confidence, rounds=2)
    assert set(taken) == {
        'analyse',
        'scan',
        'grid',
        'ground_points',
        'boundary_points',
        'total',
        'columns',
        'edges',
    }
    assert all(len(values) == 4 and (values > 0).all() for values in taken.values())
    parts = sum(taken[n] for n in ('analyse', 'scan', 'grid', 'ground_points', 'boundary_points'))
    assert (taken['total'] >= parts).all()
