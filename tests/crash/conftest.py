"""The objects and fixtures of the system tests, for gateways that end badly.

    pytest tests/crash --rounds 200 --seed 7      many rounds, and the same again

The number of rounds may also come from $SG_CRASH_ROUNDS, the seed from $SG_CRASH_SEED."""
import importlib.util
import os
import pathlib
import random
import sys

import pytest

SYSTEM = pathlib.Path(__file__).resolve().parent.parent / "system"
sys.path.insert(0, str(SYSTEM))


def _load():
    """tests/system/conftest.py; two files of this name cannot both be imported by it."""
    spec = importlib.util.spec_from_file_location("system_fixtures", SYSTEM / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_fixtures = _load()
program, work = _fixtures.program, _fixtures.work
no_leaks, no_leak = _fixtures.no_leaks, _fixtures.no_leak
new_cloud, cloud = _fixtures.new_cloud, _fixtures.cloud
new_gateway, gateway = _fixtures.new_gateway, _fixtures.gateway


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=None, help="how often each test kills")
    parser.addoption("--seed", type=int, default=None, help="what chance begins with")


@pytest.fixture
def rounds(request):
    """How many rounds a test with this many by default is to have."""
    asked = request.config.getoption("--rounds") or int(os.environ.get("SG_CRASH_ROUNDS", "0"))
    return lambda default: asked or default


@pytest.fixture
def seed(request):
    """Printed when a test fails, as all output is."""
    given = request.config.getoption("--seed")
    if given is None:
        given = int(os.environ.get("SG_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"the same again: --seed {given}")
    return given
