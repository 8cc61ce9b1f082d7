"""Many drives on two real worker processes: one is killed, one bag is broken, all are answered."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix

from support import cluster_jobs, tiny_bags
from support.paths import ROOT

pytest.importorskip('distributed', reason='needs the package distributed')
from distributed import LocalCluster

from asap_ros.cli import evaluate
from asap_ros.evaluation import cluster, drive_job
from asap_ros.evaluation.cluster import ClusterError


def test_jobs_of_a_killed_worker_are_done_again_and_none_is_lost(tmp_path):
    marker = tmp_path / 'died'
    todo = [(k, str(marker) if k == 3 else '') for k in range(8)]
    with cluster.connect(workers=2) as client:
        done = list(cluster.each(client, cluster_jobs.die_once, todo))
        assert {job for job, _ in done} == set(todo) and len(done) == 8
        assert sorted(number for _, (number, _) in done) == list(range(8))
        died = int(marker.read_text())
        assert dict(result for _, result in done)[3] != died
        # What fails, and what kills every worker it meets, comes with its reason.
        ((_, error),) = cluster.each(client, cluster_jobs.fail, ['x'])
        assert isinstance(error, OSError) and 'job x' in str(error)
        ((_, error),) = cluster.each(client, cluster_jobs.always_die, ['x'])
        assert type(error).__name__ == 'KilledWorker'


@pytest.mark.slow
def test_drives_spread_over_workers_come_to_one_summary(tmp_path, tiny_file, capsys):
    bags = [tiny_bags.write(tmp_path / f'drive{k}', frames=2) for k in range(3)]
    broken = tmp_path / 'broken'
    tiny_bags.write(broken)
    (broken / 'broken.mcap').write_bytes(b'nothing')
    out = tmp_path / 'out'
    assert (
        evaluate.main(
            [
                str(bags[0]),
                str(broken),
                *map(str, bags[1:]),
                '--out',
                str(out),
                '--model',
                str(tiny_file),
                '--size',
                '32x64',
                '--workers',
                '2',
            ]
        )
        == 2
    )
    summary = json.loads((out / 'summary.json').read_text())
    assert [Path(d['bag']).name for d in summary['drives']] == ['drive0', 'drive1', 'drive2']
    assert all(d['frames']['processed'] == 2 for d in summary['drives'])
    assert 'corrupt' in summary['failed'][0]['error']
    assert 'broken' in (out / 'index.html').read_text()
    assert 'corrupt' in capsys.readouterr().err
    # One code path: in this process the same comes out.
    alone = drive_job.work(
        drive_job.DriveJob(
            str(bags[0]),
            str(tmp_path / 'alone'),
            drive_job.EvaluationRequest(str(tiny_file), size=(32, 64)),
        )
    ).document
    spread = json.loads((out / 'drive0' / 'report.json').read_text())
    assert spread['segmentation'] == alone['segmentation'] and spread['road'] == alone['road']


def test_workers_without_this_software_are_named_at_once(monkeypatch):
    monkeypatch.setattr(cluster, 'version', lambda: '99.0.0')  # what no worker has
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, host='127.0.0.1', dashboard_address=None
    ) as own:
        with pytest.raises(ClusterError, match=r'tcp://127.*\(0\.1\.0\)'):
            with cluster.connect(own.scheduler_address):
                pass
        monkeypatch.undo()
        with cluster.connect(own.scheduler_address) as client:
            ((_, (number, _)),) = cluster.each(client, cluster_jobs.die_once, [(7, '')])
            assert number == 7


def test_a_scheduler_that_is_not_there(monkeypatch):
    monkeypatch.setattr(cluster, 'CONNECT', 1)
    with pytest.raises(ClusterError, match='no Dask scheduler answers at tcp://127.0.0.1:9'):
        with cluster.connect('tcp://127.0.0.1:9'):
            pass


def children(pid):
    shown = subprocess.run(['ps', '-e', '-o', 'pid=,ppid='], capture_output=True, text=True)
    parents = {int(p): int(q) for p, q in (line.split() for line in shown.stdout.splitlines())}
    found, new = set(), {pid}
    while new:
        new = {p for p, q in parents.items() if q in new} - found
        found |= new
    return found


def alive(pid):
    try:
        return 'Z' not in Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_leaves_no_half_files(tmp_path, tiny_file):
    bags = [tiny_bags.write(tmp_path / f'drive{k}', frames=1500) for k in range(2)]
    out = tmp_path / 'out'
    # The installed script: the workers' processes import it anew, and must not run it again.
    script = Path(get_package_prefix('asap_ros')) / 'lib' / 'asap_ros' / 'evaluate'
    process = subprocess.Popen(
        [
            script,
            *map(str, bags),
            '--out',
            str(out),
            '--model',
            str(tiny_file),
            '--size',
            '32x64',
            '--workers',
            '2',
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while len(list(out.glob('*/.overlay.partial*'))) < 2 and time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and 'Traceback' not in text, text
    assert 'ended early' in text
    end = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(alive, workers))
    assert list(out.glob('*/.*')) == []
