"""From one segment to the next, under load and on a disk that fails in the midst of it: no gap in the
chain, and no request refused for it unless the disk is to blame."""
import signal
import threading

import pytest

from gateway import PLAYOUT, source
from wait import LIMIT_SECONDS, until

PADDING = 600


def test_under_load(new_outage):
    """By size and by signal at once, with callers that never wait."""
    outage = new_outage(workers=2, audit={"rotate": {"bytes": "1MiB"}})
    over = threading.Event()
    wrong = []

    def work(number):
        try:
            with outage.gateway.caller(source(PLAYOUT, number)) as caller:
                while not over.is_set():
                    answer = outage.ask(caller, padding=PADDING)
                    assert answer.status == 200, answer
        except Exception as error:  # pylint: disable=broad-except
            wrong.append(repr(error))
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()

    def many():
        assert not wrong, wrong
        outage.gateway.signal(signal.SIGUSR1)
        return len(outage.segments()) >= 4
    until(many, "four segments")
    over.set()
    for thread in threads:
        thread.join(LIMIT_SECONDS)
    assert not wrong, wrong
    assert (outage.failures(), outage.recoveries()) == (0, 0)
    log = outage.judge()
    assert {segment.declaration["ended"] for segment in log.segments[1:]} == {"rotated"}
    assert {line.epoch for line in log.lines} == {1}
    assert [line.seq for line in log.lines] == list(range(1, len(log.lines) + 1))


STEPS = {
    "the old file's last sync": "fdatasync 1 EIO",
    "the new file": "create:.jsonl 1 EIO",
    "its room": "allocate 1 ENOSPC",
    "its first line": "write 1 EIO",
    "half of its first line": "write 1 short 30",
    "its sync": "fdatasync 2 EIO",
    "its name": "syncdir 1 EIO",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails(outage, step):
    """Either the present segment goes on, or a new one says how it ended."""
    assert outage.ask().status == 200
    until(lambda: len(outage.gateway.find_records(event="outcome")) == 1, "the outcome")
    outage.disk.rule(STEPS[step])
    outage.gateway.signal(signal.SIGUSR1)
    until(lambda: outage.disk.used() > 0, "the failure")
    until(lambda: len(outage.segments()) == 2, "the next segment")
    outage.assert_up(within=5)
    assert outage.ask().status == 200
    log = outage.judge()
    assert len(log.segments) == 2
    assert log.segments[-1].declaration["ended"] == (
        "failed" if step == "the old file's last sync" else "rotated")
