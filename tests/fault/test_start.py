"""Starts on a directory that is damaged, in use, or on a disk that fails."""
import json

import pytest

from gateway import DELETE


def damage(gateway):
    """Change a byte in the midst of the last segment."""
    path = sorted(gateway.audit.glob("audit-*.jsonl"))[-1]
    data = bytearray(path.read_bytes())
    at = data.index(b"\n") + 60
    data[at] ^= 1
    path.write_bytes(bytes(data))
    return path


def run_and_damage(new_gateway, cloud, on_damage):
    gateway = new_gateway(cloud, audit={"on_damage": on_damage})
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.stop() == 0
    return gateway, damage(gateway)


def test_damage_is_refused_where_it_shall_be(new_gateway, cloud):
    gateway, path = run_and_damage(new_gateway, cloud, "refuse")
    before = path.read_bytes()
    status, said = gateway.run_to_failure()
    assert status == 74, said
    for word in (str(path), "line 2", "audit verify", "on_damage: continue"):
        assert word in said, said
    assert path.read_bytes() == before
    assert len(list(gateway.audit.glob("audit-*.jsonl"))) == 1
    gateway.address = None  # its log stays damaged: nothing to verify at the end


def test_damage_is_declared_and_begins_a_new_epoch_else(new_gateway, cloud):
    gateway, path = run_and_damage(new_gateway, cloud, "continue")
    before = path.read_bytes()
    gateway.again()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.stop() == 0
    assert path.read_bytes() == before
    last = sorted(gateway.audit.glob("audit-*.jsonl"))[-1]
    said = json.loads(last.read_bytes().partition(b"\n")[0])
    assert (said["epoch"], said["previous"], said["ended"]) == (2, path.name, "damaged"), said
    assert said["extra_bytes"] > 0
    gateway.address = None


def test_a_second_gateway_changes_nothing(gateway, new_gateway, cloud):
    assert gateway.ask("DELETE", DELETE).status == 200
    second = new_gateway(cloud, audit={"directory": str(gateway.audit)})
    second.write()
    before = sorted(path.name for path in gateway.audit.iterdir())
    status, said = second.run_to_failure()
    assert status == 74 and "in use by another signgate" in said, said
    assert sorted(path.name for path in gateway.audit.iterdir()) == before
    assert gateway.ask("DELETE", DELETE).status == 200


@pytest.mark.parametrize("rule, words", [
    ("mkdir 1 EACCES", "Permission denied"),
    ("create:LOCK 1 EROFS", "Read-only file system"),
    ("write:STREAM 1 ENOSPC", "No space left"),
    ("fsync:STREAM 1 EIO", "Input/output error"),
    ("create:.jsonl 1 EMFILE", "Too many open files"),
    ("write:.jsonl 1 EIO", "Input/output error"),
    ("fdatasync:.jsonl 1 EIO", "Input/output error"),
    ("syncdir 2 EIO", "Input/output error"),
])
def test_a_start_that_cannot_write_is_74_and_says_why(new_outage, rule, words):
    """Nothing listens before its log is on the disk; the next start finds a good beginning."""
    outage = new_outage(start=False)
    outage.disk.rule(rule)
    outage.gateway.write()
    status, said = outage.gateway.run_to_failure()
    assert status == 74, said
    assert words in said and str(outage.gateway.audit) in said, said
    outage.disk.heal()
    outage.gateway.again()
    assert outage.ask().status == 200
    outage.judge()
