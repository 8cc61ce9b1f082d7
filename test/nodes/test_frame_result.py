"""A frame without labels says so on its whole grid, and never without a reason."""

from __future__ import annotations

import numpy as np
import pytest

from asap_ros.labels import IGNORED
from asap_ros.nodes.frame_result import Invalid
from asap_ros.road.geometry import Status


def test_an_invalid_frame_knows_nothing_anywhere():
    frame = Invalid((4, 6), Status.STALE, 'frames are stale')
    assert frame.mask.dtype == frame.confidence.dtype == np.uint8
    assert frame.mask.shape == frame.confidence.shape == (4, 6)
    assert (frame.mask == IGNORED).all()
    assert not frame.confidence.any()


@pytest.mark.parametrize(('reason', 'fault'), [(Status.OK, 'frame failed'), (Status.STALE, '')])
def test_an_invalid_frame_without_a_reason_cannot_be_made(reason, fault):
    with pytest.raises(ValueError, match='needs a reason'):
        Invalid((4, 6), reason, fault)
