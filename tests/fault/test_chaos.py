"""Faults as chance picks them, one after the other, under load that never stops: whatever the disk
does, the log and what callers and the cloud have seen agree in the end."""
import random
import threading
import time

import pytest

from gateway import PLAYOUT, source
from outage import is_unavailable
from wait import LIMIT_SECONDS, until

CALLS = ["write", "fdatasync", "create", "syncdir", "allocate", "open", "opendir", "read"]
ERRORS = ["EIO", "ENOSPC", "EMFILE", "ENOMEM", "EROFS", "EACCES"]
SPAN_SECONDS = 0.25


def pick(chance):
    """One to three rules."""
    rules = []
    for _ in range(chance.randint(1, 3)):
        which = chance.choice(["1", "2", str(chance.randint(1, 30)), "*", "2+"])
        kind = chance.random()
        if kind < 0.15:
            rules.append(f"write {which} short {chance.randint(0, 2000)}")
        elif kind < 0.3:
            # Of what was acknowledged no more than is kept in memory, and once: a disk that loses
            # the same bytes again and again keeps nothing.
            rules.append(f"fdatasync 1 lose {chance.randint(1, 20000)}")
        elif kind < 0.4:
            rules.append(f"fdatasync {which} delay {chance.randint(1, 50)}")
        else:
            rules.append(f"{chance.choice(CALLS)} {which} {chance.choice(ERRORS)}")
    return rules


def hands_on(outage, chance):
    """What else may happen: a signal, or a segment that is cut short."""
    kind = chance.random()
    if kind < 0.3:
        outage.gateway.signal(10)
    elif kind < 0.4:
        segments = outage.segments()
        if segments:
            with segments[-1].open("ab") as file:
                file.write(b"somebody else's")


def be_well(outage):
    """What somebody else has done is noticed with the next record only."""
    until(lambda: outage.ask().status == 200, "an answer")
    outage.assert_up(within=5)


@pytest.mark.parametrize("part", range(2))
def test_chaos(new_outage, seed, rounds, part):
    chance = random.Random(f"{seed} {part}")
    outage = new_outage(workers=1 + part)
    over = threading.Event()
    wrong = []

    def work(number):
        try:
            while not over.is_set():
                with outage.gateway.caller(source(PLAYOUT, 10 * part + number)) as caller:
                    for _ in range(50):
                        if over.is_set():
                            break
                        if is_unavailable(outage.ask(caller)):
                            over.wait(0.02)  # who is refused comes back later
        except Exception as error:  # pylint: disable=broad-except
            wrong.append(repr(error))
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(rounds(12)):
        rules = pick(chance)
        print(f"{number}: {', '.join(rules)}")
        outage.disk.rule(*rules)
        hands_on(outage, chance)
        time.sleep(chance.random() * SPAN_SECONDS)  # chance is the matter here
        if chance.random() < 0.5:
            outage.disk.heal()
            be_well(outage)
    outage.disk.heal()
    be_well(outage)
    over.set()
    for thread in threads:
        thread.join(LIMIT_SECONDS)
    assert not wrong, wrong
    outage.judge()
