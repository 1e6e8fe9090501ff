"""A disk that does not answer: who waits is refused in time and never sent, whoever needs no disk is
served, and when it answers again nothing is lost."""
import threading

import pytest

from outage import UNAVAILABLE
from wait import LIMIT_SECONDS, until


@pytest.mark.parametrize("call", ["fdatasync", "write"])
def test_a_hung_disk(outage, call):
    assert outage.ask().status == 200
    outage.hold()
    outage.disk.rule(f"{call} * hang")
    waiting = threading.Thread(target=outage.ask, daemon=True)
    waiting.start()
    until(lambda: outage.disk.used() > 0, "the disk to hang")
    outage.assert_down("stalled")
    outage.let_go()  # its answer comes through
    outage.assert_said_once("does not answer")
    waiting.join(LIMIT_SECONDS)
    assert not waiting.is_alive(), "a caller waits for a disk that hangs"
    assert UNAVAILABLE in {answer.header("Signgate-Error") for answer in outage.answers.values()}
    assert outage.failures() == 0
    outage.disk.heal()
    outage.assert_up(within=1)
    assert outage.recoveries() == 0
    log = outage.judge()
    assert len(log.segments) == 1
    outcome, = [record for record in log.outcomes.values() if record["outcome"] == "failure"]
    assert (outcome["sent"], outcome["reason"]) == (False, UNAVAILABLE)


def test_a_hung_disk_that_fails_in_the_end(outage):
    assert outage.ask().status == 200
    outage.disk.rule("fdatasync * hang")
    waiting = threading.Thread(target=outage.ask, daemon=True)
    waiting.start()
    until(lambda: outage.disk.used() > 0, "the disk to hang")
    outage.disk.rule("fdatasync 1 EIO")  # not the one that hangs
    waiting.join(LIMIT_SECONDS)
    outage.ask()
    until(lambda: outage.recoveries() == 1, "a recovery")
    outage.assert_up(within=5)
    outage.judge()


def test_a_slow_disk_is_no_failure(outage):
    outage.disk.rule("fdatasync * delay 300")
    for _ in range(3):
        assert outage.ask().status == 200
    assert outage.state() == "ok"
    assert (outage.failures(), outage.recoveries()) == (0, 0)
    outage.disk.heal()
    outage.judge()
