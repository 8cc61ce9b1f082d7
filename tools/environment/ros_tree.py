"""Take single ROS packages out of a wheel that holds a whole ROS tree, and mend a ROS prefix.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

FREE_LICENCE = re.compile(r'(?i)^(apache|bsd)')
INDEX_KINDS = ('packages', 'rosidl_interfaces', 'package_run_dependencies')
BUILD_PYTHON = re.compile(r'/opt/python/[^\s";)]*?/include/python3\.\d+')
BUILD_NUMPY = re.compile(r'/opt/[^\s";)]*?/numpy/(?:_core|core)/include')


class TreeError(RuntimeError):
    """The wheel does not hold what was asked of it, or under other terms than expected."""


@dataclass(frozen=True)
class Taken:
    """What was taken of one package: its version and licences as its package.xml states them."""

    package: str
    version: str
    licences: tuple[str, ...]
    files: int


def package_names(text: str) -> list[str]:
    """Return the names of a list of packages, one a line, ``#`` starting a comment."""
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def tree_root(names: list[str], distro: str, packages: list[str]) -> str:
    """Return the path inside the wheel, ending in ``/<distro>/``, that holds all ``packages``.

    Raises TreeError, saying what is missing, where no tree of the wheel has them all.
    """
    found = re.compile(rf'^(.*/{distro}/)share/([^/]+)/package\.xml$')
    trees = {}
    for name in names:
        match = found.match(name)
        if match:
            trees.setdefault(match.group(1), set()).add(match.group(2))
    if not trees:
        raise TreeError(f'the wheel holds no ROS 2 {distro} tree')
    root = max(trees, key=lambda tree: len(trees[tree]))
    missing = sorted(set(packages) - trees[root])
    if missing:
        raise TreeError(f'the ROS 2 {distro} tree of the wheel lacks {", ".join(missing)}')
    return root


def destination(path: str, package: str, site_packages: str) -> str | None:
    """Return where a file of the tree goes in the prefix, None where it is not the package's.

    ``path`` is relative to the tree, the answer to the prefix.
    """
    top, _, rest = path.partition('/')
    if top == 'rclpy':
        owner = rest.split('/')[0]
        egg = owner.startswith(f'{package}-') and owner.endswith('.egg-info')
        entry = owner == f'{package}_pytest_entrypoint.py'
        return f'{site_packages}/{rest}' if owner == package or egg or entry else None
    if top == 'lib':
        own = rest == f'lib{package}.so' or rest.startswith(f'lib{package}__')
        return path if own else None
    if top == 'share':
        parts = rest.split('/')
        indexed = (
            parts[:2] == ['ament_index', 'resource_index']
            and len(parts) == 4
            and (parts[2] in INDEX_KINDS and parts[3] == package)
        )
        return path if parts[0] == package or indexed else None
    return None


def manifest(xml: str) -> tuple[str, tuple[str, ...]]:
    """Return the version and the licences that a package.xml states."""
    version = re.search(r'<version[^>]*>\s*([^<\s]+)', xml)
    licences = re.findall(r'<license[^>]*>\s*([^<]*?)\s*<', xml)
    return version.group(1) if version else '', tuple(dict.fromkeys(licences))


def stated(archive: zipfile.ZipFile, share: str, package: str) -> tuple[str, tuple[str, ...]]:
    """Return version and licences of a package; TreeError where one is not Apache or BSD."""
    version, licences = manifest(archive.read(f'{share}package.xml').decode())
    if not licences or not all(FREE_LICENCE.match(each) for each in licences):
        raise TreeError(f'{package} is under {licences}, not Apache or BSD: not taken')
    return version, licences


def unpack(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Write one file of the wheel to ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open('wb') as sink:
        shutil.copyfileobj(source, sink)


def take(
    wheel: Path, packages: list[str], prefix: Path, site_packages: str, distro: str = 'jazzy'
) -> list[Taken]:
    """Unpack ``packages`` into ``prefix``, overwriting nothing, and return what was taken.

    Raises TreeError for a package that is not there or whose licence is neither Apache nor BSD.
    """
    taken = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        root = tree_root(names, distro, packages)
        inside = [name for name in names if name.startswith(root) and not name.endswith('/')]
        for package in packages:
            version, licences = stated(archive, f'{root}share/{package}/', package)
            files = 0
            for name in inside:
                target = destination(name[len(root) :], package, site_packages)
                if target is not None and not (prefix / target).exists():
                    unpack(archive, name, prefix / target)
                    files += 1
            taken.append(Taken(package, version, licences, files))
    return taken


def take_interfaces(
    wheel: Path, package: str, folder: Path, distro: str = 'jazzy'
) -> tuple[Taken, list[str]]:
    """Unpack a package's package.xml, msg, srv and action files into ``folder``.

    Returns what was taken and the message packages that it depends on. Raises TreeError as
    ``take`` does.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        share = f'{tree_root(names, distro, [package])}share/{package}/'
        version, licences = stated(archive, share, package)
        wanted = [
            name
            for name in names
            if name.startswith(share)
            and re.fullmatch(r'package\.xml|(msg|srv|action)/\w+\.\1', name[len(share) :])
        ]
        for name in wanted:
            unpack(archive, name, folder / name[len(share) :])
    depends = re.findall(
        r'<(?:build_)?depend>\s*(\w+_(?:msgs|interfaces))\s*<',
        (folder / 'package.xml').read_text(),
    )
    return Taken(package, version, licences, len(wanted)), sorted(set(depends))


def record(taken: list[Taken], origin: str) -> str:
    """Return the JSON that says what was taken, from where and under which licences."""
    packages = {
        t.package: {'version': t.version, 'licences': list(t.licences), 'files': t.files}
        for t in taken
    }
    return json.dumps({'origin': origin, 'packages': packages}, indent=2) + '\n'


def mended(cmake: str, python_include: str, numpy_include: str) -> str:
    """Return an exported CMake file with the build container's paths replaced by ours."""
    return BUILD_NUMPY.sub(numpy_include, BUILD_PYTHON.sub(python_include, cmake))


def mend(prefix: Path, python_include: str, numpy_include: str) -> int:
    """Replace the build container's paths in every exported CMake file; return how many."""
    count = 0
    for path in sorted(prefix.glob('share/*/cmake/*.cmake')):
        text = path.read_text()
        new = mended(text, python_include, numpy_include)
        if new != text:
            path.write_text(new)
            count += 1
    return count
