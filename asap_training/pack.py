"""Make the data of recipes small for a machine elsewhere: ``python -m asap_training.pack``."""

from __future__ import annotations

import argparse
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
from tqdm import tqdm

from asap_ros import labels as label_sets
from asap_ros.labels import LabelSet
from asap_training import arguments, packed, recipe
from asap_training.arguments import add_data, fail, stopped
from asap_training.datasets import DataSet

LOSSLESS = 101
"""OpenCV's WebP quality above 100: every pixel as it was."""
EXAMPLES = """examples:
  python -m asap_training.pack camvid_resnet18 --data camvid=data/camvid --out packed
      the training and validation data of a recipe: packed/camvid/train, packed/camvid/val
  python -m asap_training.pack camvid_resnet18 driving_default --data ... --out packed \\
      --quality 95 --parts parts --part-mb 24
      those of two recipes, pictures as good WebP, and archives of at most 24 MB to carry them
  for part in parts/*.tar; do tar xf "$part" -C packed; done      on the other machine
  python -m asap_training.train camvid_resnet18 --packed packed --out runs/camvid_resnet18
"""


def write(data: DataSet, target: LabelSet, folder: Path, quality: int) -> None:
    """Write a data set as a plain folder: pictures as read, masks in ``target``'s ids.

    What is there already is left. OSError where a file cannot be written.
    """
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True, exist_ok=True)

    def one(index: int) -> None:
        # The split's own stems may repeat from city to city; the number keeps them apart.
        stem = f'{index:06d}_{data.pairs[index].image.stem}'
        image = folder / 'images' / f'{stem}.webp'
        mask = folder / 'labels' / f'{stem}.png'
        if image.is_file() and mask.is_file():
            return
        pixels, ids = data.read(index)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if not (cv2.imwrite(str(mask), ids, [cv2.IMWRITE_PNG_COMPRESSION, 9])
                and cv2.imwrite(str(image), pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])):
            raise OSError(f'{image} could not be written')

    with ThreadPoolExecutor() as pool:
        list(tqdm(pool.map(one, range(len(data.pairs))), f'packing {data.name}', len(data.pairs)))
    document = label_sets.dump(label_sets.by_ids(target))
    (folder / 'labels.yaml').write_text(json.dumps(document))  # JSON is YAML


def archives(root: Path, out: Path, most: int) -> list[Path]:
    """Put the packed data into tar files of at most ``most`` bytes; ValueError for a larger file.

    Each is whole in itself: together, unpacked over each other in any order, they are ``root``.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts, used, archive = [], most, None
    for path in sorted(p for p in root.rglob('*') if p.is_file()):
        size = 1024 + -(-path.stat().st_size // 512) * 512  # tar's blocks
        if size + 10240 > most:
            raise ValueError(f'{path} alone is larger than a part of {most} bytes')
        if used + size + 10240 > most:
            if archive:
                archive.close()
            parts.append(out / f'part_{len(parts):02d}.tar')
            archive, used = tarfile.open(parts[-1], 'w', format=tarfile.GNU_FORMAT), 0
        archive.add(path, str(path.relative_to(root)))
        used += size
    if archive:
        archive.close()
    return parts


def main(given: list[str] | None = None) -> None:
    """Write the data of recipes, resized and in the network's own label ids, to one folder."""
    parser = argparse.ArgumentParser(
        prog='python -m asap_training.pack', description=main.__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('recipes', nargs='+', metavar='RECIPE')
    add_data(parser)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--quality', type=int, default=LOSSLESS,
                        help='of WebP, 1 to 100; default: lossless')
    parser.add_argument('--parts', type=Path, help='also write archives of them to this folder')
    parser.add_argument('--part-mb', type=float, default=24.0, help='largest archive, 10^6 bytes')
    options = parser.parse_args(given)
    with fail(parser), stopped(parser):
        done: dict[Path, tuple] = {}
        for name in options.recipes:
            used = recipe.load(name)
            used, sets, validation = arguments.open_data(options, used)
            for source, data in zip([*used.train, used.validation], [*sets, validation]):
                folder = packed.folder_of(options.out, source)
                kind = (source.layout, source.resize, source.exclude, data.table.tobytes())
                if done.setdefault(folder, kind) != kind:
                    raise ValueError(
                        f'{folder}: two recipes want {source.data} packed differently (size, '
                        'classes or what is left out): pack them apart')
                write(data, used.label_set, folder, options.quality)
        size = sum(p.stat().st_size for p in options.out.rglob('*') if p.is_file())
        print(f'{options.out}: {size / 1e6:.1f} MB')
        if options.parts:
            for part in archives(options.out, options.parts, int(options.part_mb * 1e6)):
                print(f'{part}: {part.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
