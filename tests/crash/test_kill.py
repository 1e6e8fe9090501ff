"""SIGKILL at any moment, under load, again and again in one directory: every request that the cloud
has seen is in the log, the log is whole but for its end, and what is in doubt is known."""
import random
import time

import pytest

from auditlog import Log
from load import Load

LIFE = 20  # rounds in one directory; reading it all twice a round is what takes the time
SPAN_SECONDS = 0.3


def kill_at_a_random_moment(gateway, load, chance):
    """Start, let callers work, kill; now and then before it is ready. Waiting for time to pass is
    the matter here."""
    if chance.random() < 0.2:
        gateway.address, gateway.log = None, []
        gateway.write()
        gateway.spawn()
        time.sleep(chance.random() * 0.1)
    else:
        gateway.again()
        load.begin()
        time.sleep(chance.random() * SPAN_SECONDS)
    gateway.kill()
    load.wait()


def judge_start(gateway, load, keeps_reads):
    """A start behind an end of whatever kind, and the log that it makes of it."""
    before = load.judge(after_start=False, keeps_reads=keeps_reads)
    gateway.again()
    after = load.judge(after_start=True, keeps_reads=keeps_reads)
    assert after.in_doubt == before.in_doubt
    assert not after.open_intents, "an intent that a crash left open has no outcome"
    for request_id in before.open_intents:
        outcome = after.outcomes[request_id]
        assert (outcome["outcome"], outcome["reason"]) == ("unknown", "crash"), outcome
        assert "sent" not in outcome, outcome
    gateway.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_kill(new_gateway, new_cloud, seed, rounds, workers):
    left = rounds(6)
    life = 0
    while left > 0:
        chance = random.Random(f"{seed} {workers} {life}")
        cloud = new_cloud()
        gateway = new_gateway(cloud, workers=workers)
        load = Load(gateway, cloud, f"{seed} {workers} {life}")
        for _ in range(min(left, LIFE)):
            kill_at_a_random_moment(gateway, load, chance)
            judge_start(gateway, load, keeps_reads=True)
            left -= 1
        assert len(Log(gateway.audit).segments) > 1
        gateway.again()
        life += 1
