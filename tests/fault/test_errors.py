"""Operations on the disk that fail, once or until somebody repairs it: nothing is sent without a
durable intent, and the gateway comes back by itself in a new segment."""
import os
import resource
import time

import pytest

from gateway import DELETE
from outage import DOWN, declared, is_unavailable
from wait import until

ONCE = {
    "sync": ("fdatasync 1 EIO", "fdatasync", "EIO"),
    "sync without a reason": ("fdatasync 1 ENOSPC", "fdatasync", "ENOSPC"),
    "write": ("write 1 EIO", "write", "EIO"),
    "write without room": ("write 1 ENOSPC", "write", "ENOSPC"),
    "write without memory": ("write 1 ENOMEM", "write", "ENOMEM"),
}


@pytest.mark.parametrize("case", ONCE)
def test_once(outage, case):
    rule, operation, error = ONCE[case]
    assert outage.ask().status == 200
    outage.disk.rule(rule)
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=1)
    assert outage.failures() == 1
    outage.assert_said_once(operation)
    log = outage.judge()
    said = declared(log)
    assert (said["ended"], said["op"], said["errno"]) == ("failed", operation, error), said
    assert [segment.epoch for segment in log.segments] == [1, 2]
    recovered, = log.find(event="recovered")
    assert recovered["duration_us"] > 0 and operation in recovered["reason"]


UNTIL_HEALED = {
    "sync": ["fdatasync * EIO"],
    "write": ["write * EIO"],
    "write without room": ["write * ENOSPC"],
    "a whole disk that cannot be written": ["write * EROFS", "create * EROFS", "fdatasync * EROFS"],
    "no new file": ["fdatasync 1 EIO", "create:.jsonl * EROFS"],
    "no descriptor": ["fdatasync 1 EIO", "create * EMFILE", "open * EMFILE", "opendir * EMFILE"],
    "no memory in the kernel": ["fdatasync 1 EIO", "opendir * ENOMEM", "create * ENOMEM"],
    "no room for the new file": ["fdatasync 1 EIO", "allocate * ENOSPC"],
    "the new file's bytes": ["fdatasync 1+ EIO"],
    "the new file's name": ["fdatasync 1 EIO", "syncdir * EIO"],
    "the old file cannot be read back": ["fdatasync 1 EIO", "read:.jsonl * EIO"],
    "the old file cannot be opened": ["fdatasync 1 EIO", "open:.jsonl * EMFILE"],
}


@pytest.mark.parametrize("case", UNTIL_HEALED)
def test_until_it_is_repaired(outage, case):
    assert outage.ask().status == 200
    outage.hold()
    outage.disk.rule(*UNTIL_HEALED[case])
    outage.ask()
    outage.assert_down(*DOWN)
    outage.let_go()  # who was on the way is answered, and its outcome kept
    for _ in range(3):
        outage.deny()
    outage.assert_said_once()
    outage.disk.heal()
    outage.assert_up(within=5)
    assert (outage.failures(), outage.recoveries()) == (1, 1)
    outage.assert_said_once()
    log = outage.judge()
    assert declared(log)["ended"] == "failed"
    assert len(log.find(event="denied")) == 3
    assert len(log.find(event="recovered")) == 1


def test_a_stop_meanwhile_loses_nothing_that_can_be_written(outage):
    """It ends, says with its status that records are missing, and what is sent is in the log."""
    assert outage.ask().status == 200
    outage.disk.rule("fdatasync * EIO")
    outage.ask()
    outage.assert_down(*DOWN)
    assert outage.gateway.stop() == 74
    outage.disk.heal()
    outage.gateway.again()
    assert outage.ask().status == 200
    seen = {request.query for request in outage.cloud.requests}
    recorded = {record["query"] for record in outage.gateway.find_records(event="intent")}
    assert seen <= recorded


def test_a_kill_meanwhile_leaves_a_log_that_goes_on(outage):
    assert outage.ask().status == 200
    outage.disk.rule("fdatasync * EIO")
    outage.ask()
    outage.assert_down(*DOWN)
    outage.gateway.kill()
    outage.disk.heal()
    outage.gateway.again()
    refused = {name for name, answer in outage.answers.items() if answer.status == 503}
    assert outage.ask().status == 200
    outage.gateway.stop()
    outage.gateway.verify_audit()
    seen = {request.target.rpartition("=")[2] for request in outage.cloud.requests}
    assert not seen & refused


# --- writes that do less than they should

def test_short_writes_are_completed(outage):
    outage.disk.rule("write * short 100")
    for _ in range(3):
        assert outage.ask().status == 200
    assert outage.disk.used() > 10
    assert outage.failures() == 0
    assert len(outage.judge().segments) == 1


def test_a_short_write_that_cannot_be_completed_is_never_glued_to_another(outage):
    assert outage.ask().status == 200
    before = outage.segments()[-1]
    outage.disk.rule("write 1 short 100", "write 2+ ENOSPC")
    outage.ask()
    outage.assert_down(*DOWN)
    size = before.stat().st_size
    outage.disk.heal()
    outage.assert_up(within=5)
    assert before.stat().st_size == size, "the torn file was touched again"
    said = declared(outage.judge())
    assert (said["ended"], said["op"], said["extra_bytes"]) == ("failed", "write", 100), said


def test_a_disk_that_claims_to_have_written(outage):
    """The length of the file gives it away, and what it has swallowed is written again."""
    assert outage.ask().status == 200
    outage.disk.rule("write 1+ lie 1000000")
    outage.ask()
    until(lambda: outage.disk.used() > 0, "a lie")
    outage.disk.heal()
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=5)
    assert outage.gateway.metric("signgate_audit_replayed_total") > 0
    log = outage.judge()
    assert declared(log)["op"] == "size"


@pytest.mark.parametrize("count", [1, 3000, 100000])
def test_a_failed_write_back_that_takes_acknowledged_lines_along(outage, count):
    """The kernel marks the pages clean and shows zeros: all of it is written again."""
    for _ in range(3):
        assert outage.ask().status == 200
    outage.disk.rule(f"fdatasync 1 lose {count}")
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=5)
    log = outage.judge()
    assert len(log.intents) >= 4
    if count == 3000:
        assert outage.gateway.process.returncode == 0
        assert any(line.record["event"] == "replay" for line in log.lines)


# --- limits of the process

def set_limit(outage, what, soft):
    _, hard = resource.prlimit(outage.gateway.process.pid, what)
    return resource.prlimit(outage.gateway.process.pid, what, (soft, hard))[0]


def test_a_limit_on_the_size_of_files(outage):
    assert outage.ask().status == 200
    outage.hold()
    before = set_limit(outage, resource.RLIMIT_FSIZE, 1)
    outage.ask()
    outage.assert_down("full", *DOWN)
    outage.let_go()
    set_limit(outage, resource.RLIMIT_FSIZE, before)
    outage.assert_up(within=5)
    outage.judge()


def test_no_descriptor_during_recovery(outage):
    """A real limit, besides the layer's."""
    with outage.gateway.caller() as caller:
        assert outage.ask(caller).status == 200
        outage.disk.rule("fdatasync 2+ EIO")  # of these, one while the layer can read its rules
        assert outage.ask(caller).status == 200
        before = set_limit(outage, resource.RLIMIT_NOFILE, 3)
        outage.ask(caller)
        for _ in range(3):
            assert is_unavailable(outage.ask(caller)), "a request came through"
        outage.disk.heal()
        set_limit(outage, resource.RLIMIT_NOFILE, before)
        outage.assert_up(within=5)
        assert outage.ask(caller).status == 200
    assert outage.recoveries() == 1
    outage.judge()


def test_no_memory(outage):
    """It sheds, it does not die, and what it sends is recorded. A sanitizer takes address space for
    itself as it likes: there the limit would end it."""
    if is_sanitized(outage.gateway):
        outage.disk.rule("write 1 ENOMEM")
        outage.ask()
        outage.assert_up(within=5)
        outage.judge()
        return
    assert outage.ask().status == 200
    before = set_limit(outage, resource.RLIMIT_AS, 1)
    for number in range(40):
        try:
            outage.gateway.ask("DELETE", f"{DELETE}-{number}" + "x" * 4000)
        except Exception:  # pylint: disable=broad-except
            pass  # without memory it may close
    set_limit(outage, resource.RLIMIT_AS, before)
    until(lambda: outage.ask().status == 200, "an answer")
    outage.assert_up(within=5)
    seen = {request.query for request in outage.cloud.requests}
    assert outage.gateway.stop() == 0
    recorded = {record["query"] for record in outage.gateway.find_records(event="intent")}
    assert seen <= recorded


def is_sanitized(gateway):
    with open(f"/proc/{gateway.process.pid}/maps", encoding="ascii") as maps:
        return "libasan" in maps.read()


@pytest.mark.parametrize("refusals", [0, 30])
def test_an_outage_is_waited_out_without_spinning(outage, refusals):
    """With refusals that are summed up, too. Time has to pass for this."""
    assert outage.ask().status == 200
    outage.disk.rule("fdatasync * EIO")
    outage.ask()
    outage.assert_down(*DOWN)
    for _ in range(refusals):
        outage.ask()
    time.sleep(1.2)  # until sums are due
    before = processor_seconds(outage.gateway)
    time.sleep(1)
    assert processor_seconds(outage.gateway) - before < 0.4
    outage.disk.heal()
    outage.assert_up(within=5)
    outage.judge()


def processor_seconds(gateway):
    with open(f"/proc/{gateway.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
