"""Each refusal of a well-framed request: status, code, body and record; nothing reaches the cloud,
and the connection it came on stays good."""
import socket

import pytest

import cloud as clouds
from caller import render
from cloud import Cloud
from gateway import (DASHBOARD, DELETE, OPERATIONS, OUTPUTS, PLAYOUT, PROJECT, STRANGER, Gateway,
                     source)
from refusal import assert_only_record, assert_refused

NEWS = f"{OUTPUTS}?flow_id=f1&output_name=news-a"
OTHER_PROJECT = "fedcba9876543210fedcba9876543210"


@pytest.fixture(scope="module")
def shared(program, tmp_path_factory):
    """One gateway for all rows of the tables below."""
    cloud = Cloud()
    gateway = Gateway(program, tmp_path_factory.mktemp("shared"), cloud)
    try:
        yield gateway.start()
    finally:
        gateway.end()
        cloud.stop()


ROWS = [
    # id, team, method, target, status, code, event, fields of the record
    ("unknown caller", STRANGER, "DELETE", DELETE, 401, "UnknownCaller", "rejected", {}),
    ("denied", PLAYOUT, "DELETE", NEWS, 403, "Denied", "denied",
     {"decision": "deny", "reason": "no_matching_allow", "caller": "playout-scheduler",
      "resource": "live:cn-north-4::flowOutput:f1/news-a", "action": "live:ott:deleteFlowOutput"}),
    ("denied explicitly", OPERATIONS, "DELETE", f"/v1/{PROJECT}/flows?flow_id=main-1", 403,
     "Denied", "denied", {"reason": "explicit_deny", "policy": "guard",
                          "statement": "KeepMainFlows"}),
    ("denied by a condition", DASHBOARD, "PUT", f"/v1/{PROJECT}/flows/stop?flow_id=f1", 403,
     "Denied", "denied", {}),
    ("unknown path", PLAYOUT, "DELETE", f"/v1/{PROJECT}/nothing", 403, "UnknownOperation",
     "rejected", {}),
    ("unknown method", PLAYOUT, "PATCH", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("method never heard of", PLAYOUT, "BREW", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("lower-case method", PLAYOUT, "delete", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("HEAD", PLAYOUT, "HEAD", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("OPTIONS", PLAYOUT, "OPTIONS", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("TRACE", PLAYOUT, "TRACE", DELETE, 403, "UnknownOperation", "rejected", {}),
    ("trailing slash", PLAYOUT, "DELETE",
     f"{OUTPUTS}/?flow_id=f1&output_name=playout-a", 400, "BadRequest", "rejected", {}),
    ("trailing slash of nothing", PLAYOUT, "DELETE", f"/v1/{PROJECT}/nothing/", 400,
     "BadRequest", "rejected", {}),
    ("unmapped", OPERATIONS, "GET", f"/v1/{PROJECT}/ott/harvest/task", 403, "UnmappedOperation",
     "rejected", {}),
    ("project not served", PLAYOUT, "DELETE", DELETE.replace(PROJECT, OTHER_PROJECT), 403,
     "ProjectNotServed", "rejected", {}),
    ("unknown query name", PLAYOUT, "DELETE", DELETE + "&extra=1", 400, "BadRequest", "rejected",
     {"caller": "playout-scheduler"}),
    ("query name in another case", PLAYOUT, "DELETE",
     f"{OUTPUTS}?Flow_id=f1&output_name=playout-a", 400, "BadRequest", "rejected", {}),
    ("query name twice", PLAYOUT, "DELETE", DELETE + "&flow_id=f2", 400, "BadRequest", "rejected",
     {}),
    ("query name twice, once encoded", PLAYOUT, "DELETE", DELETE + "&%66low_id=f2", 400,
     "BadRequest", "rejected", {}),
    ("missing parameter", PLAYOUT, "DELETE", f"{OUTPUTS}?flow_id=f1", 400, "BadRequest",
     "rejected", {}),
    ("empty parameter", PLAYOUT, "DELETE", f"{OUTPUTS}?flow_id=&output_name=playout-a", 400,
     "BadRequest", "rejected", {}),
    ("parameter without value", PLAYOUT, "DELETE", f"{OUTPUTS}?flow_id&output_name=playout-a", 400,
     "BadRequest", "rejected", {}),
    ("no query", PLAYOUT, "DELETE", OUTPUTS, 400, "BadRequest", "rejected", {}),
    ("missing body", OPERATIONS, "POST", f"{OUTPUTS}?flow_id=f1", 400, "BadRequest", "rejected",
     {}),
    ("number that is none", OPERATIONS, "GET", f"/v1/{PROJECT}/flows?limit=ten", 400, "BadRequest",
     "rejected", {}),
]


@pytest.mark.parametrize("row", range(len(ROWS)), ids=[row[0] for row in ROWS])
def test_a_refusal_has_its_code_and_its_record(shared, row):
    _, team, method, target, status, code, event, fields = ROWS[row]
    before = len(shared.upstream.requests)
    with shared.caller(source(team, row)) as caller:
        answer = caller.request(method, target)
        if method == "HEAD":
            assert (answer.status, answer.header("Signgate-Error")) == (status, f"SIGNGATE.{code}")
            record = shared.wait_record(request_id=answer.header("Signgate-Request-Id"))
            assert record["reason"] == f"SIGNGATE.{code}"
        else:
            _, record = assert_refused(shared, answer, status, code, event,
                                       source_ip=source(team, row), **fields)
        assert_only_record(shared, record)
        if not answer.closes:  # the connection is as good as new
            again = caller.request("DELETE", NEWS if team != STRANGER else DELETE)
            assert again.header("Signgate-Request-Id") != answer.header("Signgate-Request-Id")
    assert len(shared.upstream.requests) in (before, before + 1)  # operations may delete news
    assert all(request.target == NEWS for request in shared.upstream.requests[before:])


BAD_TARGETS = [
    f"/v1/{PROJECT}/flows/../flows/outputs?flow_id=f1&output_name=playout-a",
    f"/v1/{PROJECT}/flows/./outputs?flow_id=f1&output_name=playout-a",
    f"/v1/{PROJECT}/flows/%2e%2e/outputs?flow_id=f1&output_name=playout-a",
    f"/v1/{PROJECT}//flows/outputs?flow_id=f1&output_name=playout-a",
    f"//v1/{PROJECT}/flows/outputs?flow_id=f1&output_name=playout-a",
    f"/v1/{PROJECT}/flows%2Foutputs?flow_id=f1&output_name=playout-a",
    f"/v1/{PROJECT}/flows%5coutputs?flow_id=f1&output_name=playout-a",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%00",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%0d%0aX-Evil:1",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%7f",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%zz",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%4",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%ff",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%c0%80",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-%ed%a0%80",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a#fragment",
    f"{OUTPUTS}?flow_id=f1&&output_name=playout-a",
    f"{OUTPUTS}?&flow_id=f1&output_name=playout-a",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a&",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a&=x",
    f"v1/{PROJECT}/flows/outputs?flow_id=f1&output_name=playout-a",
    "?flow_id=f1",
    "*",
    "gateway.internal:443",
    f"http://elsewhere.example{DELETE}",
    f"ftp://gateway.internal{DELETE}",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-\"a\"",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-<a>",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a|b",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a\\b",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-\xe4",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a\x7f",
    f"{OUTPUTS}?flow_id=f1&output_name=playout-a\x01",
]


@pytest.mark.parametrize("number", range(len(BAD_TARGETS)))
def test_a_malformed_target_is_refused(shared, number):
    before = len(shared.upstream.requests)
    address = source(PLAYOUT, 300 + number)
    with shared.caller(address) as caller:
        answer = caller.request("DELETE", BAD_TARGETS[number])
    _, record = assert_refused(shared, answer, 400, "BadRequest", source_ip=address)
    assert_only_record(shared, record)
    assert len(shared.upstream.requests) == before


def test_absolute_form_with_the_hosts_own_name_is_served(shared):
    assert shared.ask("DELETE", f"http://Gateway.Internal:80{DELETE}",
                      source=source(PLAYOUT, 400)).status == 200


def test_a_body_where_none_may_be_is_refused(shared):
    before = len(shared.upstream.requests)
    answer = shared.ask("DELETE", DELETE, source=source(PLAYOUT, 401), body=b"{}")
    assert_refused(shared, answer, 400, "BadRequest")
    assert len(shared.upstream.requests) == before


@pytest.mark.parametrize("header", ["Signgate-Dry-Run", "Signgate-Timeout", "signgate-dry-run"])
def test_what_is_not_built_is_refused_by_name(shared, header):
    value = "1" if "ry" in header else "2500ms"
    answer = shared.ask("DELETE", DELETE, source=source(PLAYOUT, 402), headers=[(header, value)])
    body, _ = assert_refused(shared, answer, 400, "BadRequest")
    assert header.lower() in body["detail"].lower()


def test_a_denial_teaches(shared):
    answer = shared.ask("DELETE", NEWS, source=source(PLAYOUT, 403))
    body, _ = assert_refused(shared, answer, 403, "Denied", "denied")
    assert body["caller"] == "playout-scheduler"
    assert body["action"] == "live:ott:deleteFlowOutput"
    assert body["resource"] == "live:cn-north-4::flowOutput:f1/news-a"
    assert body["reason"] == "no_matching_allow"
    assert "live:ott:deleteFlowOutput" in body["would_allow"]
    assert "live:cn-north-4::flowOutput:f1/news-a" in body["would_allow"]
    assert "*" not in body["would_allow"]


def test_an_explicit_denial_names_its_statement_and_offers_nothing(shared):
    answer = shared.ask("DELETE", f"/v1/{PROJECT}/flows?flow_id=main-1",
                        source=source(OPERATIONS, 404))
    body, _ = assert_refused(shared, answer, 403, "Denied", "denied")
    assert (body["policy"], body["statement"]) == ("guard", "KeepMainFlows")
    assert "would_allow" not in body


def test_deny_detail_code_keeps_the_reasons_inside(new_gateway, cloud):
    gateway = new_gateway(cloud, deny_detail="code").start()
    answer = gateway.ask("DELETE", NEWS)
    body, record = assert_refused(gateway, answer, 403, "Denied", "denied")
    assert not {"caller", "action", "resource", "policy", "statement", "reason",
                "would_allow"} & set(body)
    assert record["resource"].endswith("news-a")


@pytest.mark.parametrize("header", ["Authorization", "X-Auth-Token", "X-Sdk-Date",
                                    "X-Security-Token", "X-Project-Id", "x-sdk-content-sha256"])
def test_caller_credentials_can_be_refused(program, work, header):
    cloud = Cloud()
    gateway = Gateway(program, work, cloud, caller_credentials="refuse").start()
    try:
        answer = gateway.ask("DELETE", DELETE, headers=[(header, "something")])
        assert_refused(gateway, answer, 400, "BadRequest")
        assert gateway.ask("DELETE", DELETE).status == 200
        assert len(cloud.requests) == 1
    finally:
        gateway.end()
        cloud.stop()


def test_hosts_select_services(new_gateway, new_cloud):
    one, other = new_cloud(), new_cloud()
    gateway = new_gateway(one, service={"hosts": ["live.internal"]})
    second = dict(gateway.configuration["services"][0], name="second", endpoint=other.url,
                  hosts=["second.internal"])
    gateway.configuration["services"].append(second)
    gateway.start()
    assert gateway.ask("DELETE", DELETE, host="live.internal").status == 200
    assert gateway.ask("DELETE", DELETE, host="LIVE.Internal.:8080").status == 200
    assert gateway.ask("DELETE", DELETE, host="second.internal").status == 200
    assert (len(one.requests), len(other.requests)) == (2, 1)
    for host in ("other.internal", "live.internal.evil", "127.0.0.1"):
        assert_refused(gateway, gateway.ask("DELETE", DELETE, host=host), 421, "UnknownHost")
    assert (len(one.requests), len(other.requests)) == (2, 1)


# --- sizes and times

@pytest.fixture(scope="module")
def small(program, tmp_path_factory):
    """A gateway with small limits and short spans."""
    cloud = Cloud()
    gateway = Gateway(program, tmp_path_factory.mktemp("small"), cloud,
                      limits={"header_bytes": "4KiB", "target_bytes": "1KiB", "headers": 20,
                              "body_bytes": "1KiB", "header_timeout": "1s", "body_timeout": "1s",
                              "idle_timeout": "1s"})
    try:
        yield gateway.start()
    finally:
        gateway.end()
        cloud.stop()


def target_of(size):
    start = f"{OUTPUTS}?flow_id=f1&output_name=playout-"
    return start + "a" * (size - len(start))


def test_a_target_may_be_as_long_as_the_limit_and_no_longer(small):
    assert small.ask("DELETE", target_of(1024)).status == 200
    with small.caller(source(PLAYOUT, 1)) as caller:
        answer = caller.request("DELETE", target_of(1025))
        assert_refused(small, answer, 414, "TargetTooLong")
        caller.assert_closed()
    with small.caller(source(PLAYOUT, 2)) as caller:  # without an end, too
        caller.send(b"DELETE /" + b"a" * 3000)
        assert_refused(small, caller.read_answer(), 414, "TargetTooLong")


def test_headers_may_be_as_large_and_as_many_as_the_limits_and_no_more(small):
    plain = len(render("DELETE", DELETE)) - 2  # the last CRLF ends the head, it is no field's
    fill = 4096 - plain - len("X-Fill: \r\n")
    assert small.ask("DELETE", DELETE, headers=[("X-Fill", "f" * fill)]).status == 200
    with small.caller(source(PLAYOUT, 3)) as caller:
        answer = caller.request("DELETE", DELETE, headers=[("X-Fill", "f" * (fill + 3))])
        assert_refused(small, answer, 431, "HeadersTooLarge")
        caller.assert_closed()
    many = [(f"X-{i}", "1") for i in range(20)]
    assert small.ask("DELETE", DELETE, headers=many[:19]).status == 200
    with small.caller(source(PLAYOUT, 4)) as caller:
        answer = caller.request("DELETE", DELETE, headers=many)
        assert_refused(small, answer, 431, "HeadersTooLarge")
        caller.assert_closed()


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(small):
    target = f"{OUTPUTS}?flow_id=f1"
    before = len(small.upstream.requests)
    assert small.ask("POST", target, source=OPERATIONS, body=b"x" * 1024).status == 200
    with small.caller(source(OPERATIONS, 5)) as caller:
        answer = caller.request("POST", target, body=b"x" * 1025)
        assert_refused(small, answer, 413, "BodyTooLarge")
    with small.caller(source(OPERATIONS, 6)) as caller:  # announced and not sent
        caller.send(render("POST", target, [("Content-Length", "9999999999999999999")]))
        assert_refused(small, caller.read_answer(), 413, "BodyTooLarge")
        caller.assert_closed()
    with small.caller(source(OPERATIONS, 7)) as caller:  # in chunks, without an announcement
        caller.send(render("POST", target, [("Transfer-Encoding", "chunked")]) +
                    b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n")
        assert_refused(small, caller.read_answer(), 413, "BodyTooLarge")
        caller.assert_closed()
    assert len(small.upstream.requests) == before + 1


def test_a_refused_flood_still_gets_its_answer(small):
    with small.caller(source(OPERATIONS, 8)) as caller:
        caller.send(render("POST", f"{OUTPUTS}?flow_id=f1", [("Content-Length", "8000000")]))
        try:
            for _ in range(100):
                caller.send(b"x" * 80000)
        except OSError:
            pass
        assert_refused(small, caller.read_answer(), 413, "BodyTooLarge")


def test_a_slow_head_times_out(small):
    with small.caller(source(PLAYOUT, 9)) as caller:
        caller.send(render("DELETE", DELETE)[:-2])
        assert_refused(small, caller.read_answer(), 408, "RequestTimeout")
        caller.assert_closed()


def test_a_slow_body_times_out(small):
    before = len(small.upstream.requests)
    with small.caller(source(OPERATIONS, 10)) as caller:
        caller.send(render("POST", f"{OUTPUTS}?flow_id=f1", [("Content-Length", "3")]) + b"[1")
        assert_refused(small, caller.read_answer(), 408, "RequestTimeout")
        caller.assert_closed()
    assert len(small.upstream.requests) == before


def test_an_idle_connection_is_closed_without_a_word(small):
    with small.caller() as caller:
        assert caller.request("DELETE", DELETE).status == 200
        caller.assert_closed()


def test_a_caller_that_leaves_is_no_fault(small):
    for cut in (1, 30, -2):
        caller = small.caller(source(PLAYOUT, 11))
        caller.send(render("DELETE", DELETE)[:cut])
        caller.reset()
    caller = small.caller(source(OPERATIONS, 12))
    caller.send(render("POST", f"{OUTPUTS}?flow_id=f1", [("Content-Length", "9")]) + b"[")
    caller.close()
    assert small.ask("DELETE", DELETE).status == 200


# --- no way to the cloud, or none free

def test_a_full_pool_sheds_what_waits_too_long(new_gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    gateway = new_gateway(cloud, service={"pool": {"max_connections": 1},
                                          "timeouts": {"queue": "1s"}}).start()
    with gateway.caller() as first:
        first.send(render("DELETE", DELETE))
        held.wait()
        answer = gateway.ask("DELETE", DELETE)
        assert_refused(gateway, answer, 429, "Overloaded", "outcome", outcome="failure", sent=False)
        assert int(answer.header("Retry-After")) > 0
        held.release()
        assert first.read_answer().status == 200
    assert len(cloud.requests) == 1


def test_an_unreachable_cloud_is_a_502(new_gateway):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gateway = new_gateway(f"http://localhost:{port}").start()
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="failure", sent=False)
    ready = gateway.admin("/readyz")
    assert (ready.status, ready.json()["ready"]) == (200, True)  # the cloud is no matter of ours


def test_a_name_that_does_not_resolve_is_a_502(new_gateway):
    gateway = new_gateway("http://nowhere.invalid:1").start()
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="failure", sent=False)
