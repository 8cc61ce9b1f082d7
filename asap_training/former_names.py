"""Names that earlier versions wrote into checkpoints and network files, beside today's.

They are read in such files alone: what a user types is in today's names.
"""

from __future__ import annotations

import json
import re

ENTRIES = {
    '': {'keep': 'keep_checkpoint'},
    'network': {'trunk': 'encoder'},
    'augmentation': {'crop': 'crop_size', 'jitter': 'colour_jitter'},
    'optimisation': {
        'passes': 'epoch_repeats',
        'batch': 'batch_size',
        'rate': 'lr',
        'trunk_factor': 'encoder_lr_factor',
        'schedule': 'lr_scheduler',
        'warm_up': 'warmup_steps',
        'clip': 'clip_grad_norm',
        'class_exponent': 'class_weight_exponent',
        'average': 'ema_decay',
    },
    'loss': {
        'threshold': 'ohem_threshold',
        'keep': 'ohem_min_kept_fraction',
        'jaccard': 'jaccard_weight',
    },
}
"""Former and present names of a recipe's entries, by the section that they are in."""


def section(name: str, entries: dict) -> dict:
    """Return a section's entries under today's names; ``network`` is AsapConfig's dict."""
    return {ENTRIES.get(name, {}).get(key, key): value for key, value in entries.items()}


def recipe(document: dict) -> dict:
    """Return a recipe's document with today's names."""
    return {
        name: section(name, value) if isinstance(value, dict) else value
        for name, value in section('', document).items()
    }


def facts(values: dict) -> dict:
    """Return what a checkpoint says of itself, with today's names."""
    renamed = dict(values)
    if 'config' in values:
        renamed['config'] = section('network', values['config'])
    if 'recipe' in values:
        renamed['recipe'] = json.dumps(recipe(json.loads(values['recipe'])), sort_keys=True)
    return renamed


def tensor(name: str) -> str:
    """Return a weight's name (``average/trunk.conv1.weight``) as the network has it today."""
    return re.sub(r'(^|/)trunk\.', r'\1encoder.', name)
