"""Where an environment is made: its folder, its log, its lock, and the commands run for it.

Standard library only, as everything here: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

AGAIN = 'and run the same command again'
OFFLINE = 'see "Without a network" in docs/installing.md'
# What may point Python, pip or the loader at somebody else's packages.
FOREIGN = (
    'PYTHONPATH',
    'PYTHONHOME',
    'PYTHONSAFEPATH',
    'LD_LIBRARY_PATH',
    'PIP_TARGET',
    'PIP_PREFIX',
    'PIP_USER',
    'PIP_REQUIRE_VIRTUALENV',
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
)


class SetupError(RuntimeError):
    """The environment cannot be made; the text says why and what to do."""


def say(text: str) -> None:
    """Print one line for the user, on stderr so that a command's own output stays clean."""
    print(f'asap_ros: {text}', file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is done, and afterwards how long it took."""
    started = time.monotonic()
    say(f'{text} …')
    yield
    say(f'{text}: {time.monotonic() - started:.0f} s')


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock file ``path``, its descriptor yielded; wait, saying so, while others do.

    The descriptor goes to every command as well: a pip that outlives its killed parent keeps
    the lock, so nobody removes the folder that it still writes to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'another call is making this environment ({path.stem}): waiting for it …')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def explain(log: str) -> str | None:
    """Return why a command failed and what to do, from what it printed; None if that is new."""
    if 'No space left on device' in log or 'Disk quota exceeded' in log:
        return (
            'the disk is full: free some space, or set ASAP_ROS_CACHE to a folder on a '
            f'larger disk, {AGAIN}'
        )
    network = (
        r'NewConnectionError|NameResolution|ConnectTimeout|Connection (?:refused|reset)|'
        r'Read ?[tT]imed? ?out|ProxyError|SSLError|Network is unreachable|'
        r'[nN]ame resolution|ConnectionError|ProtocolError'
    )
    if re.search(network, log):
        return (
            'the package index cannot be reached: check the network and the proxy '
            f'{AGAIN}, or {OFFLINE}'
        )
    missing = re.search(r'No matching distribution found for (\S+)', log)
    if missing:
        return (
            f'pip finds no {missing.group(1)} for Python {platform.python_version()} on '
            f'{platform.machine()}: look at "pip config list" and at PIP_INDEX_URL, '
            f'PIP_NO_INDEX and PIP_FIND_LINKS, or {OFFLINE}'
        )
    return None


@dataclass(frozen=True)
class Workshop:
    """The folder ``prefix`` that becomes an environment, and how commands run for it.

    ``log`` takes what they print, ``temporary`` their temporary files, ``lock`` is the open
    lock file's descriptor.
    """

    prefix: Path
    log: Path
    lock: int

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.prefix / 'bin' / 'python'

    @property
    def temporary(self) -> Path:
        """The folder for what is not to stay; on the same disk, so that one check of it holds."""
        return self.prefix / 'tmp'

    def run(self, *command: str | Path, **variables: str) -> None:
        """Run a command; SetupError where it fails, with the reason if that is a known one."""
        environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
        environment |= {'TMPDIR': str(self.temporary)} | variables
        with self.log.open('a+') as sink:
            start = sink.seek(0, os.SEEK_END)
            code = subprocess.run(
                [str(part) for part in command],
                stdout=sink,
                stderr=sink,
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=(self.lock,),
            ).returncode
            sink.seek(start)
            printed = sink.read()
        if code:
            last = '\n'.join(line[:200] for line in printed.splitlines()[-5:])
            why = explain(printed) or f'{Path(command[0]).name} failed and ended with\n{last}'
            raise SetupError(f'{why}\n(everything it printed: {self.log})')

    def pip(self, verb: str, *arguments: str | Path) -> None:
        """Run pip, with the indexes and options that this machine has configured for it."""
        self.run(
            self.python,
            '-m',
            'pip',
            verb,
            '--disable-pip-version-check',
            '--no-input',
            '--progress-bar',
            'off',
            *arguments,
        )
