"""How often a test leaves something to chance, and what chance begins with.

    pytest tests/crash --rounds 200 --seed 7      many rounds, and the same again

Both may come from the environment as well: $SG_CRASH_ROUNDS and $SG_CRASH_SEED for tests/crash,
$SG_FAULT_ROUNDS and $SG_FAULT_SEED for tests/fault."""
import os
import random

import pytest


def add_options(parser):
    try:
        parser.addoption("--rounds", type=int, default=None, help="how often chance is tried")
        parser.addoption("--seed", type=int, default=None, help="what chance begins with")
    except ValueError:
        pass  # both folders are tested at once, and the other one was first


def _asked(request, option):
    given = request.config.getoption(option)
    if given is None:
        folder = request.path.parent.name.upper()
        given = os.environ.get(f"SG_{folder}_{option.strip('-').upper()}")
    return None if given is None else int(given)


@pytest.fixture
def rounds(request):
    """How many rounds a test with this many by default is to have."""
    asked = _asked(request, "--rounds")
    return lambda default: asked or default


@pytest.fixture
def seed(request):
    """Printed when a test fails, as all output is."""
    given = _asked(request, "--seed")
    if given is None:
        given = random.SystemRandom().randrange(1 << 32)
    print(f"the same again: --seed {given}")
    return given
