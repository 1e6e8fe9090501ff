"""The objects and fixtures of the system tests, and the vendor's SDK.

The SDK is where $SG_SDK says: a node_modules folder made by `npm ci` from this folder's lock file.
scripts/check makes it in the build tree."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM = HERE.parent / "system"
sys.path.insert(0, str(SYSTEM))

from fixtures import (  # noqa: E402,F401  pylint: disable=wrong-import-position
    cloud, gateway, new_cloud, new_gateway, no_leak, no_leaks, program, work)


@pytest.fixture
def sdk(tmp_path):
    """Run client.js: a function from what to do to what the SDK made of it."""
    modules = pathlib.Path(os.environ.get("SG_SDK", HERE / "node_modules")).resolve()
    assert modules.is_dir(), f"{modules} is not there: npm ci there, or set SG_SDK"

    def run(what):
        # The SDK writes into its user's home folder; nothing of ours is to be found by it there.
        done = subprocess.run(
            ["node", str(HERE / "client.js"), json.dumps(what)], capture_output=True, timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NODE_PATH": str(modules)},
            cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stderr)
    return run
