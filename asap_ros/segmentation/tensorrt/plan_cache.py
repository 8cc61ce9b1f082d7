"""The engines that were built on this machine, or for it, by what they were built from.

An engine's plan is code that TensorRT runs, so the folder is the user's alone (0700), each file is
0600, and none that belongs to anybody else is ever read. ``KEY.plan`` stands beside its manifest
``KEY.json``, which is written last: a plan without one does not exist. KEY is the hash of all that
the plan was built from; a file that does not hold what its manifest says is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from asap_ros.segmentation.engine import EngineError
from asap_ros.segmentation.tensorrt.plan import CachedPlan, PlanKey, PlanManifest, parse_manifest

LIMIT = 4 << 30
"""Bytes of plans that are kept; the least recently used go first."""


class CacheError(EngineError):
    """A cache folder or plan that cannot be used; the message says why and what to do."""


def default_folder() -> Path:
    """Return ``$ASAP_ROS_CACHE/engines``, or that below the user's cache folder."""
    base = os.environ.get('ASAP_ROS_CACHE')
    if base is None:
        home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
        base = os.path.join(os.path.expanduser(home), 'asap_ros')
    return Path(base) / 'engines'


class PlanCache:
    """The folder of plans; ``faults`` says in sentences what was found damaged and removed."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT):
        """Make the folder where it is not there. Raises CacheError where it is not the user's."""
        self.folder, self.limit = folder or default_folder(), limit
        self.faults: list[str] = []
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
            if found.st_uid != os.geteuid():
                raise CacheError(
                    f'{self.folder} belongs to another user, who could put any code into an '
                    'engine: set engine_cache (ASAP_ROS_CACHE) to a folder of your own'
                )
            if stat.S_IMODE(found.st_mode) != 0o700:
                self.folder.chmod(0o700)
        except OSError as error:
            raise CacheError(
                f'{self.folder} cannot be used for engines: {error.strerror}; '
                'set engine_cache (ASAP_ROS_CACHE) to another folder'
            ) from error

    def manifests(self) -> list[PlanManifest]:
        """Return the manifests of all plans, the latest used first; damaged ones are removed."""
        found = []
        for path in self.folder.glob('*.json'):
            manifest = self._read_manifest(path)
            if manifest is not None:
                with contextlib.suppress(FileNotFoundError):  # removed by another process
                    found.append((path.stat().st_mtime, manifest))
        return [manifest for _, manifest in sorted(found, key=lambda f: f[0], reverse=True)]

    def find(self, wanted: PlanKey) -> CachedPlan | None:
        """Return a plan that satisfies a key, None where there is none that is whole."""
        for manifest in self.manifests():
            if manifest.key.satisfies(wanted):
                entry = self._read_entry(manifest)
                if entry is not None:
                    return entry
        return None

    def put(self, manifest: PlanManifest, plan: bytes) -> None:
        """Keep a plan, then evict others beyond the limit. Raises CacheError where it cannot."""
        try:
            self._write(self._plan_path(manifest.key), plan)
            self._write(self._manifest_path(manifest.key), manifest.dump().encode())
        except OSError as error:
            raise CacheError(
                f'no engine can be kept in {self.folder}: {error.strerror}'
            ) from error
        self._evict(keep=manifest.key)

    def discard(self, key: PlanKey, fault: str) -> None:
        """Remove a plan that proved unusable, and why."""
        self._remove(self._manifest_path(key), f'cannot be used: {fault}')

    def clear(self) -> int:
        """Remove all plans and return how many bytes they were."""
        total = sum(path.stat().st_size for path in self.folder.glob('*.plan'))
        for pattern in ('*.json', '*.plan', '*.partial'):  # locks may be held
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        return total

    def size(self) -> int:
        """Return the bytes of all plans."""
        return sum(manifest.plan_bytes for manifest in self.manifests())

    @contextlib.contextmanager
    def lock(self, key: PlanKey, wait: bool = True) -> Iterator[bool]:
        """Hold the right to build a key, so that two processes build it once.

        Gives false, at once, where ``wait`` is false and another process holds it. The lock ends
        with the process however that ends.
        """
        descriptor = os.open(
            self.folder / f'{key.digest}.lock',
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o600,
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    def _read_manifest(self, path: Path) -> PlanManifest | None:
        try:
            content = read_trusted(path)
            if content is None:
                return None
            manifest = parse_manifest(content.decode())
            if manifest.key.digest != path.stem:
                raise ValueError('it is the manifest of another engine')
            return manifest
        except CacheError as error:
            self.faults.append(str(error))
        except ValueError as error:
            self._remove(path, f'is damaged: {error}')
        return None

    def _read_entry(self, manifest: PlanManifest) -> CachedPlan | None:
        path = self._plan_path(manifest.key)
        try:
            plan = read_trusted(path)
        except CacheError as error:
            self.faults.append(str(error))
            return None
        if plan is None:
            self._remove(path, 'is missing beside its manifest')
            return None
        if not manifest.matches(plan):
            self._remove(path, 'is damaged: it is not what its manifest says')
            return None
        with contextlib.suppress(FileNotFoundError):  # evicted since; what was read is whole
            os.utime(self._manifest_path(manifest.key))
        return CachedPlan(manifest, plan)

    def _remove(self, path: Path, fault: str) -> None:
        self.faults.append(f'{path} {fault}; removed')
        self._unlink(path)

    def _unlink(self, path: Path) -> None:
        """Remove a plan and its manifest, given either."""
        for suffix in ('.json', '.plan'):
            path.with_suffix(suffix).unlink(missing_ok=True)

    def _evict(self, keep: PlanKey) -> None:
        used = 0
        for manifest in sorted(self.manifests(), key=lambda m: m.key != keep):
            used += manifest.plan_bytes
            if used > self.limit and manifest.key != keep:
                self._unlink(self._manifest_path(manifest.key))
        named = {path.stem for path in self.folder.glob('*.json')}
        stale = time.time() - 3600.0
        for path in [*self.folder.glob('*.plan'), *self.folder.glob('*.partial')]:
            with contextlib.suppress(FileNotFoundError):  # left by a process that was killed
                if path.stem not in named and path.stat().st_mtime < stale:
                    path.unlink()

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all, readable by the user alone."""
        descriptor, partial = tempfile.mkstemp('.partial', dir=self.folder)
        try:
            with os.fdopen(descriptor, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    def _manifest_path(self, key: PlanKey) -> Path:
        return self.folder / f'{key.digest}.json'

    def _plan_path(self, key: PlanKey) -> Path:
        return self.folder / f'{key.digest}.plan'


def export(entry: CachedPlan, path: Path) -> None:
    """Write a plan to a file and its manifest beside it. Raises CacheError where it cannot."""
    try:
        path.write_bytes(entry.plan)
        Path(f'{path}.json').write_text(entry.manifest.dump())
    except OSError as error:
        raise CacheError(f'{path} cannot be written: {error.strerror}') from error


def install(cache: PlanCache, path: Path) -> PlanManifest:
    """Take what ``export`` wrote into a cache. Raises CacheError where it is not whole."""
    plan, text = read_trusted(path), read_trusted(Path(f'{path}.json'))
    if plan is None or text is None:
        raise CacheError(f'{path} and {path}.json are both needed: copy both')
    try:
        manifest = parse_manifest(text.decode())
    except ValueError as error:
        raise CacheError(f'{path}.json is damaged: {error}') from error
    if not manifest.matches(plan):
        raise CacheError(f'{path} is damaged: it is not what {path}.json says; copy it again')
    cache.put(manifest, plan)
    return manifest


def read_trusted(path: Path) -> bytes | None:
    """Return a file's content, None where there is none.

    Raises CacheError where it belongs to another user or others may write it; what is checked is
    the open file itself, so that it cannot be exchanged in between.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheError(f'{path} is not read: {error.strerror}') from error
    with os.fdopen(descriptor, 'rb') as file:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise CacheError(
                f'{path} is not read: it belongs to another user or others may write it, and an '
                'engine is code. Remove it, or build it again'
            )
        return file.read()
