"""The operation the gateway was first built for: DELETE /v1/{project_id}/flows/outputs with its two
query parameters, sent on with its three header parameters, its answers relayed byte for byte."""
import hashlib
import re

import pytest

import cloud as clouds
from caller import render
from gateway import DELETE, OPERATIONS, OUTPUTS, PROJECT
from refusal import UUID7
from wait import until

OWN = {"host", "x-sdk-date", "x-project-id", "authorization", "accept", "user-agent"}


def test_the_three_header_parameters_and_both_query_parameters_arrive(gateway, cloud):
    answer = gateway.ask("DELETE", DELETE)
    assert answer.status == 200
    request, = cloud.requests
    assert request.method == "DELETE"
    assert request.target == f"{OUTPUTS}?flow_id=f1&output_name=playout-a"
    assert re.fullmatch(r"\d{8}T\d{6}Z", request.header("X-Sdk-Date"))
    assert request.header("X-Project-Id") == PROJECT
    assert re.fullmatch(
        rf"SDK-HMAC-SHA256 Access={clouds.ACCESS_KEY}, "
        r"SignedHeaders=host;x-project-id;x-sdk-date, Signature=[0-9a-f]{64}",
        request.header("Authorization"))
    cloud.assert_signed()


def test_nothing_but_the_gateways_own_headers_is_sent(gateway, cloud):
    gateway.ask("DELETE", DELETE, headers=[
        ("Authorization", "SDK-HMAC-SHA256 Access=x, SignedHeaders=x-sdk-date, Signature=0"),
        ("X-Auth-Token", "caller-secret"), ("X-Sdk-Date", "20000101T000000Z"),
        ("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD"), ("X-Security-Token", "caller-secret"),
        ("X-Project-Id", "another"), ("X-Domain-Id", "another"), ("Cookie", "caller-secret"),
        ("Content-Type", "application/json"), ("Accept-Encoding", "gzip"), ("Accept", "text/html"),
        ("User-Agent", "curl/7"), ("X-Forwarded-For", "10.0.0.1"), ("X-Request-Id", "mine"),
        ("Connection", "keep-alive, X-Custom"), ("X-Custom", "caller-secret"), ("TE", "trailers"),
        ("Upgrade", "h2c"), ("Range", "bytes=0-1"), ("X-HTTP-Method-Override", "GET")])
    request, = cloud.requests
    assert set(request.names) - {"connection"} == OWN
    assert request.header("Host") == cloud.authority
    assert request.header("Accept") == "application/json"
    assert request.header("User-Agent").startswith("signgate/")
    assert b"caller-secret" not in request.raw_head
    cloud.assert_signed()


@pytest.mark.parametrize("query, sent", [
    ("flow_id=f1&output_name=playout-a", "flow_id=f1&output_name=playout-a"),
    ("output_name=playout-a&flow_id=f1", "flow_id=f1&output_name=playout-a"),
    ("flow_id=%661&output_name=playout%2Da", "flow_id=f1&output_name=playout-a"),
    ("flow_id=a+b&output_name=playout-%2b", "flow_id=a%2Bb&output_name=playout-%2B"),
    ("flow_id=a%20b&output_name=playout-%e6%b5%81", "flow_id=a%20b&output_name=playout-%E6%B5%81"),
    ("flow_id=a/b:c@d&output_name=playout-!$'()*,;",
     "flow_id=a%2Fb%3Ac%40d&output_name=playout-%21%24%27%28%29%2A%2C%3B"),
    ("flow_id=~._-&output_name=playout-%2525", "flow_id=~._-&output_name=playout-%2525"),
])
def test_the_canonical_query_is_judged_recorded_and_sent(gateway, cloud, query, sent):
    answer = gateway.ask("DELETE", f"{OUTPUTS}?{query}")
    assert answer.status == 200, answer
    request, = cloud.requests
    assert request.query == sent
    cloud.assert_signed()
    for event in ("intent", "outcome"):
        record = gateway.wait_record(event=event)
        assert (record["path"], record["query"]) == (OUTPUTS, sent)


@pytest.mark.parametrize("status, body", [
    (200, b'{"flow_id":"f1","output_name":"playout-a"}'),
    (200, b'{ "output_name" : "playout-a",\r\n\t"flow_id":"f1" }\n'),
    (400, b'{"error_code":"LIVE.100011001","error_msg":"Invalid request parameter: flow_id"}'),
    (400, '{"error_msg":"参数错误","error_code":"LIVE.100011001"}'.encode()),
    (401, b'{"error_code":"LIVE.100011003","error_msg":"NO PERMISSION"}'),
    (404, b""),
    (500, b"\x00\xff not json at all \r\n\r\n"),
    (503, b"x" * 100000),
])
def test_answers_are_relayed_byte_for_byte(gateway, cloud, status, body):
    headers = [("Content-Type", "application/json;charset=utf-8"), ("X-Request-Id", "cloud-id-1"),
               ("X-Strange", "a  b;c=\"d\"")]
    cloud.script(clouds.answer(status, body, headers))
    answer = gateway.ask("DELETE", DELETE)
    assert (answer.status, answer.body) == (status, body)
    for name, value in headers:
        assert answer.header(name) == value
    assert UUID7.fullmatch(answer.header("Signgate-Request-Id"))
    assert answer.header("Signgate-Error") is None
    outcome = gateway.wait_record(event="outcome")
    assert outcome["outcome"] == ("success" if status < 400 else "failure")
    assert outcome["status"] == status
    assert outcome["upstream_request_id"] == "cloud-id-1"
    assert outcome["response_bytes"] == len(body)


def test_an_error_code_of_the_cloud_is_recorded(gateway, cloud):
    cloud.script(clouds.answer(400, b'{"error_code":"LIVE.100011001","error_msg":"secret words"}'))
    gateway.ask("DELETE", DELETE)
    outcome = gateway.wait_record(event="outcome")
    assert outcome["upstream_error_code"] == "LIVE.100011001"
    assert "secret words" not in str(gateway.records())


def test_hop_by_hop_headers_cookies_and_imitations_stay_behind(gateway, cloud):
    cloud.script(clouds.raw(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Set-Cookie: a=b\r\nSignGate-Error: SIGNGATE.Denied\r\nSigngate-Request-Id: forged\r\n"
        b"Upgrade: h2c\r\nContent-Length: 2\r\nX-Stays: 1\r\n\r\n{}", then="keep"))
    with gateway.caller() as caller:
        answer = caller.request("DELETE", DELETE)
    assert answer.interim == []
    assert (answer.status, answer.body, answer.header("X-Stays")) == (200, b"{}", "1")
    for name in ("X-Hop", "Keep-Alive", "Set-Cookie", "Signgate-Error", "Upgrade", "Link"):
        assert answer.header(name) is None, name
    assert UUID7.fullmatch(answer.header("Signgate-Request-Id"))


def test_a_chunked_answer_arrives_whole(gateway, cloud):
    body = bytes(range(256)) * 400
    pieces = [body[i:i + 3000] for i in range(0, len(body), 3000)]
    cloud.script(clouds.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n",
        *[b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces], b"0\r\n\r\n", then="keep"))
    with gateway.caller() as caller:
        assert caller.request("DELETE", DELETE).body == body
        assert caller.request("DELETE", DELETE).status == 200  # the connection goes on
    assert cloud.connections == 1


def test_an_answer_that_ends_with_its_connection_arrives_whole(gateway, cloud):
    cloud.script(clouds.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"all of it"))
    assert gateway.ask("DELETE", DELETE).body == b"all of it"
    assert gateway.wait_record(event="outcome")["outcome"] == "success"


def test_an_answer_without_a_body_has_none(gateway, cloud):
    cloud.script(clouds.raw(b"HTTP/1.1 204 No Content\r\n\r\n", then="keep"))
    with gateway.caller() as caller:
        answer = caller.request("DELETE", DELETE)
        assert (answer.status, answer.body, answer.header("Content-Length")) == (204, b"", None)
        assert caller.request("DELETE", DELETE).status == 200


def test_connections_are_kept_on_both_sides(gateway, cloud):
    with gateway.caller() as caller:
        for _ in range(5):
            answer = caller.request("DELETE", DELETE)
            assert answer.status == 200 and not answer.closes
    assert len(cloud.requests) == 5
    assert cloud.connections == 1
    cloud.assert_signed()


def test_pipelined_requests_are_answered_in_order(gateway, cloud):
    with gateway.caller() as caller:
        caller.send(b"".join(render("DELETE", f"{OUTPUTS}?flow_id=f{i}&output_name=playout-a")
                             for i in range(5)))
        flows = [caller.read_answer().json()["flow_id"] for _ in range(5)]
    assert flows == [f"f{i}" for i in range(5)]
    assert len(cloud.requests) == 5


def test_a_request_in_single_bytes_is_the_same_request(gateway, cloud):
    with gateway.caller() as caller:
        for byte in render("DELETE", DELETE):
            caller.send(bytes([byte]))
        assert caller.read_answer().status == 200
    assert len(cloud.requests) == 1


def test_a_closing_caller_is_closed(gateway):
    with gateway.caller() as caller:
        answer = caller.request("DELETE", DELETE, headers=[("Connection", "close")])
        assert answer.status == 200 and answer.closes
        caller.assert_closed()
    with gateway.caller() as caller:
        caller.send(f"DELETE {DELETE} HTTP/1.0\r\nHost: gateway.internal\r\n\r\n".encode())
        assert caller.read_answer().status == 200
        caller.assert_closed()


def test_intent_and_outcome_tell_the_whole_story(gateway, cloud):
    answer = gateway.ask("DELETE", DELETE, headers=[
        ("X-Request-Id", "client-7"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
    request_id = answer.header("Signgate-Request-Id")
    outcome = gateway.wait_record(event="outcome")
    intent, = gateway.find_records(event="intent")
    for record in (intent, outcome):
        expected = {
            "request_id": request_id, "caller": "playout-scheduler", "team": "playout",
            "source_ip": "127.0.0.1", "method": "DELETE", "path": OUTPUTS,
            "query": "flow_id=f1&output_name=playout-a", "action": "live:ott:deleteFlowOutput",
            "access_level": "Write", "resource": "live:cn-north-4::flowOutput:f1/playout-a",
            "project_id": PROJECT, "decision": "allow", "reason": "allowed",
            "policy": "playout-outputs", "statement": "DeleteOwnOutputs", "credential": "live",
            "client_request_id": "client-7", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
        assert {key: record.get(key) for key in expected} == expected
        assert record["policy_revision"] and record["upstream"]
    fingerprint = hashlib.sha256(clouds.ACCESS_KEY.encode()).hexdigest()[:16]
    assert intent["credential_fingerprint"] == fingerprint
    assert (outcome["outcome"], outcome["sent"], outcome["status"]) == ("success", True, 200)
    assert outcome["seq"] > intent["seq"]
    assert outcome["duration_us"] >= outcome["upstream_us"] >= 0
    assert [record["event"] for record in gateway.records()][:2] == ["segment", "start"]
    assert "outcome" not in intent and "sent" not in intent
    assert cloud.requests[0].header("Authorization").rpartition("=")[2] not in str(gateway.records())


def test_the_intent_is_on_disk_before_the_request_leaves(gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        held.wait()
        assert len(gateway.find_records(event="intent")) == 1
        assert gateway.find_records(event="outcome") == []
        held.release()
        assert caller.read_answer().status == 200


def test_each_line_is_chained_to_the_line_before(gateway):
    for _ in range(3):
        assert gateway.ask("DELETE", DELETE).status == 200
    until(lambda: len(gateway.find_records(event="outcome")) == 3, "three outcomes")
    path, = gateway.audit.glob("audit-*.jsonl")
    lines = path.read_bytes().split(b"\n")[:-1]
    records = gateway.records()
    assert [record["seq"] for record in records] == list(range(records[0]["seq"],
                                                               records[0]["seq"] + len(records)))
    for before, record in zip(lines, records[1:]):
        assert record["prev"] == hashlib.sha256(before).hexdigest()


def test_a_body_is_sent_as_it_is_and_signed(gateway, cloud):
    body = '[ {"name":"backup-ü",  "protocol":"srt-caller"} ]'.encode()
    with gateway.caller(OPERATIONS) as caller:
        answer = caller.request("POST", f"{OUTPUTS}?flow_id=f1", body=body,
                                headers=[("Content-Type", "application/json;charset=utf8")])
        assert answer.status == 200
        caller.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"5\r\n[1,2,\r\n2\r\n3]\r\n0\r\n\r\n" % f"{OUTPUTS}?flow_id=f2".encode())
        assert caller.read_answer().status == 200
    first, second = cloud.requests
    assert first.body == body
    assert first.header("Content-Type") == "application/json;charset=utf8"
    assert "content-type;" in first.header("Authorization")
    assert second.body == b"[1,2,3]"
    assert second.header("Content-Length") == "7"
    assert second.header("Content-Type") is None
    cloud.assert_signed()
    assert gateway.wait_record(event="intent", query="flow_id=f1")["request_bytes"] == len(body)
    assert "srt-caller" not in str(gateway.records())


def test_expect_gets_its_100_only_when_allowed(gateway, cloud):
    def head(target, body):
        return render("POST", target, [("Expect", "100-continue"),
                                       ("Content-Length", str(len(body)))])
    target = f"{OUTPUTS}?flow_id=f1"
    with gateway.caller(OPERATIONS) as caller:
        caller.send(head(target, b"[]"))
        assert caller.read_head().status == 100
        caller.send(b"[]")
        assert caller.read_answer().status == 200
    with gateway.caller() as caller:  # playout may not create
        caller.send(head(target, b"[]"))
        answer = caller.read_answer()
        assert (answer.status, answer.interim) == (403, [])
    with gateway.caller(OPERATIONS) as caller:  # a body sent without waiting
        caller.send(head(target, b"[]") + b"[]")
        assert caller.read_answer().status == 200
    assert [request.body for request in cloud.requests] == [b"[]", b"[]"]


def test_a_security_token_is_sent_and_signed(new_gateway, cloud):
    gateway = new_gateway(cloud)
    gateway.credential["security_token"] = "token+of/a==temporary-key"
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    request, = cloud.requests
    assert request.header("X-Security-Token") == "token+of/a==temporary-key"
    cloud.assert_signed()
    gateway.wait_record(event="outcome")
    assert "temporary-key" not in gateway.said() + str(gateway.records())


def test_a_credential_may_come_from_the_environment(new_gateway, cloud):
    gateway = new_gateway(cloud, credentials=[{"name": "live", "source": "environment"}])
    gateway.environment = {"HUAWEICLOUD_SDK_AK": "AKFROMENVIRONMENT",
                           "HUAWEICLOUD_SDK_SK": "sk-from-environment"}
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    cloud.assert_signed("AKFROMENVIRONMENT", "sk-from-environment")


def test_many_callers_at_once_each_get_their_own_answer(new_gateway, cloud):
    import threading
    gateway = new_gateway(cloud, workers=2).start()
    wrong = []

    def call(number):
        with gateway.caller() as caller:
            for i in range(25):
                name = f"playout-{number}-{i}"
                answer = caller.request("DELETE", f"{OUTPUTS}?flow_id=f&output_name={name}")
                if answer.status != 200 or answer.json()["output_name"] != name:
                    wrong.append((name, answer))
    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cloud.requests) == 200
    cloud.assert_signed()
    until(lambda: len(gateway.find_records(event="outcome")) == 200, "200 outcomes")
    outcomes = {record["request_id"] for record in gateway.find_records(event="outcome")}
    assert outcomes == {record["request_id"] for record in gateway.find_records(event="intent")}
    assert len(outcomes) == 200
