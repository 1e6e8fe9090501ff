"""The objects and fixtures of the system tests, for gateways whose disk misbehaves."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "system"), str(TESTS / "crash")]

from fixtures import (  # noqa: E402,F401  pylint: disable=wrong-import-position
    cloud, gateway, new_cloud, new_gateway, no_leak, no_leaks, program, work)
from rounds import add_options, rounds, seed  # noqa: E402,F401  pylint: disable=wrong-import-position
from outage import Outage  # noqa: E402  pylint: disable=wrong-import-position
from small_disk import SmallDisk  # noqa: E402  pylint: disable=wrong-import-position

pytest_addoption = add_options


@pytest.fixture
def new_outage(new_gateway, cloud):
    """A gateway on a disk that misbehaves when it is told to, and all that its callers are told."""
    made = []

    def new(start=True, **changes):
        made.append(Outage(new_gateway(cloud, **changes), cloud))
        if start:
            made[-1].gateway.start()
        return made[-1]
    yield new
    for one in made:
        one.disk.heal()


@pytest.fixture
def outage(new_outage):
    return new_outage()


@pytest.fixture
def small_disk(work):
    """A disk with a size, gone when the test ends; None where nothing may be mounted."""
    disk = SmallDisk.mount(work / "disk")
    if disk is None:
        print("nothing may be mounted here: the layer says ENOSPC instead")
    yield disk
    if disk is not None:
        disk.unmount()
