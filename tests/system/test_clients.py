"""How clients that know nothing of the gateway write their requests: real programs where they are
at hand, their heads byte for byte where not. Whatever they send besides, what reaches the cloud is
the gateway's own request with their body in it."""
import gzip
import http.client
import json
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from gateway import DELETE, OUTPUTS, PLAYOUT, PROJECT
from refusal import assert_refused

OWN = ["accept", "authorization", "host", "user-agent", "x-project-id", "x-sdk-date"]
FLOWS = f"/v1/{PROJECT}/flows"
CREATE = f"{OUTPUTS}?flow_id=f1"
MODIFY = DELETE
DELETED = {"flow_id": "f1", "output_name": "playout-a"}
BODY = '[{"name": "backup-ü",\r\n "protocol": "srt-caller"}]\n'.encode()


@pytest.fixture
def new_operations(new_gateway, cloud):
    """A gateway that takes whoever calls from here for operations: not every client can choose the
    address it calls from."""
    def new(**changes):
        return new_gateway(cloud, callers=[{"name": "operations-console", "team": "operations",
                                            "match": {"source": [PLAYOUT]}}], **changes).start()
    return new


@pytest.fixture
def gateway(new_operations):
    return new_operations()


def arrived(cloud, method="DELETE", target=DELETE, body=b"", kind=None, count=1):
    """What came to the cloud is this, count times, and nothing else of the caller's."""
    assert len(cloud.requests) == count, cloud.requests
    for request in cloud.requests:
        assert (request.method, request.target, request.body) == (method, target, body)
        names = OWN + (["content-length"] if body else []) + (["content-type"] if kind else [])
        assert request.names == sorted(names)
        assert request.header("Content-Type") == kind
        assert request.header("Accept") == "application/json"
        assert request.header("User-Agent").startswith("signgate/")
        assert request.header("Host") == cloud.authority
        assert request.header("Content-Length") == (str(len(body)) if body else None)
    cloud.assert_signed()


# --- curl -----------------------------------------------------------------------------------------

class Curl:
    """What a run of curl came to: for each URL its status, HTTP version, connections opened for it,
    bytes sent as its body, and the bodies of all the answers."""

    def __init__(self, *arguments, body=None):
        done = subprocess.run(
            ["curl", "-q", "-sS", "--max-time", "30", "--noproxy", "*", "--write-out",
             "%{stderr}%{http_code} %{http_version} %{num_connects} %{size_upload}\\n",
             *map(str, arguments)], input=body, capture_output=True, timeout=60, check=False)
        self.exit_status = done.returncode
        self.said = done.stderr.decode()
        self.body = done.stdout
        rows = [line.split() for line in self.said.splitlines() if line[:3].isdigit()]
        self.statuses = [int(row[0]) for row in rows]
        self.versions = [row[1] for row in rows]
        self.connects = [int(row[2]) for row in rows]
        self.uploads = [int(row[3]) for row in rows]

    def assert_served(self, count=1):
        assert self.exit_status == 0, self.said
        assert self.statuses == [200] * count, (self.said, self.body)


@pytest.mark.parametrize("options", [
    [], ["--http1.0"], ["--compressed"], ["--http2"], ["-H", "Accept:", "-A", ""],
    ["-u", "user:password"], ["--oauth2-bearer", "token"], ["-b", "cookie=1"], ["-e", "http://x/"],
    ["-H", "Connection: close"], ["-H", "Content-Type: application/json"],
    ["-H", "Expect: 100-continue"], ["-H", "Content-Length: 0"], ["-r", "0-1"],
    ["-H", "TE: trailers", "-H", "Connection: TE"], ["--tcp-fastopen"], ["--globoff"],
], ids=" ".join)
def test_curl_deletes(gateway, cloud, options):
    done = Curl("-X", "DELETE", *options, f"http://{gateway.address}{DELETE}")
    done.assert_served()
    assert json.loads(done.body) == DELETED
    assert done.versions == ["1.1"]  # never another protocol, whatever is offered
    arrived(cloud)


def test_curl_puts_parameters_into_the_query(gateway, cloud):
    Curl("-X", "DELETE", "-G", "--data-urlencode", "output_name=playout-é+c/d", "-d",
         "flow_id=f1", f"http://{gateway.address}{OUTPUTS}").assert_served()
    arrived(cloud, target=f"{OUTPUTS}?flow_id=f1&output_name=playout-%C3%A9%2Bc%2Fd")


def test_curl_keeps_its_connection(gateway, cloud):
    url = f"http://{gateway.address}{DELETE}"
    done = Curl("-X", "DELETE", url, url, url)
    done.assert_served(3)
    assert done.connects == [1, 0, 0]
    assert cloud.connections == 1
    arrived(cloud, count=3)


def test_curl_calls_through_a_proxy(gateway, cloud):
    """The absolute form, with the headers meant for a proxy."""
    Curl("-X", "DELETE", "--noproxy", "", "-x", f"http://user:password@{gateway.address}",
         f"http://live.example{DELETE}").assert_served()
    arrived(cloud)


@pytest.mark.parametrize("options, kind", [
    ([], "application/x-www-form-urlencoded"),
    (["-H", "Content-Type: application/json;charset=utf8"], "application/json;charset=utf8"),
    (["-H", "Content-Type:"], None),
    (["-H", "Content-Type:", "--http1.0"], None),
    (["-H", "Content-Type:", "-H", "Expect: 100-continue"], None),
    (["-H", "Content-Type:", "-H", "Transfer-Encoding: chunked"], None),
    (["-H", "Content-Type:", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"],
     None),
    (["-H", "Content-Type: application/json", "--http2"], "application/json"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
def test_curl_sends_a_body(gateway, cloud, options, kind):
    Curl("--data-binary", "@-", *options, f"http://{gateway.address}{CREATE}",
         body=BODY).assert_served()
    arrived(cloud, "POST", CREATE, BODY, kind)


def test_curl_uploads_what_it_does_not_know_the_length_of(gateway, cloud):
    body = BODY * 3000  # many chunks
    Curl("-T", "-", f"http://{gateway.address}{MODIFY}", body=body).assert_served()
    arrived(cloud, "PUT", MODIFY, body)


def test_curl_asks_before_it_sends_a_large_body(new_operations, cloud, work):
    gateway = new_operations(limits={"body_bytes": "4MiB"})
    large = work / "large"
    large.write_bytes(BODY * 30000)
    done = Curl("--data-binary", f"@{large}", "-H", "Content-Type:",
                f"http://{gateway.address}{CREATE}")
    done.assert_served()
    arrived(cloud, "POST", CREATE, large.read_bytes())


def test_curl_does_not_send_a_body_that_is_too_large(gateway, cloud, work):
    large = work / "large"
    large.write_bytes(BODY * 30000)
    done = Curl("--data-binary", f"@{large}", f"http://{gateway.address}{CREATE}")
    assert (done.exit_status, done.statuses, done.uploads) == (0, [413], [0]), done.said
    assert json.loads(done.body)["error_code"] == "SIGNGATE.BodyTooLarge"
    assert cloud.requests == []


@pytest.mark.parametrize("options, target, status, code", [
    (["-I"], DELETE, 403, "UnknownOperation"),
    (["-X", "OPTIONS"], DELETE, 403, "UnknownOperation"),
    (["-X", "delete"], DELETE, 403, "UnknownOperation"),
    (["-X", "DELETE", "-d", "{}"], DELETE, 400, "BadRequest"),
    (["-X", "POST"], CREATE, 400, "BadRequest"),
    (["-d", ""], CREATE, 400, "BadRequest"),
    (["-d", "[]", "-H", "Expect: something"], CREATE, 417, "ExpectationFailed"),
    (["-F", "a=b", "-X", "DELETE"], DELETE, 400, "BadRequest"),
    (["-X", "DELETE"], DELETE + "&debug", 400, "BadRequest"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value)[-12:])
def test_curl_is_refused(gateway, cloud, options, target, status, code):
    done = Curl(*options, f"http://{gateway.address}{target}")
    assert (done.exit_status, done.statuses) == (0, [status]), (done.said, done.body)
    if "-I" not in options:
        assert json.loads(done.body)["error_code"] == f"SIGNGATE.{code}"
    assert gateway.wait_record(event="rejected")["reason"] == f"SIGNGATE.{code}"
    assert cloud.requests == []


def test_curl_that_insists_on_http2_is_refused(gateway, cloud):
    done = Curl("-X", "DELETE", "--http2-prior-knowledge", f"http://{gateway.address}{DELETE}")
    assert done.exit_status != 0
    assert gateway.wait_record(event="rejected")["reason"] == "SIGNGATE.HttpVersion"
    assert cloud.requests == []


# --- wget and Node.js -----------------------------------------------------------------------------

def needs(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} here")


@needs("wget")
@pytest.mark.parametrize("options, request_of", [
    (["--method=DELETE"], ("DELETE", DELETE)),
    (["--method=DELETE", "--compression=auto", "--no-http-keep-alive"], ("DELETE", DELETE)),
    ([f"--post-data={BODY.decode()}"],
     ("POST", CREATE, BODY, "application/x-www-form-urlencoded")),
    (["--method=PUT", f"--body-data={BODY.decode()}", "--header=Content-Type: application/json"],
     ("PUT", MODIFY, BODY, "application/json")),
], ids=["DELETE", "DELETE and close", "POST", "PUT"])
def test_wget_is_served(gateway, cloud, options, request_of):
    done = subprocess.run(
        ["wget", "--no-config", "--no-proxy", "-nv", "-O-", "--tries=1", "--timeout=30", *options,
         f"http://{gateway.address}{request_of[1]}"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["flow_id"] == "f1"
    arrived(cloud, *request_of)


FETCH = """
const [url, options, count] = JSON.parse(process.argv[1]);
if (options.stream) {
    const bytes = new TextEncoder().encode(options.stream);
    options.body = new ReadableStream({ start(stream) {
        for (let at = 0; at < bytes.length; at += 7) stream.enqueue(bytes.slice(at, at + 7));
        stream.close();
    } });
    options.duplex = 'half';
}
const one = async () => { const answer = await fetch(url, options);
                          return [answer.status, await answer.json()]; };
Promise.all(Array.from({ length: count }, one))
    .then((all) => process.stdout.write(JSON.stringify(all)));
"""


def fetch(gateway, target, options, count=1):
    what = json.dumps([f"http://{gateway.address}{target}", options, count])
    done = subprocess.run(["node", "-e", FETCH, "--", what], capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs("node")
@pytest.mark.parametrize("options, request_of", [
    ({"method": "DELETE"}, ("DELETE", DELETE)),
    ({"method": "delete"}, ("DELETE", DELETE)),  # fetch writes known methods in capitals
    ({"method": "DELETE", "headers": {"Content-Type": "application/json"}}, ("DELETE", DELETE)),
    ({"method": "DELETE", "keepalive": True, "cache": "no-store"}, ("DELETE", DELETE)),
    ({"method": "POST", "body": BODY.decode()},
     ("POST", CREATE, BODY, "text/plain;charset=UTF-8")),
    ({"method": "POST", "body": BODY.decode(), "headers": {"Content-Type": "application/json"}},
     ("POST", CREATE, BODY, "application/json")),
    ({"method": "POST", "stream": BODY.decode()}, ("POST", CREATE, BODY)),
], ids=["DELETE", "delete", "typed", "hints", "text", "JSON", "stream"])
def test_fetch_is_served(gateway, cloud, options, request_of):
    (status, answer), = fetch(gateway, request_of[1], options)
    assert (status, answer["flow_id"]) == (200, "f1")
    arrived(cloud, *request_of)


@needs("node")
def test_fetch_in_parallel_is_served(gateway, cloud):
    assert fetch(gateway, DELETE, {"method": "DELETE"}, 20) == [[200, DELETED]] * 20
    arrived(cloud, count=20)


@needs("node")
def test_fetch_reads_a_refusal(gateway, cloud):
    (status, problem), = fetch(gateway, DELETE, {"method": "DELETE", "body": "[]"})
    assert (status, problem["error_code"]) == (400, "SIGNGATE.BadRequest")
    (status, problem), = fetch(gateway, "/nothing", {})
    assert (status, problem["error_code"]) == (403, "SIGNGATE.UnknownOperation")
    assert cloud.requests == []


# --- Python ---------------------------------------------------------------------------------------

@pytest.fixture
def connection(gateway):
    connection = http.client.HTTPConnection(gateway.address, timeout=30)
    yield connection
    connection.close()


def test_http_client_is_served_on_one_connection(cloud, connection):
    for _ in range(3):
        connection.request("DELETE", DELETE)  # sends Accept-Encoding: identity
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, DELETED)
        assert not answer.will_close
    assert cloud.connections == 1
    arrived(cloud, count=3)


@pytest.mark.parametrize("body", [BODY, BODY.decode("latin-1"), [BODY[:5], BODY[5:]],
                                  iter([BODY[:1], b"", BODY[1:]])],
                         ids=["bytes", "text", "list", "iterator"])
def test_http_client_sends_a_body_without_a_type(cloud, connection, body):
    connection.request("POST", CREATE, body=body)  # one that has no length goes in chunks
    assert connection.getresponse().status == 200
    arrived(cloud, "POST", CREATE, BODY)


def test_http_client_without_a_body_where_one_is_needed_is_refused(cloud, connection):
    connection.request("POST", CREATE)  # sends Content-Length: 0
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Signgate-Error")) == (400, "SIGNGATE.BadRequest")
    answer.read()
    connection.request("POST", CREATE, body=BODY)  # the connection, or a new one, goes on
    assert connection.getresponse().status == 200
    arrived(cloud, "POST", CREATE, BODY)


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def test_urllib_is_served(gateway, cloud):
    request = urllib.request.Request(f"http://{gateway.address}{DELETE}", method="DELETE")
    with OPENER.open(request, timeout=30) as answer:  # sends Connection: close
        assert (answer.status, json.load(answer)) == (200, DELETED)
    arrived(cloud)


def test_urllib_sends_a_body_as_a_form(gateway, cloud):
    with OPENER.open(f"http://{gateway.address}{CREATE}", BODY, timeout=30) as answer:
        assert answer.status == 200
    arrived(cloud, "POST", CREATE, BODY, "application/x-www-form-urlencoded")


def test_urllib_reads_a_refusal(gateway, cloud):
    with pytest.raises(urllib.error.HTTPError) as raised:
        OPENER.open(f"http://{gateway.address}/nothing", timeout=30)
    with raised.value as answer:
        assert answer.code == 403
        assert json.load(answer)["error_code"] == "SIGNGATE.UnknownOperation"
    assert cloud.requests == []


# --- heads of others, as they write them ----------------------------------------------------------

HEADS = {
    "Go": "Host: gw:8080|User-Agent: Go-http-client/1.1|Accept-Encoding: gzip",
    "Go with an empty body": "Host: gw:8080|User-Agent: Go-http-client/1.1|Content-Length: 0|"
                             "Accept-Encoding: gzip",
    "Go that closes": "Host: gw:8080|User-Agent: Go-http-client/1.1|Connection: close",
    "Java": "Content-Type: application/json|User-Agent: Java/17.0.9|Host: gw:8080|"
            "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2|Connection: keep-alive",
    "Java's new client": "Connection: Upgrade, HTTP2-Settings|Content-Length: 0|Host: gw:8080|"
                         "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA|Upgrade: h2c|"
                         "User-Agent: Java-http-client/17.0.9",
    "Apache HttpClient": "Host: gw:8080|Connection: Keep-Alive|"
                         "User-Agent: Apache-HttpClient/4.5.14 (Java/17.0.9)|"
                         "Accept-Encoding: gzip,deflate",
    "OkHttp": "Content-Type: application/json; charset=utf-8|Content-Length: 0|Host: gw:8080|"
              "Connection: Keep-Alive|Accept-Encoding: gzip|User-Agent: okhttp/4.12.0",
    "Netty": "host: gw:8080|content-length: 0|accept: */*|user-agent: ReactorNetty/1.1.0",
    "hyper": "host: gw|accept: */*|accept-encoding: gzip, br",
    "requests": "Host: gw:8080|User-Agent: python-requests/2.31.0|Accept-Encoding: gzip, deflate|"
                "Accept: */*|Connection: keep-alive|Content-Length: 0",
    "Ruby": "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3|Accept: */*|User-Agent: Ruby|"
            "Connection: close|Host: gw:8080",
    "PHP": "Host: gw:8080|Connection: close",
    "only what is needed": "Host: gw",
    "no space behind the colons": "Host:gw|Accept:*/*|Content-Length:0",
    "space around the values": "Host: \t gw \t|Accept:  */*  |Content-Length:\t0 ",
    "an empty value": "Host: gw|Accept-Encoding:|X-Empty: ",
    "capitals": "HOST: gw|ACCEPT: */*|CONTENT-LENGTH: 0|CONNECTION: KEEP-ALIVE",
    "a sidecar": "host: gw:8080|user-agent: app/1|accept: */*|x-forwarded-for: 10.0.0.1|"
                 "x-forwarded-proto: http|x-envoy-expected-rq-timeout-ms: 15000|via: 1.1 envoy|"
                 "x-b3-traceid: 80f198ee56343ba864fe8b2a57d3eff7|forwarded: for=10.0.0.1|"
                 "tracestate: a=1|baggage: user=1|x-request-id: 7a6b5c4d-0000-4000-8000-00000001",
    "a browser": "Host: gw:8080|Connection: keep-alive|Origin: http://gw|Referer: http://gw/|"
                 "sec-ch-ua-mobile: ?0|Sec-Fetch-Mode: cors|Accept-Language: en;q=0.9|"
                 "Cookie: session=1|DNT: 1|Cache-Control: no-cache|Pragma: no-cache|Priority: u=1",
}


def head(method, target, lines, version="1.1"):
    return f"{method} {target} HTTP/{version}\r\n" + lines.replace("|", "\r\n") + "\r\n\r\n"


@pytest.mark.parametrize("lines", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_head_is_served_and_nothing_of_it_sent_on(gateway, cloud, lines, version):
    with gateway.caller() as caller:
        caller.send(head("DELETE", DELETE, lines, version).encode())
        answer = caller.read_answer()
        assert (answer.status, answer.json()) == (200, DELETED)
        assert answer.header("Upgrade") is None
        if "connection: close" in lines.lower():
            caller.assert_closed()
        elif version == "1.1":
            assert caller.request("DELETE", DELETE).status == 200
    arrived(cloud, count=len(cloud.requests))
    assert 1 <= len(cloud.requests) <= 2


def test_a_content_type_with_a_get_is_not_sent_on(gateway, cloud):
    with gateway.caller() as caller:
        caller.send(head("GET", FLOWS, HEADS["Java"]).encode())
        assert caller.read_answer().status == 200
    arrived(cloud, "GET", FLOWS)


@pytest.mark.parametrize("lines, kind", [
    ("Host: gw|User-Agent: Go-http-client/1.1|Content-Length: {length}|"
     "Content-Type: application/json|Accept-Encoding: gzip", "application/json"),
    ("content-type: application/json; charset=utf-8|content-length: {length}|host: gw",
     "application/json; charset=utf-8"),
    ("CONTENT-LENGTH:{length}|HOST:gw", None),
    ("Host: gw|Content-Length: {length}|Content-Encoding: identity", None),
], ids=["Go", "lower case", "capitals", "coding"])
def test_a_body_with_its_length_arrives_whole(gateway, cloud, lines, kind):
    with gateway.caller() as caller:
        caller.send(head("POST", CREATE, lines.format(length=len(BODY))).encode() + BODY)
        assert caller.read_answer().status == 200
        assert caller.request("POST", CREATE, body=BODY,
                              headers=[("Content-Type", kind)] if kind else []).status == 200
    arrived(cloud, "POST", CREATE, BODY, kind, count=2)


@pytest.mark.parametrize("sizes", [[len(BODY)], [1] * len(BODY), [7, len(BODY) - 7]],
                         ids=["one", "bytes", "two"])
@pytest.mark.parametrize("size_format", ["{:x}", "{:X}", "{:04x}"])
@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in pieces"])
def test_a_body_in_chunks_arrives_whole(gateway, cloud, sizes, size_format, whole):
    pieces, at = [], 0
    for size in sizes:
        pieces.append(size_format.format(size).encode() + b"\r\n" + BODY[at:at + size] + b"\r\n")
        at += size
    pieces = [head("POST", CREATE, "Host: gw|User-Agent: Go-http-client/1.1|"
                   "Transfer-Encoding: chunked|Accept-Encoding: gzip").encode(), *pieces,
              b"0\r\n\r\n"]
    with gateway.caller() as caller:
        for piece in [b"".join(pieces)] if whole else pieces:
            caller.send(piece)
        assert caller.read_answer().status == 200
        assert caller.request("POST", CREATE, body=BODY).status == 200
    arrived(cloud, "POST", CREATE, BODY, count=2)


def test_a_compressed_body_is_not_the_gateways_to_read(gateway, cloud):
    """Content-Encoding is not sent on: the cloud gets the bytes, and says what it makes of them."""
    packed = gzip.compress(BODY)
    with gateway.caller() as caller:
        assert caller.request("POST", CREATE, [("Content-Encoding", "gzip")], packed).status == 200
    arrived(cloud, "POST", CREATE, packed)


@pytest.mark.parametrize("lines", [
    "Host: gw|Content-Length: 2|User-Agent: Go-http-client/1.1",
    "host: gw|transfer-encoding: chunked",
], ids=["length", "chunks"])
def test_a_body_where_none_may_be_is_refused(gateway, cloud, lines):
    with gateway.caller() as caller:
        caller.send(head("DELETE", DELETE, lines).encode())
        assert_refused(gateway, caller.read_answer(), 400, "BadRequest")
    assert cloud.requests == []
