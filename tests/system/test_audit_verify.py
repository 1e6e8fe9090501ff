"""`audit verify` as an auditor types it, over logs that gateways have written: what it says when all
is good, when something is not, while a gateway writes, and in both forms. Every single change is
unit/audit/test_verify's."""
import hashlib
import json
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from audit_lines import crc32c
from certificates import make_key
from gateway import DELETE, STRANGER, source
from wait import LIMIT_SECONDS, until


def verify(program, directory, *arguments):
    done = subprocess.run([program, "audit", "verify", directory, *arguments], capture_output=True,
                          text=True, timeout=LIMIT_SECONDS, check=False)
    assert "\x1b" not in done.stdout + done.stderr
    return done


def verify_json(program, directory, *arguments):
    done = verify(program, directory, *arguments, "--output", "json")
    told = json.loads(done.stdout)
    assert told["schema"] == "signgate.audit.verify.1"
    assert told["ok"] == (done.returncode == 0)
    return told


def segments(directory):
    return sorted(pathlib.Path(directory).glob("audit-*.jsonl"))


@pytest.fixture
def key(work):
    return make_key(work, "checkpoint")


@pytest.fixture
def log(new_gateway, cloud, key):
    """The directory of a gateway that ran twice with a key, with a few calls each."""
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])})
    gateway.start()
    for number in range(3):
        assert gateway.ask("DELETE", DELETE.replace("f1", f"f{number}")).status == 200
    assert gateway.stop() == 0
    gateway.again()
    assert gateway.ask("GET", "/nothing", source=source(STRANGER, 1)).status == 401
    assert gateway.stop() == 0
    return gateway.audit


@pytest.fixture
def copy(log, work):
    """A copy that a test may ruin."""
    return pathlib.Path(shutil.copytree(log, work / "copy"))


def test_a_good_log(program, log, key):
    done = verify(program, log, "--public-key", key[1])
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"ok: \d+ records, 2 files, \d checkpoints \(key [0-9a-f]{8}\)", first)
    assert re.fullmatch(r"end not provable \(no anchor\); the last checkpoint covers it up to record "
                        r"\d+ \(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\); 1 record behind it, of \d s",
                        second)
    assert "signatures not checked: give --public-key" in verify(program, log).stdout


def test_json_has_the_same_facts(program, log, key):
    records = [json.loads(line) for path in segments(log) for line in path.open()]
    told = verify_json(program, log, "--public-key", key[1])
    notes = sorted(log.glob("audit-*.note"))
    assert told["stream"] == (log / "STREAM").read_text().strip()
    assert (told["records"], told["files"], told["epochs"]) == (len(records), 2, 1)
    assert (told["begins_at"], told["last_seq"]) == (1, len(records))
    assert told["checkpoints"] == sum(record["event"] == "checkpoint" for record in records)
    assert told["checkpoints"] == sum(path.read_text().count("\u2014") for path in notes) > 1
    assert told["key"] == [record["key"] for record in records
                           if record["event"] == "checkpoint"][-1]
    assert told["signatures_checked"] and not told["end_proven"] and told["proven"] is None
    assert told["covered"]["seq"] == len(records) - 1
    assert told["covered"]["records_behind"] == 1
    told = verify_json(program, log)
    assert told["ok"] and not told["signatures_checked"]


def test_a_changed_line_is_named(program, copy, key):
    path = segments(copy)[0]
    lines = path.read_bytes().split(b"\n")
    lines[3] = lines[3].replace(b"playout-a", b"playout-b")
    assert lines != path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines))
    offset = sum(len(line) + 1 for line in lines[:3])
    done = verify(program, copy)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    assert first == f"bad: {path}:4: edited: record 4 was changed: its checksum does not fit " \
                    f"(byte {offset})"
    assert re.fullmatch(r"3 records before it are proven; \d+ lines stand behind it", second)
    told = verify_json(program, copy, "--public-key", key[1])
    assert (told["file"], told["line"], told["offset"], told["kind"], told["proven_before"]) == (
        path.name, 4, offset, "edited", 3)
    everything = sum(len(path.read_bytes().split(b"\n")) - 1 for path in segments(copy))
    assert told["lines_behind"] == everything - 4


def test_a_changed_line_with_a_new_checksum_shows_both_hashes(program, copy):
    path = segments(copy)[0]
    lines = path.read_bytes().split(b"\n")
    original = hashlib.sha256(lines[3]).hexdigest()
    text = lines[3].replace(b"playout-a", b"playout-b").rpartition(b',"crc"')[0]
    lines[3] = text + b',"crc":"%08x"}' % crc32c(text)
    path.write_bytes(b"\n".join(lines))
    done = verify(program, copy)
    assert f"{path}:4: edited: record 4 was changed and its checksum made to fit" in done.stdout
    assert f"hash expected {original}\n" in done.stdout
    assert f"hash found    {hashlib.sha256(lines[3]).hexdigest()}\n" in done.stdout
    told = verify_json(program, copy)
    assert told["hash_expected"] == original
    assert told["hash_found"] == hashlib.sha256(lines[3]).hexdigest()


def test_an_anchor_proves_the_end(program, log, copy, key, work):
    anchor = work / "kept"
    anchor.write_text("".join(path.read_text() for path in sorted(log.glob("audit-*.note"))))
    done = verify(program, log, "--public-key", key[1], "--anchor", anchor)
    assert done.returncode == 0
    assert re.search(r"^end proven up to record \d+ \(.*Z\); 1 record behind it, of \d s$",
                     done.stdout, re.M)
    told = verify_json(program, log, "--anchor", anchor)
    assert told["end_proven"] and told["proven"]["records_behind"] == 1
    # The last segment is gone, with its notes: only the anchor knows.
    for path in copy.glob(f"{segments(copy)[-1].stem}.*"):
        path.unlink()
    assert verify_json(program, copy)["ok"]
    told = verify_json(program, copy, "--anchor", anchor)
    assert (told["ok"], told["kind"]) == (False, "cut")
    # What a receiver of syslog has kept.
    lines = [f"<109>1 2026-01-01T00:00:00Z gw1 signgate 1 outcome - {line}" for path in segments(log)
             for line in path.read_text().splitlines()]
    anchor.write_text("\n".join(lines) + "\n")
    assert verify_json(program, log, "--anchor", anchor)["proven"]["records_behind"] == 0
    assert verify_json(program, copy, "--anchor", anchor)["kind"] == "cut"


def test_keys_that_followed_each_other(program, new_gateway, cloud, work):
    first, second = make_key(work, "first"), make_key(work, "second")
    key = work / "now.pem"
    shutil.copy(first[0], key)
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key)})
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.wait_record(event="outcome")
    gateway.signal(signal.SIGHUP)  # rotates: a checkpoint of the first key
    until(lambda: len(segments(gateway.audit)) == 2, lambda: "a second segment")
    shutil.copy(second[0], key)
    assert "refused" not in gateway.reload_files()["message"]
    assert gateway.ask("DELETE", DELETE.replace("f1", "f2")).status == 200
    assert gateway.stop() == 0
    both = ["--public-key", first[1], "--public-key", second[1]]
    done = verify(program, gateway.audit, *both)
    assert done.returncode == 0, done.stdout
    assert "1 change of the checkpoints' key\n" in done.stdout
    told = verify_json(program, gateway.audit, *both)
    assert (told["key_changes"], told["key_changes_unproven"]) == (1, 0)
    for keys in (both[:2], both[2:]):
        done = verify(program, gateway.audit, *keys)
        assert done.returncode == 1
        assert re.search(r"\.note:\d+: wrong key: ", done.stdout)


def test_a_gateway_that_writes_is_no_fault(program, new_gateway, cloud, key):
    """Again and again while lines are written and segments turn over."""
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])})
    gateway.start()
    ended = threading.Event()
    refused = []

    def call():
        number = 0
        with gateway.caller() as caller:
            while not ended.is_set():
                answer = caller.request("DELETE", DELETE.replace("f1", f"f{number}"))
                refused.extend([answer] if answer.status not in (200, 400) else [])
                number += 1
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while len(segments(gateway.audit)) < 4:
            gateway.signal(signal.SIGUSR1)
            done = verify(program, gateway.audit, "--public-key", key[1])
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not refused
    assert gateway.stop() == 0
    assert verify_json(program, gateway.audit, "--public-key", key[1])["files"] >= 4


def test_what_cannot_be_read_says_so(program, log, copy, work, key):
    for arguments, words in (
            ([work / "nothing"], ["cannot open the audit directory", "No such file"]),
            ([work], ["holds no audit log", "audit-*.jsonl"]),
            ([log, "--public-key", work / "nothing"], ["cannot read", "No such file"]),
            ([log, "--public-key", key[0]], ["holds a private key", "openssl pkey"]),
            ([log, "--anchor", work / "nothing"], ["cannot read the anchor", "No such file"]),
            ([log, "--anchor", key[1]], ["neither notes nor lines"])):
        done = verify(program, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        for word in words:
            assert word in done.stderr, done.stderr
        assert done.stderr.startswith("signgate: ") and done.stderr.count("\n") == 1
    first = segments(copy)[0]
    first.unlink()
    first.mkdir()
    assert "it is not a regular file" in verify(program, copy).stderr


def test_segments_that_were_moved_away(program, copy, key):
    for path in copy.glob(f"{segments(copy)[0].stem}.*"):
        path.unlink()
    done = verify(program, copy, "--public-key", key[1])
    assert done.returncode == 0
    assert re.search(r"^begins at record \d+: earlier segments are elsewhere$", done.stdout, re.M)
