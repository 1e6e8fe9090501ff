"""docs/audit.md runs: each of its `sh` blocks is executed, in order and in one shell, over a directory
that a gateway with its key and its settings has made, and must print what stands in the `text` block
behind it. Hashes, times and counts are compared by their form."""
import json
import os
import re
import subprocess

import pytest

from gateway import DELETE, SOURCE
from wait import LIMIT_SECONDS

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FORMS = [
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"\b[A-Za-z0-9+/]{43}=", "BASE64"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r'(?<="key":")[0-9a-f]{8}|(?<=key )[0-9a-f]{8}|^[0-9a-f]{8}$', "KEY"),
    (r"\b\d{20}\b", "SEQ"),
    (r"\b\d[\d,]*\b(?= (?:records?|lines?|files?|checkpoints?|s)\b)", "N"),
    (r"(?<=record )\d+|(?<=byte )\d+|(?<=epoch )\d+", "N"),
    (r"\b(record|line|file|checkpoint)s?\b( is| are| stands?)?", r"\1"),
]


def blocks():
    text = (SOURCE / "docs" / "audit.md").read_text()
    return BLOCK.findall(text)


def form(text):
    for pattern, name in FORMS:
        text = re.sub(pattern, name, text, flags=re.M)
    return text


def run(script, directory, program):
    """Run a script in a directory where signgate is the program under test."""
    environment = {**os.environ, "PATH": f"{directory / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"}
    (directory / "bin").mkdir(exist_ok=True)
    link = directory / "bin" / "signgate"
    if not link.is_symlink():
        link.symlink_to(program)
    return subprocess.run(["sh", "-eu", "-c", script], cwd=directory, env=environment, text=True,
                          capture_output=True, timeout=LIMIT_SECONDS, check=False)


@pytest.fixture
def directory(new_gateway, cloud, program):
    """What the first blocks ask for: the key, and a gateway that has run with it, twice."""
    gateway = new_gateway(cloud, audit={"checkpoint_key": "checkpoint.pem"})
    key = next(text for kind, text in blocks() if kind == "sh")
    done = run(key, gateway.directory, program)
    assert done.returncode == 0, done.stderr
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.stop() == 0
    gateway.again()
    assert gateway.stop() == 0
    return gateway.directory


def test_the_commands_do_what_stands_behind_them(directory, program):
    found = blocks()
    script, expected = "", []
    for index, (kind, text) in enumerate(found[1:], 1):
        if kind != "sh":
            continue
        assert found[index + 1][0] == "text", f"what does this print?\n{text}"
        script += f"{text}\nprintf '\\f'\n"
        expected.append((text, found[index + 1][1]))
    assert len(expected) > 7
    done = run(script, directory, program)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split("\f")[:-1]
    assert len(printed) == len(expected)
    for (command, text), actual in zip(expected, printed):
        assert form(actual) == form(text), f"{command}\nprinted\n{actual}\ninstead of\n{text}"


def test_the_chain_shows_what_the_commands_compare(directory, program):
    """The forms above hide values: here they are equal where the text says so."""
    script = "".join(text for kind, text in blocks()[1:] if kind == "sh")
    done = run(script, directory, program)
    assert done.returncode == 0, done.stderr
    for pattern in (r"([0-9a-f]{64})  -\n\"prev\":\"([0-9a-f]{64})\"",
                    r"([0-9a-f]{64})  -\n\"note_sha256\":\"([0-9a-f]{64})\"",
                    r"^([A-Za-z0-9+/]{43}=)\n([A-Za-z0-9+/]{43}=)$",
                    r"^([0-9a-f]{8})\n\"key\":\"([0-9a-f]{8})\"$"):
        pair = re.search(pattern, done.stdout, re.M)
        assert pair and pair.group(1) == pair.group(2), (pattern, done.stdout)
    assert "does not follow" not in done.stdout


def test_the_settings_are_settings(new_gateway, cloud, program, work):
    """Each yaml fragment loads."""
    fragments = [text for kind, text in blocks() if kind == "yaml"]
    assert fragments
    for text in fragments:
        gateway = new_gateway(cloud)
        gateway.write()
        settings = json.loads(gateway.file.read_text())
        del settings["audit"]
        gateway.file.write_text(text + "\n".join(f"{key}: {json.dumps(value)}"
                                                 for key, value in settings.items()) + "\n")
        key = next(block for kind, block in blocks() if kind == "sh")
        assert run(key, gateway.directory, program).returncode == 0
        done = subprocess.run([program, "check", "-c", gateway.file], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
