"""Views made of a whole batch with torch are those that OpenCV makes one by one."""

import numpy as np
import pytest
import torch

from asap_training import augment_batch
from asap_training.augment import Augmentation


def scene(height: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of blocks with a gradient and noise, and the blocks' labels."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 11, (height // 8, width // 8))
    mask = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
    mask = np.roll(mask, random.integers(8, size=2), (0, 1))  # edges anywhere in the grid
    slope = np.linspace(0, 40, width)[None, :, None]
    image = mask[..., None] * np.array([20, 15, 10]) + slope + random.integers(0, 9, (1, 1, 3))
    return image.clip(0, 255).astype(np.uint8), mask


@pytest.mark.parametrize(
    'size, crop, jitter',
    [
        ((64, 96), (48, 64), 0.4),
        ((64, 96), (48, 64), 0.0),
        ((32, 40), (64, 64), 0.4),
        ((64, 40), (64, 96), 0.0),
    ],
    ids=['jitter', 'no jitter', 'padded on all sides', 'padded on two sides'],
)
def test_a_batch_has_the_views_that_pairs_have_alone(size, crop, jitter):
    view = Augmentation(crop_size=crop, colour_jitter=jitter, hue=0.02 if jitter else 0.0)
    pairs = [scene(*size, seed) for seed in range(24)]
    alone = [view(*pair, np.random.default_rng(n)) for n, pair in enumerate(pairs)]
    drawn = [view.draw(size, np.random.default_rng(n)) for n in range(len(pairs))]
    assert len({v.size for v in drawn}) == 5 and len({v.flip for v in drawn}) == 2
    images, masks = (torch.from_numpy(np.stack(part)) for part in zip(*pairs))
    frames, targets = augment_batch.views(images, masks, drawn, crop)
    assert frames.dtype == torch.uint8 and targets.dtype == torch.int64
    for number, (image, mask) in enumerate(alone):
        np.testing.assert_array_equal(targets[number].numpy(), mask)
        off = np.abs(frames[number].numpy().astype(int) - image)
        assert off.max() <= 3 and off.mean() < 0.5, 'rounding'


def test_views_have_the_statistics_of_those_made_alone():
    """Over many draws: mean, spread and share of each class, whichever way they were made."""
    view, pair = Augmentation(crop_size=(48, 64)), scene(64, 96, 0)
    alone = [view(*pair, np.random.default_rng((0, n))) for n in range(200)]
    drawn = [view.draw((64, 96), np.random.default_rng((1, n))) for n in range(200)]
    images, masks = (torch.from_numpy(part).expand(200, *part.shape) for part in pair)
    frames, targets = augment_batch.views(images, masks, drawn, (48, 64))
    one = np.stack([image for image, _ in alone]).astype(float)
    other = frames.numpy().astype(float)
    assert other.mean() == pytest.approx(one.mean(), rel=0.03)
    assert other.std() == pytest.approx(one.std(), rel=0.03)
    shares = [
        np.bincount(m.ravel(), minlength=11) / m.size
        for m in (np.stack([mask for _, mask in alone]), targets.numpy())
    ]
    np.testing.assert_allclose(*shares, atol=0.02)


def test_shrinking_averages_over_the_area():
    image = torch.arange(8, dtype=torch.uint8).view(1, 2, 4, 1).expand(1, 2, 4, 3) * 10
    small = augment_batch.resize(image, (1, 2))
    assert small[0, 0, :, 0].tolist() == [25, 45]
    third = augment_batch.resize(
        torch.tensor([0, 90, 30, 60], dtype=torch.uint8).view(1, 1, 4, 1).expand(1, 4, 4, 3),
        (3, 3),
    )
    assert third[0, 0, :, 0].tolist() == [22, 60, 52], '3/4 and 1/4, half and half, 1/4 and 3/4'
