"""Tests may be coroutines; each gets its own event loop and a generous limit against hanging."""

import asyncio
import inspect
import os

import pytest

from daemon import Daemon

# Against hanging, and never a measurement: a loaded machine may take its time.
PATIENCE = float(os.environ.get("AMPD_PATIENCE", "120"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    slow = pyfuncitem.get_closest_marker("slow") is not None
    limit = PATIENCE * (10 if slow else 1)
    asyncio.run(asyncio.wait_for(function(**arguments), limit))
    return True


@pytest.fixture
def daemon(tmp_path):
    """A daemon of its own over an empty store; `start` it again after a `kill`."""
    daemon = Daemon(tmp_path / "root")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def unstarted(tmp_path):
    """A daemon to be changed, and then started, by the test."""
    daemon = Daemon(tmp_path / "root")
    yield daemon
    if daemon.process:
        daemon.stop()


@pytest.fixture
def make_daemon(tmp_path):
    """Daemons with settings: make_daemon("limits.box_seconds=1")."""
    made = []

    def make(*settings, root=None):
        daemon = Daemon(root or tmp_path / "root", *settings)
        made.append(daemon)
        daemon.start()
        return daemon

    yield make
    for daemon in made:
        daemon.stop()
