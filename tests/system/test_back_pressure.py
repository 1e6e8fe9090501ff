"""A slow caller and a fast cloud: what the gateway holds of an answer is bounded, nothing is lost,
and a caller that leaves in the middle costs neither the record nor the connection.

What it holds is what the cloud has written less what lies in the kernel's queues on the way, which
/proc tells exactly."""
import pathlib
import re
import socket
import threading

import pytest

import cloud as clouds
from caller import render
from gateway import DELETE
from wait import LIMIT_SECONDS, until

ANSWER_BYTES = 32 * 1024 * 1024  # more than all kernel queues on the way take
HELD_BYTES = 256 * 1024
BLOCK_BYTES = 4096
LIMITS = {"limits": {"response_bytes": "64MiB"}}

HEADS = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ANSWER_BYTES,
    "large chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "small chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "until the close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "a long head in pieces": b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"a" * 1000) * 31
                             + b"Content-Length: %d\r\n\r\n" % ANSWER_BYTES,
}
SMALL = b"10\r\n" + b"x" * 16 + b"\r\n"
BLOCKS = {"large chunks": b"1000\r\n" + b"x" * 4096 + b"\r\n",
          "small chunks": SMALL * (BLOCK_BYTES // len(SMALL))}


class Flood:
    """A behaviour: an answer as fast as it is taken."""

    def __init__(self, name="a length"):
        self.head = HEADS[name]
        self.block = BLOCKS.get(name, b"x" * BLOCK_BYTES)
        self.end = b"0\r\n\r\n" if name in BLOCKS else b""
        self.keeps = name != "until the close"
        self.left = ANSWER_BYTES // len(self.block)
        self.body_bytes = self.left * self.block.count(b"x")
        self.written = 0
        self.port = None
        self.over = threading.Event()

    def __call__(self, exchange):
        self.port = exchange.socket.getpeername()[1]
        for at in range(0, len(self.head), 1000):
            self._send(exchange, self.head[at:at + 1000])
        while self.left > 0:
            self._send(exchange, self.block)
            self.left -= 1
        self._send(exchange, self.end)
        self.over.set()
        return self.keeps

    def _send(self, exchange, data):
        exchange.send(data)
        self.written += len(data)


def queues():
    """The kernel's queues of each TCP connection that is open: (local port, remote port) -> (out, in)."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split(maxsplit=5)
            if fields[3] != "01":  # there may be very many that are not established any more
                continue
            ends = tuple(int(end.rpartition(":")[2], 16) for end in fields[1:3])
            found[ends] = tuple(int(count, 16) for count in fields[4].split(":"))
    return found


def wait_blocked(flood, cloud, gateway, caller):
    """Wait until nothing moves any more; return how much the gateway holds, at most."""
    front = int(gateway.address.rpartition(":")[2])
    back = caller.socket.getsockname()[1]
    ways = [(cloud.port, flood.port), (flood.port, cloud.port), (front, back), (back, front)]
    last = []

    def still():
        kernel = queues()
        now = [flood.written] + [kernel[way] for way in ways]
        same = last[-5:] == [now] * 5
        last.append(now)
        return same and now[2][1] > 0  # the gateway leaves bytes of the cloud unread
    until(still, lambda: f"the cloud to be held back: {last[-3:]}")
    written, cloud_queue, from_cloud, to_caller, caller_queue = last[-1]
    assert not flood.over.is_set()
    # the block that is being written may be in the kernel in part
    return written + BLOCK_BYTES + 16 - (cloud_queue[0] + from_cloud[1] + to_caller[0]
                                         + caller_queue[1])


def slow_caller(gateway):
    """One that has asked and does not read; its queue does not grow as far as the system lets it."""
    caller = gateway.caller()
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    caller.send(render("DELETE", DELETE))
    return caller


def read_body(caller):
    """All of the answer, fast: the caller's own reader is for small ones."""
    answer = caller.read_head()
    pieces = [caller.buffer]
    length = answer.header("Content-Length")
    if length is not None:
        left = int(length) - len(caller.buffer)
        while left > 0:
            pieces.append(caller.socket.recv(1 << 16))
            assert pieces[-1], f"the answer is cut, {left} bytes are missing"
            left -= len(pieces[-1])
        return b"".join(pieces)
    while b"".join(pieces[-2:])[-5:] != b"0\r\n\r\n":
        pieces.append(caller.socket.recv(1 << 16))
        assert pieces[-1], "the answer is cut"
    chunks = b"".join(pieces)[:-5]
    assert re.fullmatch(rb"(?:[1-9a-f][0-9a-f]{0,7}\r\nx+\r\n)*", chunks)
    return re.sub(rb"[0-9a-f]+\r\n(x+)\r\n", rb"\1", chunks)


@pytest.mark.parametrize("name", HEADS)
def test_a_slow_caller_holds_the_cloud_back_and_gets_all(new_gateway, cloud, name):
    gateway = new_gateway(cloud, **LIMITS).start()
    flood = Flood(name)
    cloud.script(flood)
    with slow_caller(gateway) as caller:
        cloud.wait_for(1)
        until(lambda: flood.port, "the answer to begin")
        held = wait_blocked(flood, cloud, gateway, caller)
        assert 0 < held <= HELD_BYTES, held
        assert gateway.ask("DELETE", DELETE).status == 200  # others are served meanwhile
        assert read_body(caller) == b"x" * flood.body_bytes
    outcome = gateway.wait_record(event="outcome", response_bytes=flood.body_bytes)
    assert (outcome["outcome"], outcome["sent"]) == ("success", True)
    assert gateway.ask("DELETE", DELETE).status == 200


def resident_bytes(gateway):
    status = pathlib.Path("/proc", str(gateway.process.pid), "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def is_sanitized(gateway):
    maps = pathlib.Path("/proc", str(gateway.process.pid), "maps").read_text()
    return any(name in maps for name in ("libasan", "libtsan", "libubsan"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_many_slow_callers_cost_a_bounded_memory_each(new_gateway, new_cloud, authority, scheme):
    count = 12
    secure = scheme == "https"
    cloud = new_cloud(context=authority.server_context() if secure else None)
    gateway = new_gateway(cloud, service={"ca_file": str(authority.certificate)} if secure else {},
                          **LIMITS).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    before = resident_bytes(gateway)
    floods = [Flood() for _ in range(count)]
    cloud.script(*floods)
    callers = [slow_caller(gateway) for _ in range(count)]
    until(lambda: all(flood.port for flood in floods), "every answer to begin")
    last = []

    def still():
        now = [flood.written for flood in floods]
        same = last[-10:] == [now] * 10
        last.append(now)
        return same
    until(still, "every cloud to be held back")
    assert not any(flood.over.is_set() for flood in floods)
    if not is_sanitized(gateway):  # a sanitizer keeps what was freed
        assert resident_bytes(gateway) - before <= count * HELD_BYTES
    for caller in callers:
        caller.reset()
    for flood in floods:
        assert flood.over.wait(LIMIT_SECONDS), "the answer of a caller that left is read on"
    until(lambda: len(gateway.find_records(event="outcome", outcome="success")) == count + 1,
          "the outcome of each")
    assert gateway.ask("DELETE", DELETE).status == 200


@pytest.mark.parametrize("name", HEADS)
def test_a_caller_that_leaves_within_the_answer_gets_its_outcome(new_gateway, cloud, name):
    gateway = new_gateway(cloud, **LIMITS).start()
    flood = Flood(name)
    cloud.script(flood)
    caller = slow_caller(gateway)
    until(lambda: flood.port, "the answer to begin")
    wait_blocked(flood, cloud, gateway, caller)
    caller.reset()
    outcome = gateway.wait_record(event="outcome")
    assert (outcome["outcome"], outcome["status"], outcome["sent"]) == ("success", 200, True)
    assert outcome["response_bytes"] == flood.body_bytes
    assert gateway.ask("DELETE", DELETE).status == 200
    assert cloud.connections == (1 if flood.keeps else 2)


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_caller_that_leaves_before_the_answer_breaks_gets_its_outcome(new_gateway, cloud, then):
    gateway = new_gateway(cloud).start()
    held = clouds.Held(clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then=then))
    cloud.script(held)
    caller = gateway.caller()
    caller.send(render("DELETE", DELETE))
    held.wait()
    caller.reset()
    assert gateway.ask("DELETE", DELETE).status == 200  # by now the gateway has noticed
    held.release()
    outcome = gateway.wait_record(event="outcome", reason="SIGNGATE.Upstream")
    assert (outcome["status"], outcome["sent"]) == (200, True)
    assert gateway.ask("DELETE", DELETE).status == 200
