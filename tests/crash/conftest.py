"""The objects and fixtures of the system tests, for gateways that end badly."""
import importlib.util
import pathlib
import sys

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

from rounds import add_options, rounds, seed  # noqa: E402,F401  pylint: disable=wrong-import-position

pytest_addoption = add_options
