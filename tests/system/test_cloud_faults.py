"""A cloud that hangs, breaks, resets or talks nonsense: the caller is told in time, the record says
what is known of the call's fate, nothing is sent twice, and the next call works."""
import pytest

import cloud as clouds
from caller import Closed, Cut, render
from gateway import DELETE, OPERATIONS, OUTPUTS
from refusal import assert_refused
from wait import until

SHORT = {"timeouts": {"response": "1s"}}


def next_call_works(gateway, cloud, calls=1):
    """Exactly calls requests came so far: a fault is never answered by sending again."""
    assert len(cloud.requests) == calls
    assert gateway.ask("DELETE", DELETE).status == 200
    assert len(cloud.requests) == calls + 1
    cloud.assert_signed()


@pytest.mark.parametrize("behaviour", [
    clouds.hang,
    clouds.raw(b"HTTP/1.1 200 OK\r\n", then="hang"),
    clouds.raw(b"HTTP/1.1 103 Early\r\n\r\n", then="hang"),
    clouds.raw(b"H", then="hang"),
], ids=["silent", "within the head", "behind an interim answer", "within the status line"])
def test_a_cloud_that_hangs_is_a_504_of_unknown_fate(new_gateway, cloud, behaviour):
    gateway = new_gateway(cloud, service=SHORT).start()
    cloud.script(behaviour)
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 504, "UpstreamTimeout", "outcome", outcome="unknown", sent=True)
    next_call_works(gateway, cloud)


@pytest.mark.parametrize("behaviour", [clouds.reset, clouds.close,
                                       clouds.raw(b"HTTP/1.1 200 OK\r\nContent-", then="reset"),
                                       clouds.raw(b"HTTP/1.1 200 OK\r\nContent-")],
                         ids=["reset", "close", "reset within the head", "close within the head"])
def test_a_cloud_that_leaves_is_a_502_of_unknown_fate(gateway, cloud, behaviour):
    cloud.script(behaviour)
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="unknown", sent=True)
    next_call_works(gateway, cloud)


GARBAGE = {
    "noise": b"\x00\x01\x02 no HTTP at all\r\n\r\n",
    "HTML": b"<html>400 Bad Request</html>\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "status 99999": b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n",
    "status -5": b"HTTP/1.1 -5 OK\r\nContent-Length: 0\r\n\r\n",
    "status 2x0": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                         b"\r\n0\r\n\r\n",
    "length -1": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length 1x": b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\na",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "no framing, kept alive": b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nabc",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded header": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: 1\x00\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 300000,
    "endless status line": b"HTTP/1.1 200 " + b"a" * 300000,
    "endless interim answers": b"HTTP/1.1 103 Early\r\n\r\n" * 50
                               + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_cloud_that_talks_nonsense_is_a_502_of_unknown_fate(gateway, cloud, name):
    cloud.script(clouds.raw(GARBAGE[name]))
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="unknown", sent=True)
    next_call_works(gateway, cloud)


def test_an_answer_announced_too_large_is_a_502(new_gateway, cloud):
    gateway = new_gateway(cloud, limits={"response_bytes": "1KiB"}).start()
    cloud.script(clouds.answer(200, b"x" * 1024), clouds.answer(200, b"x" * 1025))
    assert len(gateway.ask("DELETE", DELETE).body) == 1024
    answer = gateway.ask("DELETE", DELETE)
    assert (answer.status, answer.header("Signgate-Error")) == (502, "SIGNGATE.Upstream")
    assert len(cloud.requests) == 2
    assert gateway.ask("DELETE", DELETE).status == 200


CUT = {
    "within a length": clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"half"),
    "within a length, reset": clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"half",
                                         then="reset"),
    "within chunks": clouds.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                b"4\r\nhalf\r\n"),
    "within a chunk": clouds.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                 b"40\r\nhalf"),
    "by a bad chunk": clouds.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                 b"4\r\nhalf\r\nzz\r\n"),
}


@pytest.mark.parametrize("name", CUT)
def test_an_answer_cut_short_never_looks_whole(gateway, cloud, name):
    cloud.script(CUT[name])
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        try:
            answer = caller.read_answer()
            # Nothing of it was out yet: then it is the gateway's own answer.
            assert (answer.status, answer.header("Signgate-Error")) == (502, "SIGNGATE.Upstream")
        except (Cut, Closed):
            pass
    outcome = gateway.wait_record(event="outcome")
    assert outcome["sent"] is True
    assert outcome["reason"] == "SIGNGATE.Upstream"
    next_call_works(gateway, cloud)


def test_an_answer_that_grows_beyond_the_limit_is_cut(new_gateway, cloud):
    gateway = new_gateway(cloud, limits={"response_bytes": "64KiB"}).start()
    cloud.script(clouds.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                            *[b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 64, b"0\r\n\r\n",
                            then="keep"))
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        with pytest.raises(Cut):
            caller.read_answer()
    assert gateway.wait_record(event="outcome")["sent"] is True
    assert gateway.ask("DELETE", DELETE).status == 200


def test_a_hang_within_the_body_ends_in_time_and_never_looks_whole(new_gateway, cloud):
    gateway = new_gateway(cloud, service=SHORT).start()
    cloud.script(clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", then="hang"))
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        with pytest.raises(Cut):
            caller.read_answer()
    assert gateway.wait_record(event="outcome")["sent"] is True
    next_call_works(gateway, cloud)


def test_bytes_behind_an_answer_never_reach_the_next_caller(gateway, cloud):
    cloud.script(clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
                            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", then="hang"))
    with gateway.caller() as caller:
        assert caller.request("DELETE", DELETE).body == b"{}"
        assert b"forged" not in caller.request("DELETE", DELETE).body
    assert cloud.connections == 2


def test_connections_that_the_cloud_dropped_are_not_used_again(gateway, cloud):
    for expected in (1, 2, 3):
        assert gateway.ask("DELETE", DELETE).status == 200
        assert cloud.connections == expected
        cloud.drop_connections()
        # Either the gateway has seen the end already, or it sees it before a byte is out.
    assert len(cloud.requests) == 3


def test_a_cloud_that_answers_slowly_is_waited_for(gateway, cloud):
    whole = clouds.render(200, b'{"flow_id":"f1","output_name":"playout-a"}')
    cloud.script(clouds.raw(*[whole[i:i + 1] for i in range(len(whole))], then="keep"))
    assert gateway.ask("DELETE", DELETE).body == b'{"flow_id":"f1","output_name":"playout-a"}'


def test_an_answer_before_the_whole_body_was_sent_is_relayed(gateway, cloud):
    body = b"[" + b" " * 500000 + b"]"
    cloud.script(clouds.answer(400, b'{"error_code":"LIVE.100011001","error_msg":"no"}'))
    answer = gateway.ask("POST", f"{OUTPUTS}?flow_id=f1", source=OPERATIONS, body=body)
    assert answer.status == 400
    assert cloud.requests[0].body == body


def test_a_caller_that_leaves_while_the_cloud_works_still_gets_its_outcome(gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    caller = gateway.caller()
    caller.send(render("DELETE", DELETE))
    held.wait()
    caller.reset()
    assert gateway.ask("DELETE", DELETE).status == 200  # by now the gateway has noticed
    held.release()
    until(lambda: len(gateway.find_records(event="outcome")) == 2, "both outcomes")
    assert {record["outcome"] for record in gateway.find_records(event="outcome")} == {"success"}


def test_a_slow_reader_gets_all_of_a_large_answer(new_gateway, cloud):
    body = bytes(range(256)) * 16384  # 4 MiB
    gateway = new_gateway(cloud).start()
    cloud.script(clouds.answer(200, body))
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        until(lambda: cloud.requests, "the request that gets the large answer")
        gateway.ask("DELETE", DELETE)  # others are served in between
        assert caller.read_answer().body == body
