"""Limits on connections: of one address, and of the process."""
import resource
import socket

import pytest

from caller import Caller, Closed
from gateway import DELETE, OPERATIONS, PLAYOUT, source
from wait import until


def test_connections_of_one_address(new_gateway, cloud):
    gateway = new_gateway(cloud, workers=2, limits={"connections_per_source": 3}).start()
    first = [gateway.caller() for _ in range(3)]
    for caller in first:
        assert caller.request("DELETE", DELETE).status == 200
    with gateway.caller() as fourth:
        answer = fourth.read_answer()
        assert answer.status == 503
        assert answer.json()["error_code"] == "SIGNGATE.Busy"
        assert answer.header("Retry-After") is not None
        fourth.assert_closed()
    record = gateway.wait_record(event="rejected")
    until(lambda: gateway.metric(
        'signgate_connections_refused_total{reason="connections_per_source"}') == 1, "the metric")
    assert record["reason"] == "SIGNGATE.Busy"
    assert record["source_ip"] == PLAYOUT
    assert gateway.ask("DELETE", DELETE, source=source(PLAYOUT, 7)).status == 200
    first.pop().close()

    def room_again():
        with gateway.caller() as caller:
            return caller.request("DELETE", DELETE).status == 200
    until(room_again, "room for the address again")
    for caller in first:
        caller.close()


def test_the_limit_may_change_while_it_runs(new_gateway, cloud):
    gateway = new_gateway(cloud).start()
    held = [gateway.caller() for _ in range(2)]
    for caller in held:
        assert caller.request("DELETE", DELETE).status == 200
    gateway.configuration["limits"] = {"connections_per_source": 2}
    assert gateway.reload()["message"] == "reloaded"
    with gateway.caller() as third:
        assert third.read_answer().status == 503
    for caller in held:
        assert caller.request("DELETE", DELETE).status == 200
        caller.close()


def test_all_connections(new_gateway, cloud):
    """At the cap nobody is accepted; those who wait are as soon as one leaves."""
    gateway = new_gateway(cloud, limits={"connections": 4}).start()
    held = [gateway.caller() for _ in range(4)]
    for caller in held:
        assert caller.request("DELETE", DELETE).status == 200
    with gateway.caller() as waiting:
        waiting.send(b"DELETE " + DELETE.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        waiting.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            waiting.socket.recv(1)
        waiting.socket.settimeout(60)
        held.pop().close()
        assert waiting.read_answer().status == 200
    for caller in held:
        caller.close()


def test_no_descriptor_is_left(new_gateway, cloud):
    """EMFILE: a caller is told so, nothing spins, and it goes on when there is room."""
    gateway = new_gateway(cloud).start()
    pid = gateway.process.pid
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    assert gateway.ask("DELETE", DELETE).status == 200  # its connection to the cloud is there
    held = []
    in_use = max(int(name) for name in _descriptors(pid)) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 3, limit[1]))
    answers = []
    while len(held) < 40 and not answers:
        caller = gateway.caller()
        held.append(caller)
        caller.socket.settimeout(1)
        try:
            answers.append(caller.read_answer())
        except (TimeoutError, socket.timeout):
            assert caller.buffer == b""
    assert answers, "40 connections on 3 descriptors"
    assert answers[0].status == 503
    assert answers[0].json()["error_code"] == "SIGNGATE.Busy"
    before = _cpu_ticks(pid)
    with gateway.caller() as waiting:  # is turned away, too, or waits
        waiting.socket.settimeout(1)
        try:
            assert waiting.read_answer().status == 503
        except (TimeoutError, Closed):
            pass
    assert _cpu_ticks(pid) - before < 50, "half a second of CPU within one: it spins"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    for caller in held:
        caller.close()
    assert gateway.metric('signgate_accept_paused_total{reason="descriptors"}') > 0
    until(lambda: gateway.ask("DELETE", DELETE, source=OPERATIONS).status == 200,
          "service again")


def _descriptors(pid):
    import os
    return os.listdir(f"/proc/{pid}/fd")


def _cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_few_files_are_a_warning_and_more_are_asked_for(new_gateway, cloud):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (80, 300))
    gateway = new_gateway(cloud).start(few)
    line = next(line for line in gateway.log if "fewer files may be open" in line["message"])
    assert line["limit"] == 300
    assert line["needed"] > 10000
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)[0] == 300
