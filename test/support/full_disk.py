"""A full disk, made by the kernel itself."""

import resource
from collections.abc import Callable


def until_the_disk_is_full(write: Callable, room: int = 1000) -> Callable:
    """Return ``write`` with the kernel refusing every byte of a file past ``room``.

    The limit of a file's size stands in for a full disk: the write fails half-way, in the
    system call, with another number. Nothing outside this process notices.
    """

    def limited(*arguments):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            return write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
