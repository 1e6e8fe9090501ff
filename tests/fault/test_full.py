"""A full disk: no intent is admitted that could not be finished, what was admitted is finished, and
it goes on in the same segment once there is room."""
import pytest

from outage import Outage, is_unavailable
from wait import until

PADDING = 2400  # bytes of a name: a big record


def use_up(outage):
    """Ask for much until the reserved room is low."""
    with outage.gateway.caller() as caller:
        for _ in range(4000):
            if is_unavailable(outage.ask(caller, padding=PADDING)):
                return
    raise AssertionError("the disk is full, and nothing is refused")


def suffer(outage, fill, free):
    assert outage.ask().status == 200
    outage.hold()
    fill()
    use_up(outage)
    outage.assert_down("full")
    answer = outage.ask()
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert "full" in answer.json()["detail"], answer
    outage.let_go()  # within what was reserved for it
    assert outage.deny().status == 403  # refusals have room as well
    outage.assert_said_once("full")
    assert outage.failures() == 1
    free()
    outage.assert_up(within=2)
    assert outage.recoveries() == 0
    log = outage.judge()
    assert len(log.segments) == 1, "a full disk is no reason for a new segment"
    assert len(log.find(event="denied")) == 1


def test_a_full_disk(outage):
    suffer(outage, lambda: outage.disk.rule("allocate * ENOSPC"), outage.disk.heal)


def test_a_quota(outage):
    suffer(outage, lambda: outage.disk.rule("allocate * EDQUOT"), outage.disk.heal)


def test_a_real_disk(small_disk, new_gateway, cloud, new_outage):
    if small_disk is None:
        outage = new_outage()
        suffer(outage, lambda: outage.disk.rule("allocate * ENOSPC"), outage.disk.heal)
        return
    gateway = new_gateway(cloud)
    gateway.audit = small_disk.path / "audit"
    gateway.configuration["audit"]["directory"] = str(gateway.audit)
    outage = Outage(gateway, cloud)
    gateway.start()
    suffer(outage, small_disk.fill, small_disk.free)


def test_a_start_on_a_full_disk_is_74(new_outage):
    outage = new_outage(start=False)
    outage.disk.rule("allocate * ENOSPC")
    outage.gateway.write()
    status, said = outage.gateway.run_to_failure()
    assert status == 74, said
    assert "No space left" in said and str(outage.gateway.audit) in said, said
    assert "make room" in said, said


def test_room_that_comes_back_is_noticed_without_a_request(outage):
    outage.disk.rule("allocate * ENOSPC")
    use_up(outage)
    outage.wait_state("full")
    outage.disk.heal()
    until(lambda: outage.gateway.admin("/readyz").status == 200, "readiness")
    outage.judge()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_rotation_without_room_waits(outage, when):
    """The present segment goes on: nobody is refused for the sake of a new file."""
    assert outage.ask().status == 200
    if when == "before":
        outage.disk.rule("allocate * ENOSPC")
    else:
        outage.disk.rule("create:.jsonl * ENOSPC")
    outage.gateway.signal(10)
    until(lambda: outage.disk.used() > 0, "a rotation")
    for _ in range(3):
        assert outage.ask().status == 200
    outage.disk.heal()
    until(lambda: len(outage.segments()) == 2, "the next segment")
    assert outage.ask().status == 200
    log = outage.judge()
    assert log.segments[-1].declaration["ended"] == "rotated"

