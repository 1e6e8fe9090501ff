"""The objects and fixtures of the system tests, for gateways that end badly."""
import pathlib
import sys

SYSTEM = pathlib.Path(__file__).resolve().parent.parent / "system"
sys.path.insert(0, str(SYSTEM))

from fixtures import (  # noqa: E402,F401  pylint: disable=wrong-import-position
    cloud, gateway, new_cloud, new_gateway, no_leak, no_leaks, program, work)
from rounds import add_options, rounds, seed  # noqa: E402,F401  pylint: disable=wrong-import-position

pytest_addoption = add_options
