"""Ten thousand frames through the live node: no memory kept, no header changed."""

from __future__ import annotations

import psutil
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from support.live_segmenter import camera_info, pixels

FRAMES = 10_000
SETTLED = 1_000


@pytest.mark.slow
def test_memory_stays_and_headers_are_the_inputs_own(make_segmenter):
    segmenter = make_segmenter().start('mask', 'confidence', 'mask/camera_info', 'timings')
    segmenter.calibrate(camera_info())
    frames = [segmenter.frame(number) for number in range(8)]
    masks = [tiny_model.expected_mask(pixels(frame)).tobytes() for frame in frames]
    memory = psutil.Process().memory_info
    settled = 0
    for number in range(FRAMES):
        frame = frames[number % len(frames)]
        frame.header = segmenter.header(number, f'camera_{number % 7}')
        segmenter.send(frame)
        for name, found in segmenter.heard.items():
            message = found.pop()
            assert not found
            assert message.header == frame.header, name
            assert name != 'mask' or bytes(message.data) == masks[number % len(frames)]
        if number + 1 == SETTLED:
            settled = memory().rss
    counts = segmenter.counts
    assert (counts.received, counts.processed) == (FRAMES, FRAMES)
    growth = memory().rss / settled - 1
    print(f'resident memory grew by {growth:.2%} of {settled / 1e6:.0f} MB')
    assert growth < 0.05, f'{growth:.1%} more resident memory after {FRAMES} frames'
