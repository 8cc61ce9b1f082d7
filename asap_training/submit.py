"""Masks for the Cityscapes server: ``python -m asap_training.submit``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from tqdm import tqdm

from asap_ros import labels as label_sets
from asap_ros.cli.arguments import CommandParser, add_out
from asap_ros.imaging import files
from asap_ros.network.layers import to_channels_last
from asap_training import checkpoint, dataset_layouts, recipe
from asap_training.arguments import ending
from asap_training.evaluate import add_inference_options, inference_settings
from asap_training.inference import label_mask

ENDING = '_leftImg8bit'
EXAMPLES = """
  %(prog)s runs/paper/best.safetensors data/cityscapes --out submission
      the masks of the 1525 test frames; zip the folder and hand it in
  %(prog)s ... --scales 0.75 1 1.25 --flip
"""


def main(given: list[str] | None = None) -> None:
    """Write a mask in labelIds for every picture of a Cityscapes split, CITY/STEM_labelIds.png.

    The labels of the test split are not public: the server scores the masks. Masks that are
    there already are left, so that a broken run goes on.
    """
    parser = CommandParser('submit', main.__doc__, EXAMPLES)
    parser.add_argument('checkpoint', type=Path, help='what training wrote (.safetensors)')
    parser.add_argument('cityscapes', type=Path, help='the folder with leftImg8bit/')
    parser.add_argument('--split', default='test', help='of the data')
    add_out(parser, 'folder of the masks')
    add_inference_options(parser)
    options = parser.parse_args(given)
    with ending(parser):
        saved = checkpoint.load(options.checkpoint)
        used = recipe.parse(json.loads(saved.facts['recipe']))
        cityscapes = label_sets.load('cityscapes')
        if used.label_set.names != cityscapes.names:
            raise ValueError(
                f'{options.checkpoint} is a network for the classes of '
                f'{used.label_set.name}: the server wants those of cityscapes'
            )
        model = to_channels_last(checkpoint.network(saved), options.device)
        settings = inference_settings(options, used)
        found = dataset_layouts.pictures(options.cityscapes, 'leftImg8bit', options.split, ENDING)
        for path in tqdm(found, 'masks', unit='picture'):
            target = (
                options.out / path.parent.name / f'{path.stem.removesuffix(ENDING)}_labelIds.png'
            )
            if target.is_file():
                continue
            pixels = cv2.cvtColor(files.read(path), cv2.COLOR_BGR2RGB)
            ids = cityscapes.to_raw[label_mask(model, pixels, settings)]
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write(target, ids)
    print(f'{options.out}: {len(found)} masks; zip the folder for the server')


if __name__ == '__main__':
    main()
