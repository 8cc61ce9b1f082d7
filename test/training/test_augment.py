"""Random views: picture and mask stay together, and draws repeat."""

import numpy as np

from asap_training import augment
from asap_training.augment import Augmentation


def coded(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of blocks whose red value is 20 times the label of the same block."""
    blocks = np.random.default_rng(3).integers(0, 11, (height // 16, width // 16))
    mask = np.kron(blocks, np.ones((16, 16))).astype(np.uint8)
    return np.repeat(mask[..., None] * 20, 3, 2), mask


def test_a_view_keeps_picture_and_mask_together():
    view = Augmentation(crop_size=(48, 64), scales=(0.75, 1.0, 2.0), colour_jitter=0.0, hue=0.0)
    for seed in range(20):
        image, mask = view(*coded(64, 96), np.random.default_rng(seed))
        assert image.shape == (48, 64, 3) and mask.shape == (48, 64)
        valid = mask != 255
        exact = np.abs(image[..., 0].astype(int) - mask.astype(int) * 20) <= 1
        assert exact[valid].mean() > 0.75  # the rest are blended pixels at block edges


def test_padding_is_ignored_by_the_loss():
    view = Augmentation(crop_size=(64, 48), scales=(1.0,), colour_jitter=0.0, hue=0.0)
    image, mask = view(*coded(32, 32), np.random.default_rng(0))
    assert image.shape == (64, 48, 3)
    assert (mask == 255).sum() == 64 * 48 - 32 * 32
    assert image.any(axis=2)[mask == 255].any(), 'reflected, not black'


def test_the_same_generator_gives_the_same_view():
    view = Augmentation(crop_size=(32, 32))
    first, second = (view(*coded(64, 64), np.random.default_rng((1, 2, 3))) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def recoloured(image: np.ndarray, amount: float, hue: float, seed: int) -> np.ndarray:
    return augment.recolour(image, augment.jitter(amount, hue, np.random.default_rng(seed)))


def test_no_jitter_changes_nothing_and_grey_stays_grey_under_hue():
    image, _ = coded(32, 32)
    same = recoloured(image, 0.0, 0.0, 0)
    assert np.abs(same.astype(int) - image).max() <= 1
    turned = recoloured(image, 0.0, 0.3, 0).astype(int)
    assert np.abs(turned - image).max() <= 2


def test_jitter_changes_the_mean_and_the_colours():
    image = np.random.default_rng(1).integers(40, 200, (32, 32, 3)).astype(np.uint8)
    means = [recoloured(image, 0.4, 0.02, seed).mean() for seed in range(8)]
    assert np.std(means) > 5
