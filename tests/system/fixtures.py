"""Fixtures of all tests that drive the program: it, and clouds and gateways that are gone when a test
ends. The conftest.py of each folder takes what it needs.

The program is $SIGNGATE, or signgate at the top of $SG_BUILD_DIR, or at the top of the source."""
import os
import pathlib
import tempfile

import pytest

from certificates import Authority
from cloud import Cloud
from gateway import SOURCE, Gateway
from leaks import leaks


@pytest.fixture(autouse=True, scope="module")
def no_leaks():
    """The secrets of a module are its own: some of its gateways serve all of its tests."""
    leaks.reset()
    yield
    leaks.check()


@pytest.fixture(autouse=True)
def no_leak():
    """When a test is over: what its clouds saw last is known when they have stopped."""
    yield
    leaks.check()
    leaks.forget()


@pytest.fixture(scope="session")
def program():
    path = os.environ.get("SIGNGATE")
    if path is None:
        path = pathlib.Path(os.environ.get("SG_BUILD_DIR", SOURCE)) / "signgate"
    path = pathlib.Path(path).resolve()
    assert os.access(path, os.X_OK), f"{path} is not there: build first, or set SIGNGATE"
    return path


@pytest.fixture
def work():
    """A directory for one test, short enough for every limit of a path."""
    with tempfile.TemporaryDirectory(prefix="signgate-test-") as directory:
        yield pathlib.Path(directory)


@pytest.fixture(scope="session")
def authority():
    with tempfile.TemporaryDirectory(prefix="signgate-test-") as directory:
        yield Authority(pathlib.Path(directory) / "good")


@pytest.fixture(scope="session")
def other_authority():
    """One that nobody trusts."""
    with tempfile.TemporaryDirectory(prefix="signgate-test-") as directory:
        yield Authority(pathlib.Path(directory) / "other")


@pytest.fixture
def new_cloud():
    made = []

    def new(*arguments, **named):
        made.append(Cloud(*arguments, **named))
        return made[-1]
    yield new
    for cloud in made:
        cloud.stop()


@pytest.fixture
def cloud(new_cloud):
    """A cloud over http."""
    return new_cloud()


@pytest.fixture
def new_gateway(program, work, new_cloud):  # clouds are stopped after gateways
    made = []

    def new(upstream, **named):
        made.append(Gateway(program, work / f"gateway{len(made)}", upstream, **named))
        return made[-1]
    yield new
    for gateway in made:
        gateway.end()


@pytest.fixture
def gateway(new_gateway, cloud):
    """A gateway before the http cloud, as most tests want it."""
    return new_gateway(cloud).start()
