"""What the tests use of launch_pytest, for a ROS without it: ``fixture`` and the launch marker.

Test functions only (no coroutines, no generators), one unparametrised launch fixture a test.
"""

from __future__ import annotations

import pytest


def fixture(
    function=None, *, shutdown_when_idle: bool = True, auto_shutdown: bool = True, **options
):
    """Decorate a function that returns a LaunchDescription, as ``launch_pytest.fixture`` does.

    ``shutdown_when_idle``: launch ends once nothing runs any more. ``auto_shutdown``: launch is
    ended after the last test of the fixture's scope; otherwise that waits for launch to end by
    itself. ``options`` go to ``pytest.fixture``.
    """

    def decorate(function):
        function.launch_options = {
            'shutdown_when_idle': shutdown_when_idle,
            'auto_shutdown': auto_shutdown,
        }
        return pytest.fixture(function, **options)

    return decorate if function is None else decorate(function)
