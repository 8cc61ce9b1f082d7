"""The cache on real plans: what is damaged, foreign or somebody else's is never served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from asap_ros.segmentation.tensorrt import plan_cache as caches
from asap_ros.segmentation.tensorrt.plan import parse_manifest
from asap_ros.segmentation.tensorrt.plan_cache import CacheError, PlanCache, export, install


def stored(cache, entry):
    """Keep a plan and return the paths of manifest and plan."""
    cache.put(entry.manifest, entry.plan)
    digest = entry.manifest.key.digest
    return cache.folder / f'{digest}.json', cache.folder / f'{digest}.plan'


def test_what_is_put_is_found(cache, entry):
    stored(cache, entry)
    found = cache.find(entry.manifest.key)
    assert found == entry and found.plan == entry.plan
    assert cache.manifests() == [entry.manifest] and not cache.faults


@pytest.mark.parametrize(
    'changes, served',
    [
        ({'archs': ('sm89',)}, True),
        ({'archs': ('sm86',), 'batch': 1}, True),
        ({'archs': ('sm120',)}, False),
        ({'archs': ('sm86', 'sm120')}, False),
        ({'batch': 3}, False),
        ({'precision': 'fp32'}, False),
        ({'size': (64, 160)}, False),
        ({'version': '9'}, False),
        ({'model_sha256': 'f' * 64}, False),
        ({'runtime': 'tensorrt'}, False),
        ({'gpu': 'A'}, False),
    ],
)
def test_a_plan_serves_what_it_was_built_for(cache, entry, changes, served):
    stored(cache, entry)
    assert (cache.find(replace(entry.manifest.key, **changes)) is not None) is served


def test_every_part_of_the_key_changes_the_name(entry):
    key = entry.manifest.key
    changed = [replace(key, **{name: 'x'}) for name in vars(key)]
    assert len({k.digest for k in [key, *changed]}) == len(changed) + 1


def test_files_are_the_users_alone(cache, entry):
    paths = stored(cache, entry)
    with cache.lock(entry.manifest.key):
        assert cache.folder.stat().st_mode & 0o777 == 0o700
        for path in [*paths, *cache.folder.glob('*.lock')]:
            assert path.stat().st_mode & 0o777 == 0o600
    assert not list(cache.folder.glob('*.partial'))


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    'damage',
    [
        lambda manifest, plan: flip(plan, 0),
        lambda manifest, plan: flip(plan, -1),
        lambda manifest, plan: flip(plan, plan.stat().st_size // 2),
        lambda manifest, plan: plan.write_bytes(plan.read_bytes()[:-1]),
        lambda manifest, plan: plan.write_bytes(b''),
        lambda manifest, plan: plan.unlink(),
        lambda manifest, plan: manifest.write_bytes(b''),
        lambda manifest, plan: manifest.write_bytes(manifest.read_bytes()[:-9]),
        lambda manifest, plan: manifest.write_bytes(b'\xff\xfe'),
        lambda manifest, plan: manifest.write_text('[]'),
        lambda manifest, plan: manifest.write_text('{"format": 1}'),
        lambda manifest, plan: manifest.write_text(
            manifest.read_text().replace('"format": 1', '"format": 99')
        ),
        lambda manifest, plan: manifest.write_text(
            manifest.read_text().replace('"fp16",', '"fp32",')
        ),
    ],
)
def test_damage_is_found_removed_and_mended(cache, entry, damage):
    damage(*stored(cache, entry))
    assert cache.find(entry.manifest.key) is None
    assert len(cache.faults) == 1 and 'removed' in cache.faults[0]
    assert not list(cache.folder.glob('*.json')) and not list(cache.folder.glob('*.plan'))
    stored(cache, entry)
    assert cache.find(entry.manifest.key) == entry


def test_plan_under_the_name_of_another(cache, entry, other):
    _, plan = stored(cache, entry)
    _, foreign = stored(cache, other)
    plan.write_bytes(foreign.read_bytes())
    assert cache.find(entry.manifest.key) is None
    assert cache.find(other.manifest.key) == other


def test_manifest_under_the_name_of_another(cache, entry, other):
    manifest, plan = stored(cache, entry)
    manifest.write_text(other.manifest.dump())
    plan.write_bytes(other.plan)
    assert cache.find(other.manifest.key) is None
    assert 'manifest of another engine' in cache.faults[0]


@pytest.mark.parametrize('which', [0, 1])
def test_files_that_others_may_write_are_not_read(cache, entry, which):
    path = stored(cache, entry)[which]
    path.chmod(0o666)
    assert cache.find(entry.manifest.key) is None
    assert 'others may write it' in cache.faults[0]
    path.chmod(0o600)
    assert cache.find(entry.manifest.key) == entry


def test_files_of_another_user_are_not_read(cache, entry, monkeypatch):
    stored(cache, entry)
    monkeypatch.setattr(os, 'geteuid', lambda: os.getuid() + 1)
    assert cache.find(entry.manifest.key) is None
    assert 'belongs to another user' in cache.faults[0]
    with pytest.raises(CacheError, match='belongs to another user, who could put any code'):
        PlanCache(cache.folder)


def test_links_are_not_followed(cache, entry, tmp_path):
    _, plan = stored(cache, entry)
    plan.rename(tmp_path / 'elsewhere')
    plan.symlink_to(tmp_path / 'elsewhere')
    assert cache.find(entry.manifest.key) is None


def test_a_folder_that_is_open_to_others_is_closed(cache):
    cache.folder.chmod(0o755)
    PlanCache(cache.folder)
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(CacheError, match='file cannot be used for engines: .*another folder'):
        PlanCache(tmp_path / 'file')


def test_a_disk_that_is_full(cache, entry, monkeypatch):
    stored(cache, entry)

    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(CacheError, match='No space left on device'):
        cache.put(entry.manifest, entry.plan)
    assert not list(cache.folder.glob('*.partial'))
    assert cache.find(entry.manifest.key) == entry, 'what was there is lost'


def aged(cache, entry, seconds):
    os.utime(stored(cache, entry)[0], (time.time() - seconds,) * 2)


def test_the_least_recently_used_goes_first(cache, entry, other):
    third = replace(
        entry, manifest=replace(entry.manifest, key=replace(entry.manifest.key, gpu='third'))
    )
    cache.limit = len(entry.plan) * 2 + len(other.plan) // 2
    aged(cache, entry, 200)
    aged(cache, other, 100)
    assert cache.find(entry.manifest.key), 'using it makes it young again'
    stored(cache, third)
    assert cache.find(entry.manifest.key) and cache.find(third.manifest.key)
    assert cache.find(other.manifest.key) is None
    assert cache.size() <= cache.limit


def test_what_was_just_built_stays_even_beyond_the_limit(cache, entry, other):
    cache.limit = 1
    stored(cache, entry)
    stored(cache, other)
    assert [m.key for m in cache.manifests()] == [other.manifest.key]


def test_what_killed_processes_left_is_cleared_away(cache, entry, other):
    old = [cache.folder / 'x.partial', cache.folder / f'{"0" * 32}.plan']
    for path in old:
        path.write_bytes(b'half')
        os.utime(path, (time.time() - 7200,) * 2)
    young = cache.folder / 'y.partial'
    young.write_bytes(b'half')
    stored(cache, entry)
    assert not any(path.exists() for path in old) and young.exists()


def test_clear(cache, entry, other):
    stored(cache, entry)
    stored(cache, other)
    assert cache.clear() == len(entry.plan) + len(other.plan)
    assert not cache.manifests()


def test_one_lock_at_a_time_and_none_after_a_death(cache, entry):
    key = entry.manifest.key
    holder = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import fcntl, os, sys, time\n'
            'fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n'
            'fcntl.flock(fd, fcntl.LOCK_EX)\nprint("held", flush=True)\ntime.sleep(600)',
            str(cache.folder / f'{key.digest}.lock'),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == 'held\n'
        with cache.lock(key, wait=False) as held:
            assert not held
    finally:
        holder.kill()
        holder.communicate()
    with cache.lock(key, wait=False) as held:
        assert held


def test_exported_and_installed_elsewhere(entry, tmp_path):
    export(entry, tmp_path / 'e.plan')
    there = PlanCache(tmp_path / 'vehicle')
    assert install(there, tmp_path / 'e.plan') == entry.manifest
    assert there.find(entry.manifest.key) == entry


@pytest.mark.parametrize(
    'damage, says',
    [
        (lambda p: flip(p, 5), 'e.plan is damaged: .*copy it again'),
        (lambda p: p.unlink(), 'both needed'),
        (lambda p: Path(f'{p}.json').unlink(), 'both needed'),
        (lambda p: Path(f'{p}.json').write_text('{}'), r'e\.plan\.json is damaged'),
    ],
)
def test_installing_what_is_not_whole(entry, tmp_path, damage, says):
    export(entry, tmp_path / 'e.plan')
    damage(tmp_path / 'e.plan')
    there = PlanCache(tmp_path / 'vehicle')
    with pytest.raises(CacheError, match=says):
        install(there, tmp_path / 'e.plan')
    assert not there.manifests()


def test_manifest_there_and_back(entry):
    assert parse_manifest(entry.manifest.dump()) == entry.manifest
    assert set(json.loads(entry.manifest.dump())['key']['archs']) == {'sm86', 'sm89'}


def test_folder_by_default(monkeypatch):
    monkeypatch.setenv('ASAP_ROS_CACHE', '/c')
    assert caches.default_folder() == Path('/c/engines')
    monkeypatch.delenv('ASAP_ROS_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/x')
    assert caches.default_folder() == Path('/x/asap_ros/engines')
