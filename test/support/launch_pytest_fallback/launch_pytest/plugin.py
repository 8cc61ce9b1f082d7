"""Run the launch service of a launch fixture while the tests marked with it run.

The service must have the main thread, for its signal handlers; so a test's function runs in
another thread while the event loop turns here.
"""

from __future__ import annotations

import asyncio
import functools
import inspect

import launch
import pytest


class Session:
    """A launch description being run: from its fixture's set-up to the end of its scope."""

    def __init__(
        self, description: launch.LaunchDescription, shutdown_when_idle: bool, auto_shutdown: bool
    ):
        """Start it and return once its entities have been visited; AssertionError if they fail."""
        self._auto_shutdown = auto_shutdown
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.service = launch.LaunchService()
        ready = asyncio.Event()
        self.service.include_launch_description(
            launch.LaunchDescription(
                [
                    *description.entities,
                    launch.actions.OpaqueFunction(function=lambda _: ready.set()),
                ]
            )
        )
        self._task = self._loop.create_task(
            self.service.run_async(shutdown_when_idle=shutdown_when_idle)
        )
        waiting = self._loop.create_task(ready.wait())
        self._loop.run_until_complete(
            asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        )
        waiting.cancel()
        if not ready.is_set():
            self.close()

    def call(self, function) -> None:
        """Run ``function`` in another thread and launch in this one, until the function ends."""
        self._loop.run_until_complete(self._loop.run_in_executor(None, function))

    def end(self) -> None:
        """Shut launch down, or wait for it to end; AssertionError where it did not end well."""
        if self._loop.is_closed():
            return
        if self._auto_shutdown and not self._task.done():
            self.service.shutdown(force_sync=True)
        code = self._loop.run_until_complete(self._task)
        assert code == 0, f'launch ended with return code {code}'

    def close(self) -> None:
        """End launch and give its event loop back."""
        try:
            self.end()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            asyncio.set_event_loop(None)


sessions: dict[str, Session] = {}


def fixture_name(item: pytest.Item) -> str | None:
    """Return the name of the launch fixture that a test is marked with, None without one."""
    marker = item.get_closest_marker('launch')
    if marker is None:
        return None
    if marker.kwargs.get('fixture') is None:
        raise pytest.UsageError(f'{item.nodeid}: pytest.mark.launch needs fixture=…')
    return marker.kwargs['fixture'].__name__


def pytest_configure(config):
    """Declare the marker."""
    config.addinivalue_line(
        'markers', 'launch(fixture, shutdown=False): run while, or after, a launch fixture runs'
    )


def pytest_itemcollected(item):
    """Make a marked test use its launch fixture."""
    name = fixture_name(item)
    if name is not None and name not in item.fixturenames:
        item.fixturenames.insert(0, name)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """Start launch once a launch fixture has returned its description."""
    returned = yield
    options = getattr(fixturedef.func, 'launch_options', None)
    if options is not None:
        description = returned[0] if isinstance(returned, (list, tuple)) else returned
        if not isinstance(description, launch.LaunchDescription):
            raise TypeError(
                f'launch fixture {fixturedef.argname} must return a LaunchDescription, alone or '
                f'as the first of a sequence, and returned {type(description).__name__}'
            )
        name = fixturedef.argname
        sessions[name] = Session(description, **options)
        fixturedef.addfinalizer(lambda: sessions.pop(name).close())
    return returned


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a marked test beside its launch, or after it with ``shutdown=True``."""
    name = fixture_name(pyfuncitem)
    if name is None:
        return (yield)
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        pytest.fail('launch tests must be plain functions where launch_pytest is not installed')
    session = sessions[name]
    if pyfuncitem.get_closest_marker('launch').kwargs.get('shutdown', False):
        session.end()

    @functools.wraps(function)
    def beside_launch(**arguments):
        session.call(functools.partial(function, **arguments))

    pyfuncitem.obj = beside_launch
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


@pytest.fixture
def launch_service(request):
    """The launch.LaunchService that runs the launch fixture of this test."""
    name = fixture_name(request.node)
    request.getfixturevalue(name)
    return sessions[name].service


@pytest.fixture
def launch_context(launch_service):
    """The launch.LaunchContext of ``launch_service``."""
    return launch_service.context
