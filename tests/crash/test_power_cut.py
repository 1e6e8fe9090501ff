"""The power goes: of the audit directory only that is left which was synced, and of the rest what
chance leaves. Whatever was sent to the cloud has an intent even then."""
import random
import signal
import time

import pytest

from load import Load
from powercut import Durable
from preload import Disk
from test_kill import LIFE, SPAN_SECONDS, judge_start
from wait import until

FAILURES = ["write", "fdatasync", "any"]


def let_it_end(gateway, disk, load, chance):
    """Start it and let it end: at a random moment, or by itself at a random one of the calls that
    change the disk, in the middle of it when that is a write; with failures before that, or not."""
    rules = []
    if chance.random() < 0.4:
        call, error = chance.choice(FAILURES), chance.choice(["EIO", "ENOSPC", "EMFILE"])
        rules.append(f"{call} {chance.randint(6, 40)} {error}")
    if chance.random() < 0.5:
        number, effect = chance.randint(1, 60), chance.choice(["kill", "half"])
        rules.append(f"any {number} {effect}")
    print("rules:", ", ".join(rules))
    disk.rule(*rules)
    gateway.address, gateway.log = None, []
    gateway.write()
    gateway.spawn()
    try:
        gateway.wait_ready()
    except AssertionError:
        gateway.kill()
        disk.heal()
        return
    load.begin()
    time.sleep(chance.random() * SPAN_SECONDS)
    gateway.kill()
    load.wait()
    disk.heal()


@pytest.mark.parametrize("part", range(3))
def test_power_cut(new_gateway, new_cloud, seed, rounds, part):
    left = rounds(10)
    life = 0
    while left > 0:
        chance = random.Random(f"{seed} {part} {life}")
        cloud = new_cloud()
        gateway = new_gateway(cloud)
        disk = Disk(gateway)
        durable = Durable(disk)
        load = Load(gateway, cloud, f"{seed} {part} {life}")
        for _ in range(min(left, LIFE)):
            let_it_end(gateway, disk, load, chance)
            durable.follow()
            # A process may be killed any number of times before the power goes.
            if chance.random() < 0.7:
                print("power cut:", *durable.cut(chance), sep="\n  ")
            left -= 1
            judge_start(gateway, load, keeps_reads=False)
            durable.follow()
        gateway.again()
        life += 1


def rotate(gateway):
    """SIGUSR1, and wait for the next segment, or for the end."""
    before = len(list(gateway.audit.glob("audit-*.jsonl")))
    gateway.signal(signal.SIGUSR1)
    until(lambda: gateway.process.poll() is not None or
          len(list(gateway.audit.glob("audit-*.jsonl"))) > before, "the next segment")


@pytest.mark.parametrize("fresh", [True, False], ids=["first start", "later start"])
def test_power_cut_at_each_step(new_gateway, new_cloud, seed, fresh):
    """The gateway ends itself at the first call that changes the disk, then at the second one ...
    until it comes to its proper end: start, calls, rotation, stop."""
    chance = random.Random(f"{seed} {fresh}")
    step, done = 0, False
    while not done:
        step += 1
        cloud = new_cloud()
        gateway = new_gateway(cloud)
        disk = Disk(gateway)
        load = Load(gateway, cloud, seed)
        if not fresh:
            gateway.again()
            load.converse(["delete"])
            gateway.stop()
        durable = Durable(disk)
        disk.rule(f"any {step} half")
        done = come_to_an_end(gateway, load)
        gateway.kill()
        load.wait()
        disk.heal()
        print(f"power cut at step {step}:", *durable.cut(chance), sep="\n  ")
        judge_start(gateway, load, keeps_reads=False)
    assert step > 10, "the layer is not there"


def come_to_an_end(gateway, load):
    """From start to stop; False when it ended before."""
    gateway.address, gateway.log = None, []
    gateway.write()
    gateway.spawn()
    try:
        gateway.wait_ready()
    except AssertionError:
        return False
    if not load.converse(["delete", "denied", "delete"]):
        return False
    rotate(gateway)
    return load.converse(["delete"]) and gateway.stop() == 0
