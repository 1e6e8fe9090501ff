"""Bytes that break the rules of framing: one answer, a record, the end of that connection; nothing
behind them is ever read as a request, and nobody else notices."""
import pytest

from cloud import Cloud
from gateway import DELETE, OPERATIONS, OUTPUTS, PLAYOUT, Gateway, source
from refusal import assert_refused

START = f"DELETE {DELETE} HTTP/1.1\r\n".encode()
HOST = b"Host: gateway.internal\r\n"
SMUGGLED = f"DELETE {DELETE.replace('f1', 'smuggled')} HTTP/1.1\r\n".encode() + HOST + b"\r\n"
POST = f"POST {OUTPUTS}?flow_id=f1 HTTP/1.1\r\n".encode() + HOST


def field(line):
    """A request with one more header line, and five bytes that may be its body."""
    return START + HOST + line + b"\r\n\r\n" + b"hello"


def line(start):
    """A request with this request line."""
    return start + b"\r\n" + HOST + b"\r\n"


TARGET = DELETE.encode()

HEADS = {
    "CL and TE": field(b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
    "TE and CL": field(b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
    "CL twice, equal": field(b"Content-Length: 5\r\nContent-Length: 5"),
    "CL twice, different": field(b"Content-Length: 5\r\nContent-Length: 0"),
    "CL +5": field(b"Content-Length: +5"),
    "CL -0": field(b"Content-Length: -0"),
    "CL -5": field(b"Content-Length: -5"),
    "CL 005": field(b"Content-Length: 005"),
    "CL 0x5": field(b"Content-Length: 0x5"),
    "CL 5,5": field(b"Content-Length: 5,5"),
    "CL 5 6": field(b"Content-Length: 5 6"),
    "CL empty": field(b"Content-Length:"),
    "CL VT": field(b"Content-Length: \x0b5"),
    "CL NUL": field(b"Content-Length: 5\x00zz"),
    "CL space before the colon": field(b"Content-Length : 5"),
    "TE space before the colon": field(b"Transfer-Encoding : chunked"),
    "TE xchunked": field(b"Transfer-Encoding: xchunked"),
    "TE gzip": field(b"Transfer-Encoding: gzip"),
    "TE quoted": field(b'Transfer-Encoding: "chunked"'),
    "TE VT": field(b"Transfer-Encoding: \x0bchunked"),
    "TE identity, chunked": field(b"Transfer-Encoding: identity, chunked"),
    "TE gzip, chunked": field(b"Transfer-Encoding: gzip, chunked"),
    "TE with a parameter": field(b"Transfer-Encoding: chunked;q=1"),
    "TE with junk": field(b"Transfer-Encoding: chunked junk"),
    "TE NUL": field(b"Transfer-Encoding: chunked\x00x"),
    "TE two lines": field(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    "TE folded": field(b"Transfer-Encoding:\r\n chunked"),
    "TE chunked, identity": field(b"Transfer-Encoding: chunked, identity"),
    "TE chunked twice": field(b"Transfer-Encoding: chunked, chunked"),
    "TE empty": field(b"Transfer-Encoding:"),
    "TE with HTTP/1.0": START.replace(b"1.1", b"1.0") + HOST
                        + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF everywhere": (START + HOST + b"\r\n").replace(b"\r\n", b"\n"),
    "bare LF in a header line": START + HOST + b"X-A: 1\nX-B: 2\r\n\r\n",
    "bare LF ends the head": START + HOST + b"\n",
    "bare CR in a value": field(b"X-A: 1\r2"),
    "bare CR in the target": line(b"DELETE " + TARGET + b"\rx HTTP/1.1"),
    "folded header": field(b"X-A: 1\r\n 2"),
    "fold before the first header": START + b" X-A: 1\r\n" + HOST + b"\r\n",
    "space in a name": field(b"X A: 1"),
    "empty name": field(b": 1"),
    "no colon": field(b"X-A"),
    "DEL in a name": field(b"X\x7fA: 1"),
    "8-bit in a name": field(b"X\xe4A: 1"),
    "NUL in a value": field(b"X-A: 1\x002"),
    "NUL starts a line": field(b"\x00X-A: 1"),
    "NUL line": START + HOST + b"\x00\r\n\r\n",
    "NUL behind the version": line(b"DELETE " + TARGET + b" HTTP/1.1\x00junk"),
    "control byte in a value": field(b"X-A: 1\x012"),
    "DEL in a value": field(b"X-A: 1\x7f"),
    "no Host": START + b"X-A: 1\r\n\r\n",
    "two Hosts": START + HOST + b"Host: other.internal\r\n\r\n",
    "two equal Hosts": START + HOST + HOST + b"\r\n",
    "Host with user": START + b"Host: u:p@gateway.internal\r\n\r\n",
    "Host with a port too large": START + b"Host: gateway.internal:99999999\r\n\r\n",
    "Host with a path": START + b"Host: a/b?c#d\r\n\r\n",
    "Host with a space": START + b"Host: a b\r\n\r\n",
    "Host with a list": START + b"Host: a.internal, b.internal\r\n\r\n",
    "Host empty": START + b"Host:\r\n\r\n",
    "leading CRLF": b"\r\n" + START + HOST + b"\r\n",
    "leading space": b" " + START + HOST + b"\r\n",
    "two spaces": line(b"DELETE  " + TARGET + b" HTTP/1.1"),
    "tab as separator": line(b"DELETE\t" + TARGET + b"\tHTTP/1.1"),
    "space inside the target": line(b"DELETE " + TARGET + b" x HTTP/1.1"),
    "trailing space": line(b"DELETE " + TARGET + b" HTTP/1.1 "),
    "no version": line(b"DELETE " + TARGET),
    "lower-case version": line(b"DELETE " + TARGET + b" http/1.1"),
    "version -1.1": line(b"DELETE " + TARGET + b" HTTP/-1.1"),
    "version +1.01": line(b"DELETE " + TARGET + b" HTTP/+1.01"),
    "version with a tab": line(b"DELETE " + TARGET + b" HTTP/\t1.1"),
    "method with a control byte": line(b"DEL\x01ETE " + TARGET + b" HTTP/1.1"),
    "no method": line(TARGET + b" HTTP/1.1"),
    "bytes of TLS": bytes.fromhex("16030100a5010000a10303") + b"\x00" * 64 + b"\r\n\r\n",
    "only noise": bytes(range(1, 256)) + b"\r\n\r\n",
}

OTHER_STATUS = {
    "CL of 64 bits": (field(b"Content-Length: 9999999999999999999"), 413, "BodyTooLarge"),
    "CL beyond 64 bits": (field(b"Content-Length: 36893488147419103237"), 400, "BadRequest"),
    "CL of 2^63": (field(b"Content-Length: 9223372036854775808"), 413, "BodyTooLarge"),
    "version 1.2": (line(b"DELETE " + TARGET + b" HTTP/1.2"), 505, "HttpVersion"),
    "version 2.0": (line(b"DELETE " + TARGET + b" HTTP/2.0"), 505, "HttpVersion"),
    "version 0.9": (line(b"DELETE " + TARGET + b" HTTP/0.9"), 505, "HttpVersion"),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HttpVersion"),
    "Expect something else": (field(b"Expect: 200-maybe"), 417, "ExpectationFailed"),
    "endless header line": (START + HOST + b"X-A: " + b"a" * 40000, 431, "HeadersTooLarge"),
    "endless header name": (START + HOST + b"a" * 40000, 431, "HeadersTooLarge"),
    "65 headers": (START + HOST + b"".join(b"X-%d: 1\r\n" % i for i in range(64)) + b"\r\n", 431,
                   "HeadersTooLarge"),
    "endless target": (b"DELETE /" + b"a" * 40000, 414, "TargetTooLong"),
}

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

BODIES = {
    "chunk size 0x5": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size +5": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk size -0": CHUNKED + b"-0\r\n\r\n",
    "chunk size with a space before": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    "chunk size with VT before": CHUNKED + b"\x0b5\r\nhello\r\n0\r\n\r\n",
    "chunk size with junk": CHUNKED + b"5 junk\r\nhello\r\n0\r\n\r\n",
    "chunk size of 24 digits": CHUNKED + b"000000000000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size of nine digits": CHUNKED + b"000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size with NUL": CHUNKED + b"5\x00x\r\nhello\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "chunk size without an end": CHUNKED + b"0" * 5000,
    "chunk extension": CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "no CRLF behind the data": CHUNKED + b"5\r\nhello0\r\n\r\n",
    "more data than announced": CHUNKED + b"5\r\nhellohello\r\n0\r\n\r\n",
    "blank line between chunks": CHUNKED + b"5\r\nhello\r\n\r\n0\r\n\r\n",
    "bare LF behind the size": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "bare LF behind the data": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "trailer without a colon": CHUNKED + b"5\r\nhello\r\n0\r\njunk\r\n\r\n",
}


@pytest.fixture(scope="module")
def gateway(program, tmp_path_factory):
    cloud = Cloud()
    made = Gateway(program, tmp_path_factory.mktemp("bad"), cloud)
    try:
        yield made.start()
        assert made.process.poll() is None, "the process is gone"
    finally:
        made.end()
        cloud.stop()


def check(gateway, data, status, code, address, split):
    """Send data with a second request behind it; everything must be refused as one."""
    before = len(gateway.upstream.requests)
    with gateway.caller() as neighbour:
        assert neighbour.request("DELETE", DELETE).status == 200
        with gateway.caller(address) as caller:
            try:
                if split:
                    for byte in data:
                        caller.send(bytes([byte]))
                caller.send(SMUGGLED if split else data + SMUGGLED)
            except OSError:
                pass  # it may have been refused before its end
            answer = caller.read_answer()
            assert_refused(gateway, answer, status, code, source_ip=address)
            assert answer.closes
            caller.assert_closed()
        assert neighbour.request("DELETE", DELETE).status == 200
    arrived = gateway.upstream.requests[before:]
    assert len(arrived) == 2, arrived
    assert not any("smuggled" in request.target for request in arrived)


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in bytes"])
@pytest.mark.parametrize("name", HEADS)
def test_a_malformed_head_is_refused_and_nothing_behind_it_is_read(gateway, name, split):
    number = 2 * list(HEADS).index(name) + split
    check(gateway, HEADS[name], 400, "BadRequest", source(PLAYOUT, number), split)


@pytest.mark.parametrize("name", OTHER_STATUS)
def test_what_is_too_large_or_of_another_version_says_so(gateway, name):
    data, status, code = OTHER_STATUS[name]
    number = 500 + list(OTHER_STATUS).index(name)
    check(gateway, data, status, code, source(PLAYOUT, number), False)


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in bytes"])
@pytest.mark.parametrize("name", BODIES)
def test_a_malformed_body_is_refused_and_nothing_behind_it_is_read(gateway, name, split):
    number = 2 * list(BODIES).index(name) + split
    check(gateway, BODIES[name], 400, "BadRequest", source(OPERATIONS, number), split)


@pytest.mark.parametrize("version", ["1.99999", "10.1", "1.", ".1", "1"])
def test_a_version_that_is_none_is_refused(gateway, version):
    with gateway.caller(source(PLAYOUT, 600)) as caller:
        caller.send(line(b"DELETE " + TARGET + b" HTTP/" + version.encode()))
        assert caller.read_answer().status in (400, 505)
        caller.assert_closed()


@pytest.mark.parametrize("method", ["HEAD", "TRACE", "OPTIONS", "CONNECT", "BREW", "delete"])
@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n\r\n%s",
                                     b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"],
                         ids=["length", "chunks"])
def test_the_body_of_an_unknown_method_is_a_body_all_the_same(gateway, method, framing):
    before = len(gateway.upstream.requests)
    head = f"{method} {DELETE} HTTP/1.1\r\n".encode() + HOST
    with gateway.caller(source(PLAYOUT, 601)) as caller:
        caller.send(head + framing % (len(SMUGGLED), SMUGGLED))
        caller.half_close()
        rest = caller.read_rest()
    assert rest.count(b"HTTP/1.1 ") <= 1, rest
    assert len(gateway.upstream.requests) == before


def test_a_half_close_before_the_end_leaves_no_trace_at_the_cloud(gateway):
    before = len(gateway.upstream.requests)
    with gateway.caller(source(OPERATIONS, 602)) as caller:
        caller.send(POST + b"Content-Length: 10\r\n\r\n12345")
        caller.half_close()
        caller.read_rest()
    assert len(gateway.upstream.requests) == before


def test_hundreds_of_unfinished_connections_leave_the_others_alone(gateway):
    open_ones = []
    try:
        for number in range(300):
            caller = gateway.caller(source(PLAYOUT, number))
            caller.send(START[:number % len(START)])
            open_ones.append(caller)
        assert gateway.ask("DELETE", DELETE).status == 200
    finally:
        for caller in open_ones:
            caller.reset()
    assert gateway.ask("DELETE", DELETE).status == 200
