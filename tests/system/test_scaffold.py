"""The tools of the system tests, tested on each other: what they cannot see, no test can."""
import base64
import json
import pathlib
import socket
import ssl
import time

import pytest

import cloud as clouds
import signature
from caller import Caller, Closed, Cut, render
from cloud import Held, Request
from gateway import merge

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "signing.json"


def vectors():
    return [vector for vector in json.loads(VECTORS.read_text())
            if vector["algorithm"] == "SDK-HMAC-SHA256" and not vector["ambiguous"]
            and vector["id"] != "unsigned-payload"]


def signed_request(**changes):
    headers = [("Host", "localhost:1"), ("X-Project-Id", "p")]
    signed = signature.sign("DELETE", "/v1/p/x?b=2&a=1", headers, b"", clouds.ACCESS_KEY,
                            clouds.SECRET_KEY, time.time() + changes.pop("late", 0))
    request = Request("DELETE", "/v1/p/x?b=2&a=1", signed, b"", 0, b"", None)
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def test_the_signature_judge_agrees_with_the_vectors():
    seen = vectors()
    assert len(seen) >= 30
    for vector in seen:
        path = "/" + vector["url"].split("://", 1)[1].partition("/")[2]
        values = {name.lower(): value for name, value in vector["headers"]}
        canonical = signature.canonical_request(vector["method"], path, vector["signed_headers"],
                                                values, base64.b64decode(vector["body"]))
        assert canonical == vector["canonical_request"], vector["id"]
        assert signature.signature_of(canonical, vector["date"],
                                      vector["sk"]) == vector["expected_signature"], vector["id"]


def test_the_signature_judge_accepts_a_right_signature():
    assert signature.problems(signed_request(), clouds.ACCESS_KEY, clouds.SECRET_KEY) == []


@pytest.mark.parametrize("changes", [
    {"method": "GET"},
    {"target": "/v1/p/x?b=2&a=2"},
    {"target": "/v1/p/y?b=2&a=1"},
    {"body": b"x"},
    {"headers": []},
    {"late": -1000},
    {"late": 1000},
], ids=str)
def test_the_signature_judge_sees_each_change(changes):
    assert signature.problems(signed_request(**changes), clouds.ACCESS_KEY, clouds.SECRET_KEY)


def test_the_signature_judge_sees_another_key_and_unsigned_headers():
    request = signed_request()
    assert signature.problems(request, clouds.ACCESS_KEY, "another")
    assert signature.problems(request, "another", clouds.SECRET_KEY)
    request.headers = request.headers + [("Content-Type", "text/plain")]
    assert signature.problems(request, clouds.ACCESS_KEY, clouds.SECRET_KEY)
    request = signed_request()
    request.headers = request.headers + [("Host", "other")]
    assert signature.problems(request, clouds.ACCESS_KEY, clouds.SECRET_KEY)


def test_a_cloud_records_requests_and_keeps_connections(cloud):
    with Caller(cloud.authority) as caller:
        one = caller.request("DELETE", "/v1/p/x?flow_id=f1&output_name=o", host=cloud.authority)
        two = caller.request("POST", "/v1/p/y", body=b"abc", host=cloud.authority)
    assert one.status == two.status == 200
    assert one.body == b'{"flow_id":"f1","output_name":"o"}'
    assert [request.method for request in cloud.requests] == ["DELETE", "POST"]
    assert cloud.requests[1].body == b"abc"
    assert {request.connection for request in cloud.requests} == {0}
    assert cloud.connections == 1
    with pytest.raises(AssertionError):
        cloud.assert_signed()


def test_a_cloud_follows_its_script(cloud):
    cloud.script(clouds.answer(400, b'{"a":1}', [("X-One", "1")]), clouds.reset, clouds.close,
                 clouds.raw(b"garbage"), clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"))
    with Caller(cloud.authority) as caller:
        answer = caller.request("GET", "/")
        assert (answer.status, answer.body, answer.header("x-one")) == (400, b'{"a":1}', "1")
        with pytest.raises(Closed):
            caller.request("GET", "/")
    with Caller(cloud.authority) as caller, pytest.raises(Closed):
        caller.request("GET", "/")
    with Caller(cloud.authority) as caller:
        caller.send(render("GET", "/"))
        assert caller.read_rest() == b"garbage"
    with Caller(cloud.authority) as caller, pytest.raises(Cut):
        caller.request("GET", "/")


def test_a_held_answer_comes_when_it_is_released(cloud):
    held = Held()
    cloud.script(held)
    with Caller(cloud.authority) as caller:
        caller.send(render("GET", "/"))
        held.wait()
        caller.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            caller.socket.recv(1)
        caller.socket.settimeout(30)
        held.release()
        assert caller.read_answer().status == 200


def test_a_hanging_cloud_lets_go_when_the_caller_does(cloud):
    cloud.script(clouds.hang)
    with Caller(cloud.authority) as caller:
        caller.send(render("GET", "/"))
        cloud.wait_for(1)
    assert Caller(cloud.authority).request("GET", "/").status == 200


def test_a_cloud_over_https_shows_its_certificate(new_cloud, authority, other_authority):
    cloud = new_cloud(context=authority.server_context())
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with Caller(cloud.authority, tls=context) as caller:
        assert caller.request("GET", "/").status == 200
    assert cloud.requests[0].server_name == "localhost"
    wrong = ssl.create_default_context(cafile=str(other_authority.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        Caller(cloud.authority, tls=wrong)


@pytest.mark.parametrize("named", [{"days": -1}, {"name": "other.example"}], ids=str)
def test_bad_certificates_are_bad(new_cloud, authority, named):
    cloud = new_cloud(context=authority.server_context(**named))
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        Caller(cloud.authority, tls=context)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
], ids=repr)
def test_a_caller_fails_on_answers_that_are_not_well_formed(cloud, answer):
    cloud.script(clouds.raw(answer))
    with Caller(cloud.authority) as caller, pytest.raises(AssertionError):
        caller.request("GET", "/")


def test_a_caller_reads_chunks_and_interim_answers(cloud):
    cloud.script(clouds.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
                            b"chunked\r\n\r\n3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n", then="keep"))
    with Caller(cloud.authority) as caller:
        answer = caller.request("GET", "/")
    assert (answer.body, answer.interim) == (b"abcde", [100])


def test_a_caller_notices_stray_bytes(cloud):
    cloud.script(clouds.raw(b"HTTP/1.1 204 No\r\n\r\nx"))
    with Caller(cloud.authority) as caller:
        caller.request("GET", "/")
        with pytest.raises(AssertionError):
            caller.assert_closed()


def test_a_caller_calls_from_the_address_it_is_given():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Caller(f"127.0.0.1:{listener.getsockname()[1]}", source="127.0.0.2"):
            connection, peer = listener.accept()
            connection.close()
    assert peer[0] == "127.0.0.2"


def test_configurations_are_merged_deeply():
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merge(base, {"a": {"c": 3}, "d": [2], "e": 4}) == {"a": {"b": 1, "c": 3}, "d": [2],
                                                              "e": 4}
    assert merge(base, {"a": None}) == {"d": [1]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}
