"""The fixtures of the system tests."""
from fixtures import (  # noqa: F401
    authority, cloud, gateway, new_cloud, new_gateway, no_leak, no_leaks, other_authority, program,
    work)
