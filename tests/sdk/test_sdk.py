"""The vendor's SDK for Node.js through the gateway, unmodified: what its user sees of each kind of
answer. And its signer as a second opinion on ours."""
import json
import os
import subprocess
from urllib.parse import quote

import pytest

import cloud as clouds
from gateway import OUTPUTS, PLAYOUT, PROJECT
from refusal import UUID7

OWN = ["accept", "authorization", "host", "user-agent", "x-project-id", "x-sdk-date"]
FLOW_OUTPUT = {"flow_id": "f1", "output_name": "playout-a"}


def call(sdk, gateway, method="DELETE", query=None, data=None, url="/flows/outputs"):
    what = {"endpoint": f"http://{gateway.address}", "project": PROJECT, "method": method,
            "url": "/v1/{project_id}" + url, "query": FLOW_OUTPUT if query is None else query}
    if data is not None:
        what["data"] = data
    return sdk(what)


def operator_from_here(gateway):
    """Whoever calls is operations: the SDK cannot choose the address it calls from."""
    gateway.configuration["callers"] = [
        {"name": "operations-console", "team": "operations", "match": {"source": [PLAYOUT]}}]


def sent_alone(cloud):
    """The one request at the cloud, with nothing of the caller's in it."""
    request, = cloud.requests
    assert b"unused" not in request.raw_head
    assert b"huaweicloud-usdk" not in request.raw_head
    cloud.assert_signed()
    return request


def refused(gateway, result, code, status, event="rejected"):
    """The exception of a refusal of the gateway's own, and its record."""
    exception = result["exception"]
    assert exception["errorCode"] == f"SIGNGATE.{code}"
    assert exception["httpStatusCode"] == status
    assert UUID7.fullmatch(exception["requestId"])
    assert exception["errorMsg"]
    record = gateway.wait_record(request_id=exception["requestId"], event=event)
    assert record["status"] == status
    return exception, record


def test_an_output_is_deleted(sdk, gateway, cloud):
    result = call(sdk, gateway)
    assert result == {"answer": {**FLOW_OUTPUT, "httpStatusCode": 200}}
    request = sent_alone(cloud)
    assert request.target == f"{OUTPUTS}?flow_id=f1&output_name=playout-a"
    assert sorted(set(request.names) - {"connection"}) == OWN  # no Content-Type without a body
    assert gateway.wait_record(event="outcome")["outcome"] == "success"


def test_values_that_need_escaping_arrive(sdk, gateway, cloud):
    query = {"flow_id": "a b/c+d?e", "output_name": "playout-é流😀%2F"}
    assert call(sdk, gateway, query=query)["answer"] == {**query, "httpStatusCode": 200}
    sent_alone(cloud)


def test_a_list_comes_with_query_and_without_body(sdk, new_gateway, cloud):
    gateway = new_gateway(cloud)
    operator_from_here(gateway)
    gateway.start()
    cloud.script(clouds.answer(200, b'{"total":0,"flows":[]}',
                               [("Content-Type", "application/json")]))
    result = call(sdk, gateway, "GET", {"limit": 10, "offset": 0}, url="/flows")
    assert result["answer"] == {"total": 0, "flows": [], "httpStatusCode": 200}
    assert sent_alone(cloud).target == f"/v1/{PROJECT}/flows?limit=10&offset=0"


def test_a_body_arrives_as_the_sdk_wrote_it(sdk, new_gateway, cloud):
    gateway = new_gateway(cloud)
    operator_from_here(gateway)
    gateway.start()
    data = [{"name": "backup-ü", "protocol": "srt-caller", "latency": 1.5, "on": True}]
    result = call(sdk, gateway, "POST", {"flow_id": "f1"}, data)
    assert result["answer"]["httpStatusCode"] == 200
    request = sent_alone(cloud)
    assert request.body == json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    assert request.header("Content-Type") == "application/json"
    assert sorted(set(request.names) - {"connection"}) == sorted(
        OWN + ["content-type", "content-length"])


def test_a_refusal_of_the_cloud_is_the_clouds(sdk, gateway, cloud):
    cloud.script(clouds.answer(
        400, b'{"error_code":"LIVE.100011001","error_msg":"Invalid request parameter: flow_id"}',
        [("Content-Type", "application/json"), ("X-Request-Id", "0123456789abcdef")]))
    assert call(sdk, gateway)["exception"] == {
        "class": "ClientRequestException", "name": "ClientRequestException",
        "errorCode": "LIVE.100011001", "errorMsg": "Invalid request parameter: flow_id",
        "httpStatusCode": 400, "requestId": "0123456789abcdef"}
    sent_alone(cloud)


def test_a_denial_says_so(sdk, gateway, cloud):
    result = call(sdk, gateway, query={"flow_id": "f1", "output_name": "news-a"})
    exception, record = refused(gateway, result, "Denied", 403, "denied")
    assert exception["class"] == "ClientRequestException"
    assert record["caller"] == "playout-scheduler"
    assert cloud.requests == []


def test_an_unknown_caller_is_told(sdk, new_gateway, cloud):
    gateway = new_gateway(cloud, callers=[
        {"name": "elsewhere", "team": "playout", "match": {"source": ["127.1.0.0/16"]}}])
    gateway.start()
    exception, _ = refused(gateway, call(sdk, gateway), "UnknownCaller", 401)
    assert exception["class"] == "ClientRequestException"
    assert cloud.requests == []


def test_an_operation_nobody_knows_is_refused(sdk, gateway, cloud):
    exception, _ = refused(gateway, call(sdk, gateway, url="/nothing"), "UnknownOperation", 403)
    assert exception["class"] == "ClientRequestException"
    assert cloud.requests == []


def test_a_cloud_out_of_reach_is_a_servers_fault(sdk, gateway, cloud):
    cloud.script(clouds.reset)
    exception, _ = refused(gateway, call(sdk, gateway), "Upstream", 502, "outcome")
    assert exception["class"] == "ServerResponseException"


def test_where_credentials_of_callers_are_refused_the_sdk_is_told_why(sdk, new_gateway, cloud):
    gateway = new_gateway(cloud, caller_credentials="refuse").start()
    exception, _ = refused(gateway, call(sdk, gateway), "BadRequest", 400)
    assert "credentials and signatures of a caller are refused" in exception["errorMsg"]
    assert cloud.requests == []


# --- the SDK's signer and ours --------------------------------------------------------------------
#
# Left out by rule, where the SDK's signer is known to be wrong or to be another: paths that its URL
# parser escapes before it does (percent, quotes, space and such), hosts in capitals (it lowers
# them), header names with "_", values with spaces around them, parameters whose order depends on
# UTF-16, bodies that are no JSON.

AK, SK = "AKIDEXAMPLE", "secret+key/of=an-example"
DATE = "20191115T033655Z"
PATHS = [
    "", "/", "/v1", "/v1/", f"/v1/{PROJECT}/flows/outputs", "/a-b_c.d~e", "/v1/x:y@z", "/a,b;c",
    "/a!b$c&d(e)f*g=h+i", "/é/流/outputs", "/v1/😀", "/A/B/C/D/E/F/G/H", "/v1/..a/b..",
]
QUERIES = [
    {}, {"a": "1"}, {"b": "2", "a": "1"}, {"a": ""}, {"a": "with space", "b": " "},
    {"a": "plus+plus", "b": "a=b&c"}, {"reserved": "/:@!$'()*,;?#[]"}, {"unreserved": "aZ09-._~"},
    {"percent": "100%", "already": "%2F%20"}, {"é": "é", "名": "流"}, {"emoji": "😀"},
    {"a": ["3", "1", "2"]}, {"a": ["b a", "b", "B"], "A": "x"}, {"a-": "1", "a/": "2", "a~": "3"},
    {"a.b": "1", "a": "2", "aa": "3", "a1": "4"}, {"quote": '"\\<>^`{|}'},
    {"limit": "10", "offset": "0", "flow_id": "f1", "output_name": "o1"},
    {f"k{number}": "v" * number for number in range(20)},
]
BODIES = [{"a": 1}, [1, 2, 3], {"name": "ü流😀", "list": [None, True, 1.5], "text": 'a"b\\c\n'},
          {}, [{"name": "x" * 5000}]]
HEADERS = [
    {"X-Project-Id": PROJECT}, {"Content-Type": "application/json"},
    {"Content-Type": "application/json;charset=utf8", "X-Project-Id": PROJECT},
    {"X-Security-Token": "gQpj+/==token"},
    {"X-Security-Token": "t", "X-Project-Id": PROJECT, "Content-Type": "application/json"},
    {"X-A": "1", "X-AB": "2", "X-A-B": "3", "x-a1": "4"}, {"X-Inner": "a  b   c"},
    {"X-Punctuation": "a;b=\"c\",d:e"},
]
HOSTS = ["https://live.cn-north-4.myhuaweicloud.com", "https://live.example:8443",
         "http://live.example:8080", "https://127.0.0.1:1"]


def cases():
    """Each list gone through whole, the others varying along."""
    plain = [("DELETE", path, {}, {}, None) for path in PATHS]
    plain += [("GET", "/v1/x", query, {}, None) for query in QUERIES]
    plain += [("POST", "/v1/x", {"a": "1"}, HEADERS[number % 5], body)
              for number, body in enumerate(BODIES)]
    plain += [("PUT", "/v1/x/", {}, headers, {"b": 1}) for headers in HEADERS]
    plain += [(method, f"/v1/{PROJECT}/flows", QUERIES[number + 4], HEADERS[number], None)
              for number, method in enumerate(["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"])]
    return [(HOSTS[number % len(HOSTS)],) + case for number, case in enumerate(plain)]


def address_of(host, path, query):
    """The URL as it stands on the wire."""
    pairs = [(name, one) for name, value in query.items()
             for one in (value if isinstance(value, list) else [value])]
    return host + quote(path, safe="/-._~:@!$&()*+,;=") + ("?" + "&".join(
        quote(name, safe="") + "=" + quote(value, safe="") for name, value in pairs)
        if pairs else "")


def sign_ours(program, directory, case):
    host, method, path, query, headers, data = case
    command = [program, "sign", method, address_of(host, path, query), "--date", DATE, "--output",
               "json"]
    environment = {"HUAWEICLOUD_SDK_AK": AK, "HUAWEICLOUD_SDK_SK": SK}
    for name, value in headers.items():
        if name == "X-Security-Token":
            environment["HUAWEICLOUD_SDK_SECURITY_TOKEN"] = value
        elif name == "X-Project-Id":
            environment["HUAWEICLOUD_SDK_PROJECT_ID"] = value
        else:
            command += ["--header", f"{name}: {value}"]
    if data is not None:
        file = directory / "body"
        file.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        command += ["--body-file", str(file)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_sdks_signer_signs_as_ours_does(sdk, program, tmp_path):
    every = cases()
    assert len(every) >= 50
    theirs = sdk({"ak": AK, "sk": SK, "sign": [
        {"method": method, "endpoint": host + path, "query": query,
         "headers": {**headers, "X-Sdk-Date": DATE}, "data": data}
        for host, method, path, query, headers, data in every]})
    assert len(theirs) == len(every)
    different = []
    for case, signed in zip(every, theirs):
        ours = sign_ours(program, tmp_path, case)
        if ours["authorization"] != signed["Authorization"]:
            different.append((case, ours, signed))
    assert different == []


@pytest.mark.parametrize("change", ["method", "endpoint", "query", "headers", "data"])
def test_the_comparison_sees_each_change(sdk, change):
    """Two signatures are the same only for the same request."""
    request = {"method": "PUT", "endpoint": HOSTS[0] + "/v1/x", "query": {"a": "1"},
               "headers": {"X-Sdk-Date": DATE}, "data": {"b": 1}}
    other = {"method": "POST", "endpoint": HOSTS[0] + "/v1/y", "query": {"a": "2"},
             "headers": {"X-Sdk-Date": DATE, "X-A": "1"}, "data": {"b": 2}}
    one, same, changed = sdk({"ak": AK, "sk": SK, "sign": [
        request, request, {**request, change: other[change]}]})
    assert one == same
    assert one["Authorization"] != changed["Authorization"]
