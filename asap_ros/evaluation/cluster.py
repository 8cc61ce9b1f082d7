"""Many drives at once: on this machine's processes or on a Dask cluster, by one code path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from distributed import Client, LocalCluster, as_completed

from asap_ros.version import version

J = TypeVar('J')
R = TypeVar('R')
CONNECT = 15
"""Seconds to wait for a scheduler."""


class ClusterError(RuntimeError):
    """A cluster that cannot be reached or lost its workers; the text says which."""


@contextmanager
def connect(scheduler: str = '', workers: int = 0) -> Iterator[Client]:
    """Give a client of the scheduler at an address, or of ``workers`` new processes here.

    Processes started here end with the context, and with them what they were doing. Raises
    ClusterError where there is no such scheduler or it has no workers.
    """
    with ExitStack() as stack:
        if not scheduler:
            # A worker that is short of memory should be slow, not killed in mid-drive.
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host='127.0.0.1',
                    dashboard_address=None,
                    memory_limit=0,
                )
            )
            yield stack.enter_context(Client(cluster))
            return
        try:
            client = stack.enter_context(Client(scheduler, timeout=CONNECT))
        except (OSError, ValueError) as error:
            raise ClusterError(f'no Dask scheduler answers at {scheduler}: {error}') from error
        if not client.scheduler_info(n_workers=-1)['workers']:
            raise ClusterError(
                f'the scheduler at {scheduler} has no workers: start some with '
                f'"dask worker {scheduler} --nthreads 1"'
            )
        _check_workers(client)
        yield client


def _check_workers(client: Client) -> None:
    """Raise ClusterError where workers lack this software, on which jobs would wait for ever."""

    def look() -> str:  # sent by value, as a function within a function is
        try:
            from asap_ros.version import version
        except ImportError:
            return 'none'
        return version()

    other = {address: found for address, found in client.run(look).items() if found != version()}
    if other:
        raise ClusterError(
            f'asap_ros {version()} must be installed where the workers run; another one is at '
            f'{", ".join(f"{address} ({found})" for address, found in other.items())}'
        )


def each(
    client: Client, work: Callable[[J], R], jobs: Sequence[J]
) -> Iterator[tuple[J, R | BaseException]]:
    """Yield (job, its result or exception) in the order in which they finish.

    A job whose worker dies is done again elsewhere; one that has killed several workers comes
    with the KilledWorker exception. Leaving early cancels what has not finished.
    """
    futures = {client.submit(work, job, pure=False): job for job in jobs}
    try:
        for future in as_completed(list(futures)):
            error = future.exception()
            yield futures[future], error if error is not None else future.result()
            future.release()
    finally:
        client.cancel([f for f in futures if not f.done()], force=True)
