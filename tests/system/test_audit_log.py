"""The audit log as an auditor meets it: segments that follow each other, signed checkpoints, sums
for noisy sources, outcomes for what a crash left open, and gateways that come back by themselves."""
import base64
import hashlib
import json
import signal
import subprocess

import pytest

import cloud as clouds
from caller import render
from certificates import make_key
from gateway import DELETE, OUTPUTS, STRANGER, source
from wait import until


@pytest.fixture
def key(work):
    """A key pair for checkpoints: private, public."""
    return make_key(work, "checkpoint")


def segments(gateway):
    return sorted(gateway.audit.glob("audit-*.jsonl"))


def notes(gateway):
    """The notes of all segments in order: (whole text, its five lines)."""
    found = []
    for path in sorted(gateway.audit.glob("audit-*.note")):
        for text in path.read_text().split("\n\naudit."):
            text = text if text.startswith("audit.") else "audit." + text
            found.append((text.rstrip("\n") + "\n", text.split("\n")[:5]))
    return found


def line_hash(gateway, epoch, seq):
    for path in segments(gateway):
        for line in path.read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            if (record["epoch"], record["seq"]) == (epoch, seq):
                return hashlib.sha256(line).digest()
    return None


def test_a_signal_begins_a_segment_and_the_chain_goes_on(gateway):
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.wait_record(event="outcome")
    gateway.signal(signal.SIGUSR1)
    until(lambda: len(segments(gateway)) == 2, lambda: f"a second segment: {segments(gateway)}")
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.stop()
    first, second = [[json.loads(line) for line in path.read_text().splitlines()]
                     for path in segments(gateway)]
    assert second[0]["event"] == "segment" and second[0]["ended"] == "rotated"
    assert second[0]["previous"] == segments(gateway)[0].name
    assert second[0]["epoch"] == first[0]["epoch"]
    assert second[0]["seq"] == first[-1]["seq"] + 1
    gateway.verify_audit()


def test_a_reload_begins_a_segment_too_but_never_an_empty_one(gateway):
    gateway.ask("DELETE", DELETE)
    gateway.reload()
    until(lambda: len(segments(gateway)) == 2, lambda: f"a second segment: {segments(gateway)}")
    gateway.wait_record(event="reload")


def test_a_segment_ends_at_its_size(new_gateway, cloud):
    gateway = new_gateway(cloud, audit={"rotate": {"bytes": "1MiB"}}).start()
    target = f"{OUTPUTS}?flow_id=f1&output_name=playout-" + "a" * 4000
    with gateway.caller() as caller:
        for _ in range(100):  # an intent and an outcome of 13 kB each
            assert caller.request("DELETE", target).status < 500
    gateway.stop()
    assert len(segments(gateway)) >= 2
    for path in segments(gateway)[:-1]:
        assert path.stat().st_size < 2 << 20
    gateway.verify_audit()


def test_checkpoints_are_signed_and_follow_each_other(new_gateway, cloud, key):
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])}).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.wait_record(event="outcome")
    gateway.signal(signal.SIGUSR1)  # a checkpoint ends the segment
    gateway.wait_record(event="checkpoint")
    gateway.ask("DELETE", DELETE)
    gateway.stop()  # and one the log
    found = notes(gateway)
    records = gateway.find_records(event="checkpoint")
    assert len(found) == len(records) == 2
    assert [record["note_sha256"] for record in records] == [
        hashlib.sha256(text.encode()).hexdigest() for text, _ in found]
    assert gateway.records()[-1]["event"] == "checkpoint"
    assert gateway.records()[-2]["event"] == "stop"
    previous = "0" * 64
    for text, lines in found:
        epoch, seq = map(int, lines[1].split())
        assert base64.b64decode(lines[2]) == line_hash(gateway, epoch, seq)
        assert lines[4] == previous
        previous = hashlib.sha256(text.encode()).hexdigest()
        signed = gateway.directory / "signed"
        signature = gateway.directory / "signature"
        signed.write_text("\n".join(lines) + "\n")
        signature.write_bytes(base64.b64decode(text.strip().rsplit(" ", 1)[1])[4:])
        subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key[1],
                        "-in", signed, "-sigfile", signature], check=True, capture_output=True)


def test_a_restart_goes_on_with_the_notes(new_gateway, cloud, key):
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])}).start()
    gateway.stop()
    gateway.again()
    gateway.stop()
    first, second = notes(gateway)
    assert second[1][4] == hashlib.sha256(first[0].encode()).hexdigest()


def test_a_new_key_is_vouched_for_by_the_old_one(new_gateway, cloud, key, work):
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])}).start()
    other, _ = make_key(work, "other")
    gateway.configuration["audit"]["checkpoint_key"] = str(other)
    gateway.reload()
    until(lambda: notes(gateway), lambda: "a note")
    gateway.stop()
    found = notes(gateway)
    assert found[0][0].count("\u2014 ") == 2 and found[-1][0].count("\u2014 ") == 1


def test_a_key_that_others_may_read_is_refused(new_gateway, cloud, key):
    key[0].chmod(0o644)
    gateway = new_gateway(cloud, audit={"checkpoint_key": str(key[0])})
    gateway.write()
    status, said = gateway.run_to_failure()
    assert status == 78 and "checkpoint_key" in said and "chmod" in said


def test_refusals_of_a_noisy_source_are_summed_and_none_is_uncounted(gateway):
    noisy, quiet = source(STRANGER, 1), source(STRANGER, 2)
    with gateway.caller(noisy) as caller:
        for _ in range(200):
            assert caller.request("DELETE", DELETE).status == 401
    assert gateway.ask("DELETE", DELETE, source=quiet).status == 401
    gateway.stop()
    refused = gateway.find_records(event="rejected", source_ip=noisy)
    sums = [record for record in refused if "count" in record]
    assert sums and len(refused) < 100
    assert sum(record.get("count", 1) for record in refused) == 200
    for record in sums:
        assert record["reasons"] == {"SIGNGATE.UnknownCaller": record["count"]}
        assert record["first"] <= record["last"] <= record["time"]
        assert "request_id" not in record
    # The other source is told apart.
    assert [record.get("count") for record in gateway.find_records(source_ip=quiet)] == [None]


def test_what_a_crash_leaves_open_gets_an_outcome(gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        held.wait()
        gateway.kill()
    held.release()
    intent, = gateway.find_records(event="intent")
    assert not gateway.find_records(event="outcome")
    gateway.again()
    outcome, = gateway.find_records(event="outcome")
    assert (outcome["outcome"], outcome["reason"]) == ("unknown", "crash")
    assert outcome["epoch"] == intent["epoch"] + 1
    for name in ("request_id", "caller", "team", "identity", "path", "query", "action", "resource",
                 "policy", "statement", "credential", "decision", "source_ip"):
        assert outcome[name] == intent[name], name
    gateway.stop()
    gateway.again()  # once is enough
    assert len(gateway.find_records(event="outcome")) == 1


def test_a_segment_that_goes_away_is_left_behind(gateway, cloud):
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.wait_record(event="outcome")
    before = len(cloud.requests)
    segments(gateway)[0].rename(gateway.directory / "elsewhere")
    answer = gateway.ask("DELETE", DELETE)
    if answer.status != 200:  # the recovery may have been quicker than the batch
        assert answer.status == 503
        assert answer.header("Signgate-Error") == "SIGNGATE.AuditUnavailable"
        assert len(cloud.requests) == before
    gateway.wait_log("the audit log was recovered in a new segment")
    until(lambda: gateway.ask("DELETE", DELETE).status == 200, lambda: "recovery")
    assert gateway.metric("signgate_audit_recoveries_total") == 1
    assert gateway.metric("signgate_audit_lost_total") == 0
    gateway.stop()
    first = json.loads(segments(gateway)[0].read_text().splitlines()[0])
    assert (first["ended"], first["op"], first["epoch"]) == ("failed", "unlinked", 2)
    assert "replay" in [record["event"] for record in gateway.records()]
