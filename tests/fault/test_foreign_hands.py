"""Somebody else's hands on the audit directory: seen with the next record at the latest, and what was
acknowledged is in the log in the end, written again where it must be."""
import os
import subprocess

import pytest

from outage import DOWN, declared
from wait import LIMIT_SECONDS, until


def unlink(path):
    path.unlink()


def move_away(path):
    path.rename(path.parent.parent / "elsewhere")


def rename(path):
    path.rename(path.with_suffix(".old"))


def truncate(path):
    os.truncate(path, 0)


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def cut_a_byte(path):
    os.truncate(path, path.stat().st_size - 1)


def append(path):
    with path.open("ab") as file:
        file.write(b"a line of somebody else\n")


def link(path):
    os.link(path, path.parent.parent / "a second name")


def replace_by_a_symlink(path):
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replace_by_a_copy(path):
    copy = path.with_suffix(".new")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def replace_by_a_directory(path):
    path.unlink()
    path.mkdir()


def put_in_order(audit):
    """Take away what took a segment's place; the log says that it is gone."""
    for path in audit.glob("audit-*.jsonl"):
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            path.rmdir()


CHANGES = {
    unlink: "unlinked", move_away: "unlinked", rename: "unlinked", truncate: "size",
    cut_in_half: "size", cut_a_byte: "size", append: "size", link: "linked",
    replace_by_a_symlink: "replaced", replace_by_a_copy: "unlinked",
    replace_by_a_directory: "unlinked",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.replace("_", " "))
@pytest.mark.parametrize("segments", [1, 2], ids=["first segment", "later segment"])
def test_a_changed_segment(outage, change, segments):
    for _ in range(3):
        assert outage.ask().status == 200
    if segments == 2:
        outage.gateway.signal(10)
        until(lambda: len(outage.segments()) == 2, "the next segment")
        assert outage.ask().status == 200
    outage.hold()
    # What is held back for a moment is to be written before somebody interferes.
    until(lambda: len(outage.gateway.find_records(event="outcome")) == 2 + segments, "outcomes")
    change(outage.segments()[-1])
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=1)
    assert outage.failures() == 1
    outage.assert_said_once(CHANGES[change])
    for _ in range(2):
        assert outage.ask().status == 200
    put_in_order(outage.gateway.audit)
    log = outage.judge()
    said = declared(log)
    assert (said["ended"], said["op"]) == ("failed", CHANGES[change]), said
    assert "lost_from" not in said, said
    assert len(log.intents) >= 6


def test_what_is_not_in_memory_any_more_is_declared_lost(outage):
    """More than is kept for that was acknowledged and then removed: how much is gone is said, in the
    log and in the figures."""
    padding = 2400
    with outage.gateway.caller() as caller:
        while outage.gateway.metric("signgate_audit_bytes_total") < 4 << 20:
            for _ in range(20):
                assert outage.ask(caller, padding=padding).status == 200
    unlink(outage.segments()[-1])
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=5)
    lost = outage.gateway.metric("signgate_audit_lost_total")
    assert lost > 0
    assert outage.gateway.stop() == 0
    said = outage.gateway.find_records(event="segment")[-1]
    assert said["lost_to"] - said["lost_from"] + 1 == lost, said
    verified = subprocess.run(
        [outage.gateway.program, "audit", "verify", str(outage.gateway.audit)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert verified.returncode == 1 and "are lost" in verified.stdout, verified
    outage.gateway.address = None  # and so it stays


def test_a_directory_that_is_moved_away_and_put_back(outage):
    """While it is away nothing is sent, wherever its descriptor may lead."""
    assert outage.ask().status == 200
    outage.hold()
    audit, away = outage.gateway.audit, outage.gateway.directory / "away"
    audit.rename(away)
    audit.touch()  # so that no other one can be made in its place
    outage.ask()
    outage.assert_down(*DOWN)
    outage.let_go()
    outage.assert_said_once()
    audit.unlink()
    away.rename(audit)
    outage.assert_up(within=5)
    outage.judge()


def test_a_directory_that_is_removed(outage):
    """It is made again, for the same log; what was acknowledged lately is in it."""
    for _ in range(3):
        assert outage.ask().status == 200
    until(lambda: len(outage.gateway.find_records(event="outcome")) == 3, "outcomes")
    stream = (outage.gateway.audit / "STREAM").read_text()
    for path in outage.gateway.audit.iterdir():
        path.unlink()
    outage.gateway.audit.rmdir()
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=5)
    assert (outage.gateway.audit / "STREAM").read_text() == stream
    assert len(outage.judge().intents) >= 4


def test_another_logs_directory_is_not_taken(outage):
    """A directory of another stream in the old one's place: refused, and said, until it is gone."""
    assert outage.ask().status == 200
    audit, away = outage.gateway.audit, outage.gateway.directory / "away"
    audit.rename(away)
    audit.mkdir()
    (audit / "STREAM").write_text("0123456789abcdef" * 2 + "\n")
    outage.ask()
    outage.assert_down(*DOWN)
    assert sorted(path.name for path in audit.glob("audit-*")) == []
    for path in audit.iterdir():
        path.unlink()
    audit.rmdir()
    away.rename(audit)
    outage.assert_up(within=5)
    outage.judge()
