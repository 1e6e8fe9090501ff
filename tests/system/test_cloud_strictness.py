"""Every way in which a cloud can break the rules of HTTP, over http and over https: the caller is
refused or cut and never gets an answer that only looks whole, the outcome says what is known, the
connection is not used again, and the next request is served.

A table for each kind of end: the bytes of the cloud by the name of the case. Each case plays twice,
as one write and (where it is short) byte by byte, on a connection that served a request before."""
import itertools
import threading
import time

import pytest

import cloud as clouds
from caller import Closed, Cut, render
from gateway import DELETE, OUTPUTS
from refusal import assert_refused
from wait import LIMIT_SECONDS, until

BYTE_BY_BYTE = 400  # bytes: longer answers play as one write only
SHORT = {"timeouts": {"response": "1s"}}
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = HEAD + b"Content-Length: 2\r\n\r\n{}"


def with_status(line):
    return line + b"\r\nContent-Length: 2\r\n\r\n{}"


def with_field(line):
    return HEAD + line + b"\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(params=["http", "https"])
def upstream(request, new_cloud, authority):
    """A cloud over each of the two."""
    return new_cloud(context=authority.server_context() if request.param == "https" else None)


@pytest.fixture
def start(new_gateway, authority):
    def begin(cloud, service=None, **changes):
        trusted = {"ca_file": str(authority.certificate)} if cloud.context is not None else {}
        return new_gateway(cloud, service={**trusted, **(service or {})}, **changes).start()
    return begin


# --- what is checked of each case

def pieces_of(data):
    """The ways in which a case plays, each a list of writes."""
    whole = [[data]]
    if len(data) <= BYTE_BY_BYTE:
        whole.append([data[i:i + 1] for i in range(len(data))])
    return whole


def serve(gateway, cloud):
    """A request that must be served as if nothing had been; the number of its connection."""
    before = len(cloud.requests)
    answer = gateway.ask("DELETE", DELETE)
    assert answer.status == 200 and answer.header("Signgate-Error") is None, answer
    assert answer.json() == {"flow_id": "f1", "output_name": "playout-a"}
    assert len(cloud.requests) == before + 1
    return cloud.requests[-1].connection


def play(gateway, cloud, behaviour, check):
    """One fault on a used connection; check says what the caller must see. Then good requests."""
    used = serve(gateway, cloud)
    cloud.script(behaviour)
    before = len(cloud.requests)
    check()
    assert len(cloud.requests) == before + 1, "a fault was answered by sending again"
    assert cloud.requests[-1].connection == used
    fresh = serve(gateway, cloud)
    assert fresh > used, "a connection that misbehaved was used again"
    assert serve(gateway, cloud) == fresh
    cloud.assert_signed()
    gateway.verify_audit()


def refused(gateway, status=502, code="Upstream"):
    """The caller gets a refusal; what became of the call is not known."""
    def check():
        answer = gateway.ask("DELETE", DELETE)
        assert_refused(gateway, answer, status, code, "outcome", outcome="unknown", sent=True)
    return check


class Marked:
    """A request that its outcome can be found by."""
    _numbers = itertools.count()

    def __init__(self, gateway):
        self.gateway = gateway
        self.name = f"fault-{next(self._numbers)}"
        self.bytes = render("DELETE", DELETE, [("X-Request-Id", self.name)])

    def outcome(self):
        return self.gateway.wait_record(event="outcome", client_request_id=self.name)


def cut(gateway, code="Upstream", status=200):
    """The caller gets a part at most, and sees that it is one; the status was seen, though."""
    def check():
        request = Marked(gateway)
        with gateway.caller() as caller:
            caller.send(request.bytes)
            with pytest.raises((Cut, Closed)):
                caller.read_answer()
        outcome = request.outcome()
        assert outcome["sent"] is True
        assert outcome["status"] == status
        assert outcome["outcome"] == ("success" if status < 400 else "failure")
        assert outcome["reason"] == f"SIGNGATE.{code}"
    return check


def relayed(gateway, status, body, headers=None):
    """The caller gets this answer, whole and unchanged."""
    def check():
        request = Marked(gateway)
        with gateway.caller() as caller:
            caller.send(request.bytes)
            answer = caller.read_answer()
            assert caller.buffer == b""
        assert (answer.status, answer.body, answer.interim) == (status, body, [])
        assert answer.header("Signgate-Error") is None
        if headers is not None:
            assert [field for field in answer.headers
                    if field[0] not in ("Signgate-Request-Id", "Content-Length")] == headers
        outcome = request.outcome()
        assert outcome["request_id"] == answer.header("Signgate-Request-Id")
        assert (outcome["status"], outcome["sent"]) == (status, True)
        assert outcome["outcome"] == ("success" if status < 400 else "failure")
        assert outcome["response_bytes"] == len(body)
    return check


# --- heads that break a rule: 502

REFUSED = {
    # status lines
    "noise": b"\x00\x01\x02 no HTTP at all\r\n\r\n",
    "HTTP/0.9": b"<html>it worked</html>\r\n",
    "HTTP/2.0": with_status(b"HTTP/2.0 200 OK"),
    "HTTP/1.2": with_status(b"HTTP/1.2 200 OK"),
    "HTTP/1.10": with_status(b"HTTP/1.10 200 OK"),
    "http/1.1": with_status(b"http/1.1 200 OK"),
    "a line before the answer": b"\r\n" + GOOD,
    "status 99999": with_status(b"HTTP/1.1 99999 OK"),
    "status -5": with_status(b"HTTP/1.1 -5 OK"),
    "status 2x0": with_status(b"HTTP/1.1 2x0 OK"),
    "status 000": with_status(b"HTTP/1.1 000 OK"),
    "status 099": with_status(b"HTTP/1.1 099 OK"),
    "status 600": with_status(b"HTTP/1.1 600 OK"),
    "status 20": with_status(b"HTTP/1.1 20 OK"),
    "no status": with_status(b"HTTP/1.1 OK"),
    "two spaces before the status": with_status(b"HTTP/1.1  200 OK"),
    "a tab before the status": with_status(b"HTTP/1.1\t200 OK"),
    "a reason with a control byte": with_status(b"HTTP/1.1 200 O\x07K"),
    "a reason with a bare CR": with_status(b"HTTP/1.1 200 O\rK"),
    "a reason with NUL": with_status(b"HTTP/1.1 200 O\x00K"),
    # lines and fields
    "bare LF everywhere": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "bare LF behind a field": HEAD + b"X-A: 1\nContent-Length: 2\r\n\r\n{}",
    "bare LF as the end of the head": HEAD + b"Content-Length: 2\r\n\n{}",
    "CR alone as a line end": HEAD + b"X-A: 1\rContent-Length: 2\r\n\r\n{}",
    "CR CR LF": HEAD + b"Content-Length: 2\r\r\n\r\n{}",
    "obs-fold": with_field(b"X-A: 1\r\n 2"),
    "obs-fold with a tab": with_field(b"X-A: 1\r\n\t2"),
    "obs-fold before the first field": with_field(b" X-A: 1"),
    "NUL in a value": with_field(b"X-A: 1\x002"),
    "NUL at the start of a line": with_field(b"\x00"),
    "NUL in a name": with_field(b"X-\x00A: 1"),
    "a control byte in a value": with_field(b"X-A: \x01"),
    "DEL in a value": with_field(b"X-A: a\x7fb"),
    "ESC in a value": with_field(b"X-A: \x1b[2J"),
    "a space in a name": with_field(b"X A: 1"),
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\n{}",
    "a name of 8 bits": with_field(b"X-\xe4: 1"),
    "no name": with_field(b": 1"),
    "no colon": with_field(b"nonsense"),
    # framing
    "length twice, equal": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "length twice, different": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "length -1": HEAD + b"Content-Length: -1\r\n\r\n",
    "length +2": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "length 02": HEAD + b"Content-Length: 02\r\n\r\n{}",
    "length 0x2": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "length 2x": HEAD + b"Content-Length: 2x\r\n\r\n{}",
    "no number of length": HEAD + b"Content-Length: \r\n\r\n",
    "a length beyond 64 bits": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "a length of 2^64": HEAD + b"Content-Length: 18446744073709551616\r\n\r\n",
    "coding gzip": HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "coding identity": HEAD + b"Transfer-Encoding: identity\r\n\r\nabc",
    "coding gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "coding xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding with a parameter": HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "coding behind a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunks with HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no framing": HEAD + b"\r\n",
    "no framing, kept alive": HEAD + b"Connection: keep-alive\r\n\r\nabc",
    # interim answers
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "101 behind 100": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n" + GOOD,
    "five interim answers": b"HTTP/1.1 103 Early\r\n\r\n" * 5 + GOOD,
    "a flood of interim answers": b"HTTP/1.1 103 Early\r\n\r\n" * 5000 + GOOD,
    "1xx with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n{}" + GOOD,
    "1xx with length 0": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + GOOD,
    "1xx with chunks": b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD,
    "1xx with a body behind it": b"HTTP/1.1 103 Early\r\n\r\n{}" + GOOD,
    "1xx with a bad field": b"HTTP/1.1 103 Early\r\nX A: 1\r\n\r\n" + GOOD,
    # floods
    "64 KiB of fields": with_field(b"\r\n".join(b"X-%d: " % i + b"a" * 1000 for i in range(64))),
    "64 KiB in one field": with_field(b"X-A: " + b"a" * 65536),
    "1000 fields": with_field(b"\r\n".join(b"X: " for _ in range(1000))),
    "129 fields": with_field(b"\r\n".join(b"X: " for _ in range(128))),
    "64 KiB of an interim head": b"HTTP/1.1 103 Early\r\nX: " + b"a" * 65536 + b"\r\n\r\n" + GOOD,
    "a field without end": HEAD + b"X-A: " + b"a" * 1000000,
    "a status line without end": b"HTTP/1.1 200 " + b"a" * 1000000,
    # announced longer than response_bytes
    "too long": HEAD + b"Content-Length: 8388609\r\n\r\n{}",
    "much too long": HEAD + b"Content-Length: 18446744073709551615\r\n\r\n{}",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_breaks_a_rule_is_refused(start, upstream, name):
    gateway = start(upstream)
    for pieces in pieces_of(REFUSED[name]):
        play(gateway, upstream, clouds.raw(*pieces, then="keep"), refused(gateway))


# --- heads that are good before bodies that are not: cut

CUT = {
    "a size that is no number": CHUNKED + b"2\r\n{}\r\nzz\r\n",
    "a size in octal dress": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a size of -0": CHUNKED + b"2\r\n{}\r\n-0\r\n\r\n",
    "a size behind a space": CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n",
    "a size before a space": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "a size of 9 digits": CHUNKED + b"000000002\r\n{}\r\n0\r\n\r\n",
    "a size without end": CHUNKED + b"2" * 100000,
    "a size with NUL": CHUNKED + b"2\x00\r\n{}\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "an extension": CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n",
    "an extension of the last chunk": CHUNKED + b"2\r\n{}\r\n0;a=b\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"2\r\n{}\r\n0\r\njunk\r\n\r\n",
    "a trailer without a name": CHUNKED + b"2\r\n{}\r\n0\r\n: x\r\n\r\n",
    "a trailer behind a space": CHUNKED + b"2\r\n{}\r\n0\r\n X: 1\r\n\r\n",
    "a folded trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: 1\r\n 2\r\n\r\n",
    "a trailer with NUL": CHUNKED + b"2\r\n{}\r\n0\r\nX: \x00\r\n\r\n",
    "a trailer with bare LF": CHUNKED + b"2\r\n{}\r\n0\r\nX: 1\n\r\n",
    "trailers without end": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 2000,
    "bare LF behind a size": CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    "bare LF behind a chunk": CHUNKED + b"2\r\n{}\n0\r\n\r\n",
    "bare LF as the end": CHUNKED + b"2\r\n{}\r\n0\r\n\n",
    "CR alone behind a size": CHUNKED + b"2\r{}\r\n0\r\n\r\n",
    "no CRLF behind a chunk": CHUNKED + b"2\r\n{}0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "noise for chunks": CHUNKED + b"\x00\x01\x02\x03",
    "an answer for chunks": CHUNKED + GOOD,
    "a chunk beyond response_bytes": CHUNKED + b"800001\r\n{}",
    "a chunk of 4 GiB": CHUNKED + b"2\r\n{}\r\nffffffff\r\n{}",
}


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_breaks_a_rule_is_cut(start, upstream, name):
    gateway = start(upstream)
    for pieces in pieces_of(CUT[name]):
        play(gateway, upstream, clouds.raw(*pieces, then="keep"), cut(gateway))


def test_a_cut_error_keeps_its_status_in_the_record(start, upstream):
    gateway = start(upstream)
    play(gateway, upstream,
         clouds.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{}", then="end"),
         cut(gateway, status=404))


GROWING = {
    "in chunks": [CHUNKED] + [b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 17 + [b"0\r\n\r\n"],
    "until the end": [HEAD + b"Connection: close\r\n\r\n"] + [b"x" * 4096] * 17,
}


@pytest.mark.parametrize("name", GROWING)
def test_an_answer_that_grows_beyond_the_limit_is_cut(start, upstream, name):
    gateway = start(upstream, limits={"response_bytes": "64KiB"})
    play(gateway, upstream, clouds.raw(*GROWING[name], then="end"), cut(gateway))


# --- answers that end too early

BEFORE_THE_END_OF_THE_HEAD = {
    "at once": b"",
    "within the version": b"HTTP",
    "within the status": b"HTTP/1.1 20",
    "within the reason": b"HTTP/1.1 200 O",
    "behind the status line": HEAD,
    "within a field": HEAD + b"Content-",
    "before the last line": HEAD + b"Content-Length: 2\r\n",
    "within the last CRLF": HEAD + b"Content-Length: 2\r\n\r",
    "behind an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "within a second head": b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200",
}

BEFORE_THE_END_OF_THE_BODY = {
    "before the body": HEAD + b"Content-Length: 10\r\n\r\n",
    "within the body": HEAD + b"Content-Length: 10\r\n\r\nhalf",
    "before the last byte": HEAD + b"Content-Length: 10\r\n\r\n123456789",
    "before the chunks": CHUNKED,
    "within a size": CHUNKED + b"1",
    "behind a size": CHUNKED + b"4\r\n",
    "within a chunk": CHUNKED + b"4\r\nha",
    "behind a chunk": CHUNKED + b"4\r\nhalf",
    "between chunks": CHUNKED + b"4\r\nhalf\r\n",
    "behind the last size": CHUNKED + b"4\r\nhalf\r\n0\r\n",
    "within the last CRLF": CHUNKED + b"4\r\nhalf\r\n0\r\n\r",
}

ENDS = ["close", "end", "reset"]


@pytest.mark.parametrize("name", BEFORE_THE_END_OF_THE_HEAD)
def test_an_end_within_the_head_is_refused(start, upstream, name):
    gateway = start(upstream)
    for how in ENDS:
        play(gateway, upstream, clouds.raw(BEFORE_THE_END_OF_THE_HEAD[name], then=how),
             refused(gateway))


@pytest.mark.parametrize("name", BEFORE_THE_END_OF_THE_BODY)
def test_an_end_within_the_body_is_cut(start, upstream, name):
    gateway = start(upstream)
    for how in ENDS:
        play(gateway, upstream, clouds.raw(BEFORE_THE_END_OF_THE_BODY[name], then=how), cut(gateway))


UNTIL_CLOSE = {
    "HTTP/1.1 with close": HEAD + b"Connection: close\r\n\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
}


@pytest.mark.parametrize("name", UNTIL_CLOSE)
def test_a_body_until_the_close_is_whole_after_a_clean_end_alone(start, upstream, name):
    gateway = start(upstream)
    answer = UNTIL_CLOSE[name]
    play(gateway, upstream, clouds.raw(answer, then="end"), relayed(gateway, 200, b"{}"))
    play(gateway, upstream, clouds.raw(answer, then="reset"), cut(gateway))
    # A bare FIN is the end of TCP; within TLS anybody on the way could have sent it.
    play(gateway, upstream, clouds.raw(answer, then="close"),
         relayed(gateway, 200, b"{}") if upstream.context is None else cut(gateway))


# --- answers that are good, on connections that are not

NOT_KEPT = {
    "two answers at once": (200, b"{}", GOOD + GOOD),
    "a byte behind a length": (200, b"{}", GOOD + b"!"),
    "a line behind a length": (200, b"{}", GOOD + b"\r\n"),
    "an answer behind chunks": (200, b"{}", CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + GOOD),
    "a line behind chunks": (200, b"{}", CHUNKED + b"2\r\n{}\r\n0\r\n\r\n\r\n"),
    "an interim answer behind it": (200, b"{}", GOOD + b"HTTP/1.1 100 Continue\r\n\r\n"),
    "204 with a body": (204, b"", b"HTTP/1.1 204 No Content\r\n\r\n{}"),
    "204 with a length": (204, b"", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"),
    "204 with chunks": (204, b"", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  b"2\r\n{}\r\n0\r\n\r\n"),
    "304 with a body": (304, b"", b"HTTP/1.1 304 Not Modified\r\n\r\n{}"),
    "304 with a length": (304, b"", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}"),
    "304 with a length and nothing behind it":
        (304, b"", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"),
    "Connection: close": (200, b"{}", with_field(b"Connection: close")),
    "Connection: keep-alive, close": (200, b"{}", with_field(b"Connection: keep-alive, close")),
    "close in a second line": (200, b"{}", with_field(b"Connection: keep-alive\r\n"
                                                      b"Connection: Close")),
    "HTTP/1.0": (200, b"{}", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "HTTP/1.0, kept alive": (200, b"{}", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                                         b"Content-Length: 2\r\n\r\n{}"),
}


@pytest.mark.parametrize("name", NOT_KEPT)
def test_a_good_answer_on_a_doubtful_connection_is_the_last_there(start, upstream, name):
    status, body, data = NOT_KEPT[name]
    gateway = start(upstream)
    for pieces in pieces_of(data):
        play(gateway, upstream, clouds.raw(*pieces, then="keep"), relayed(gateway, status, body))


def test_an_answer_before_the_request_is_nobodys(start, upstream):
    gateway = start(upstream)
    forged = HEAD + b"Content-Length: 6\r\n\r\nforged"

    answered, sent = threading.Event(), threading.Event()

    def behave(exchange):
        exchange.send(GOOD)
        assert answered.wait(LIMIT_SECONDS)
        exchange.send(forged)
        sent.set()
        return True
    upstream.script(behave)
    relayed(gateway, 200, b"{}")()
    answered.set()
    assert sent.wait(LIMIT_SECONDS)  # behind a request it would be that request's answer
    for _ in range(20):
        serve(gateway, upstream)
    assert upstream.connections == 2


# --- answers that are good, on connections that are kept

def chunked(*chunks):
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


KEPT = {
    "a length": (200, b"{}", GOOD),
    "a length of 0": (200, b"", HEAD + b"Content-Length: 0\r\n\r\n"),
    "no reason": (200, b"{}", with_status(b"HTTP/1.1 200")),
    "chunks": (200, b"hello", CHUNKED + chunked(b"h", b"ell", b"o")),
    "no chunks": (200, b"", CHUNKED + chunked()),
    "chunks with sizes of 8 digits": (200, b"{}", CHUNKED + b"00000002\r\n{}\r\n00000000\r\n\r\n"),
    "trailers": (200, b"{}", CHUNKED + b"2\r\n{}\r\n0\r\nX-Sum: 1\r\nX-B:\r\n\r\n"),
    "trailers that would frame": (200, b"{}", CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "CHUNKED": (200, b"{}", HEAD + b"transfer-encoding: CHUNKED\r\n\r\n" + chunked(b"{}")),
    "204": (204, b"", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": (304, b"", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "an error": (400, b'{"error_code":"LIVE.100011001","error_msg":"no"}',
                 clouds.render(400, b'{"error_code":"LIVE.100011001","error_msg":"no"}')),
    "599": (599, b"{}", with_status(b"HTTP/1.1 599 Odd")),
    "NUL in the body": (200, b"\x00\r\n\r\n", HEAD + b"Content-Length: 5\r\n\r\n\x00\r\n\r\n"),
    "an answer in the body": (200, GOOD, clouds.render(200, GOOD)),
    "100": (200, b"{}", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD),
    "103": (200, b"{}", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: a=b\r\n\r\n" + GOOD),
    "four interim answers": (200, b"{}", b"HTTP/1.1 102 Processing\r\n\r\n" * 4 + GOOD),
    "128 fields": (200, b"{}", with_field(b"\r\n".join(b"X: " for _ in range(127)))),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_good_answer_keeps_its_connection(start, upstream, name):
    status, body, data = KEPT[name]
    gateway = start(upstream)
    for pieces in pieces_of(data):
        serve(gateway, upstream)
        upstream.script(clouds.raw(*pieces, then="keep"))
        relayed(gateway, status, body)()
        serve(gateway, upstream)
    assert upstream.connections == 1
    gateway.verify_audit()


SPLIT = {
    "a length": (b"HTTP/1.1 103 Early\r\nX-A: 1\r\n\r\n" + clouds.render(200, b'{"flow_id":"f1"}')),
    "chunks": (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + chunked(b'{"flow_id"', b':"f1"}')),
    "trailers": (CHUNKED + b'10\r\n{"flow_id":"f1"}\r\n0\r\nX-Sum: 12\r\n\r\n'),
}


@pytest.mark.parametrize("name", SPLIT)
def test_an_answer_cut_in_two_at_every_byte_stays_one(start, upstream, name):
    gateway = start(upstream)
    data = SPLIT[name]
    with gateway.caller() as caller:
        for at in range(1, len(data)):
            upstream.script(clouds.raw(data[:at], data[at:], then="keep"))
            answer = caller.request("DELETE", DELETE)
            assert (answer.status, answer.body) == (200, b'{"flow_id":"f1"}'), at
    assert upstream.connections == 1


def test_what_belongs_to_one_hop_or_to_the_gateway_is_dropped(start, upstream):
    gateway = start(upstream)
    fields = [
        (b"Content-Type", b"application/json"), (b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d"),
        (b"Set-Cookie2", b"e=f"), (b"Signgate-Error", b"SIGNGATE.Denied"),
        (b"Signgate-Request-Id", b"forged"), (b"SIGNGATE-ANYTHING", b"1"),
        (b"Connection", b"X-Named, keep-alive"), (b"X-Named", b"1"), (b"x-named", b"2"),
        (b"connection", b"x-also"), (b"X-Also", b"1"), (b"Keep-Alive", b"timeout=5"),
        (b"TE", b"trailers"), (b"Trailer", b"X-Sum"), (b"Upgrade", b"h2c"),
        (b"Proxy-Connection", b"close"), (b"Proxy-Authenticate", b"Basic"), (b"X-Kept", b"a  b"),
        (b"X-Empty", b""), (b"x-kept", b"\xe4"), (b"X-Request-Id", b"cloud-1"),
    ]
    data = HEAD + b"".join(b"%s: %s\r\n" % field for field in fields) + \
        b"Content-Length: 2\r\n\r\n{}"
    upstream.script(clouds.raw(data, then="keep"))
    relayed(gateway, 200, b"{}", [
        ("Content-Type", "application/json"), ("X-Kept", "a  b"), ("X-Empty", ""),
        ("x-kept", "\xe4"), ("X-Request-Id", "cloud-1")])()
    assert gateway.wait_record(event="outcome")["upstream_request_id"] == "cloud-1"
    serve(gateway, upstream)
    assert upstream.connections == 1


HARD_TEXTS = {
    "no UTF-8": b"\xff\xfe\xc3",
    "quotes": b'"}\\,"outcome":"success',
    "too long": b"x" * 5000,
    "8 bits, long": b"\xe4" * 5000,
}


@pytest.mark.parametrize("name", HARD_TEXTS)
def test_texts_of_the_cloud_do_no_harm_to_the_record(start, upstream, name):
    text = HARD_TEXTS[name]
    gateway = start(upstream)
    body = b'{"error_code":"' + text + b'","error_msg":"no"}'
    upstream.script(clouds.raw(b"HTTP/1.1 400 No\r\nX-Request-Id: " + text +
                               b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body, then="keep"))
    relayed(gateway, 400, body)()
    assert len(gateway.wait_record(event="outcome", status=400)["upstream_request_id"]) <= 128
    serve(gateway, upstream)
    gateway.verify_audit()


# --- too slow

def drip(data, piece=1):
    """These bytes one after the other, with time between them, for ever."""
    def behave(exchange):
        for i in range(0, len(data), piece):
            exchange.send(data[i:i + piece])
            time.sleep(0.05)
        exchange.wait_for_close()
        return False
    return behave


def test_a_head_that_drips_is_a_504(start, upstream):
    gateway = start(upstream, SHORT)
    play(gateway, upstream, drip(HEAD + b"X-A: " + b"a" * 1000), refused(gateway, 504,
                                                                         "UpstreamTimeout"))


def test_interim_answers_that_drip_are_a_504(start, upstream):
    gateway = start(upstream, SHORT)
    play(gateway, upstream, drip(b"HTTP/1.1 103 Early\r\n\r\n" * 3 + HEAD), refused(
        gateway, 504, "UpstreamTimeout"))


@pytest.mark.parametrize("head", [HEAD + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"3e8\r\n",
                                  HEAD + b"Connection: close\r\n\r\n"],
                         ids=["a length", "chunks", "until the close"])
def test_a_body_that_drips_is_cut(start, upstream, head):
    gateway = start(upstream, SHORT)

    def behave(exchange):
        exchange.send(head)
        return drip(b"x" * 1000)(exchange)
    play(gateway, upstream, behave, cut(gateway, "UpstreamTimeout"))


# --- connections that the cloud closes behind an answer

@pytest.mark.parametrize("how", ENDS)
def test_a_request_meets_the_end_of_its_connection_unharmed(start, upstream, how):
    """Each answer promises to keep a connection that ends right behind it, while the next request
    is on its way: seen in time; or sent again, proven that nobody took it; or refused, since a
    reset proves nothing (a close with the request unread is one). Never sent twice."""
    gateway = start(upstream)
    rounds = 100
    upstream.script(*[clouds.raw(GOOD, then=how)] * rounds)
    unknown = 0
    with gateway.caller() as caller:
        for number in range(rounds):
            answer = caller.request("DELETE", f"{OUTPUTS}?flow_id=f{number}&output_name=playout-a")
            if answer.status == 502:
                assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="unknown",
                               sent=True)
                unknown += 1
            else:
                assert (answer.status, answer.body) == (200, b"{}")
    sent = [request.query for request in upstream.requests]
    assert len(sent) == len(set(sent)), "a request came twice"
    assert len(sent) >= rounds - unknown > 0
    outcomes = until(lambda: [found for found in [gateway.find_records(event="outcome")]
                              if len(found) == rounds], "every outcome")[0]
    assert [record["outcome"] for record in outcomes].count("success") == rounds - unknown
    upstream.assert_signed()
