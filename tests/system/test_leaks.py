"""The search for secrets, tested: it knows those of each kind, and finds each of them everywhere."""
import base64
import json

import pytest

import cloud as clouds
from caller import Caller, render
from gateway import DELETE, OPERATIONS, OUTPUTS, STRANGER, Gateway
from leaks import BODY_PIECE, FEW, LARGE, Leaks, leaks
from test_tokens import CALLERS, ISSUER, Issuer

TOKEN = "thesecuritytoken" * 4
BODY = json.dumps([{"name": "marked-content-of-a-body", "passphrase": 'qu"ote\\d é'}]).encode()
ANSWER = b'{"passphrase": "of an answer", "name": "marked-content-of-an-answer"}'


# --- what it finds

@pytest.fixture
def fresh():
    return Leaks()


@pytest.mark.parametrize("secret,data", [
    ("s3cr3t-k3y", b"before s3cr3t-k3y behind"),
    ("with \"quotes\" in it", rb'{"a":"with \"quotes\" in it"}'),
    ("a/b+c=d&e=f", b"?x=a%2Fb%2Bc%3Dd%26e%3Df"),
    ("mit é und 流", rb'"mit \u00e9 und \u6d41"'),
    ("mit é und 流", '"mit é und 流"'.encode()),
    (b"\xff\xfe\xfd binary \x01", b"a \xff\xfe\xfd binary \x01 b"),
    ("0f" * 32, b"x" + b"0f" * 32 + b"y"),
    ("0f" * 32, b"ab" * 40 + b"0f" * 32 + b"cd"),
], ids=str)
def test_a_secret_is_found_in_each_form(fresh, secret, data):
    fresh.use("it", secret)
    fresh.keep("here", b"nothing")
    assert fresh.find() == []
    fresh.keep("there", data)
    assert fresh.find() == ["it is in there"]
    with pytest.raises(AssertionError) as failure:
        fresh.check()
    assert str(secret) not in str(failure.value)
    fresh.check()  # told once


def test_what_is_too_short_or_of_one_letter_is_none(fresh):
    fresh.use("it", "short")
    fresh.use_body("it", b"a" * 1000)
    assert fresh.kinds() == set()


def test_a_long_body_is_known_by_its_ends_and_its_middle(fresh):
    body = b"".join(b"%06d " % number for number in range(1000))
    fresh.use_body("a body", body)
    for at in (0, (len(body) - BODY_PIECE) // 2, len(body) - BODY_PIECE):
        fresh.keep("there", body[at:at + BODY_PIECE])
        with pytest.raises(AssertionError):
            fresh.check()
    fresh.keep("there", body[100:100 + BODY_PIECE // 2])
    fresh.check()


def test_many_secrets_are_found_in_much(fresh):
    for number in range(2 * FEW):
        fresh.use(f"number {number}", f"secret-{number:03}-of-many")
    data = bytes(LARGE) + b"secret-secret-007-of-manysecret-123-of-none" + bytes(LARGE)
    fresh.keep("there", data)
    fresh.keep("here", bytes(LARGE) + b"secret-399-of-many")
    fresh.keep("nowhere", bytes(LARGE) + b"secret-399-of-man")
    assert fresh.find() == ["number 7 is in there", "number 399 is in here"]


def test_what_becomes_known_later_is_found(fresh):
    fresh.keep("there", "secret-of-today")
    fresh.check()
    fresh.use("it", "secret-of-today")
    with pytest.raises(AssertionError, match="it is in there"):
        fresh.check()


def test_the_parts_of_a_token_are_secrets_and_its_head_is_none(fresh):
    head, claims, mark = (base64.urlsafe_b64encode(text).decode().rstrip("=") for text in
                          (b'{"alg":"ES256","typ":"JWT"}', b'{"sub":"somebody"}', bytes(range(64))))
    fresh.use_head("a caller", f"GET / HTTP/1.1\r\nauthorization: Bearer {head}.{claims}.{mark}\r\n"
                               .encode())
    for data, found in ((f"{head}.{claims}.{mark}", 3), (claims, 1), (mark, 1), (head, 0)):
        other = Leaks()
        other.use_token("it", f"{head}.{claims}.{mark}")
        other.keep("there", data)
        assert len(other.find()) == min(found, 2), data
    fresh.keep("there", mark)
    with pytest.raises(AssertionError, match="a caller's Authorization"):
        fresh.check()


@pytest.mark.parametrize("field", [
    "Authorization: SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=" + "1a" * 32,
    "X-Auth-Token: " + "1a" * 32, "x-security-token:" + "1a" * 32, "Cookie: " + "1a" * 32,
    "Proxy-Authorization: Basic " + "1a" * 32, "X-Subject-Token: \t" + "1a" * 32,
])
def test_the_credentials_of_a_head_are_secrets(fresh, field):
    fresh.use_head("a caller", f"GET / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n".encode())
    fresh.keep("there", "1a" * 32)
    assert len(fresh.find()) == 1


def test_a_private_key_is_found(fresh, authority):
    _, key = authority.issue("localhost")
    fresh.use_key_file(key)
    lines = key.read_text().splitlines()
    fresh.keep("one line", lines[1])
    fresh.keep("any key", "-----BEGIN PRIVATE KEY-----")
    assert fresh.find() == ["a private key is in one line", "a private key is in any key"]


# --- what the harness knows and looks through

@pytest.fixture
def busy(program, new_cloud, authority, work):
    """A gateway that has met secrets of every kind. Its end is the test's."""
    issuer = Issuer(work / "jwks.json")
    cloud = new_cloud()
    certificate, key = authority.issue("localhost")
    gateway = Gateway(
        program, work / "gateway", cloud,
        listeners=[{"address": "127.0.0.1:0"},
                   {"address": "127.0.0.1:0", "tls": {"certificate": str(certificate),
                                                      "key": str(key)}}],
        callers=CALLERS + [{"name": "operations-console", "team": "operations",
                            "match": {"source": [OPERATIONS]}}],
        token_issuers=[{"issuer": ISSUER, "audience": "signgate", "jwks_file": str(issuer.path)}])
    gateway.credential["security_token"] = TOKEN
    gateway.start()
    cloud.script(clouds.answer(200, ANSWER))
    for headers, body, status in (
            ([("Authorization", f"Bearer {issuer.token()}")], None, 200),
            ([("Authorization", "Bearer " + "no-token-at-all" * 3)], None, 401)):
        assert gateway.ask("DELETE", DELETE, source=STRANGER, headers=headers,
                           body=body).status == status
    target = f"{OUTPUTS}?flow_id=f1"
    assert gateway.ask("POST", target, source=OPERATIONS, body=BODY).status == 200
    assert {request.header("X-Security-Token") for request in cloud.requests} == {TOKEN}
    yield gateway
    if gateway.process.poll() is None:
        gateway.process.kill()
        gateway.process.wait()


def test_secrets_of_every_kind_are_known_and_none_is_seen(busy):
    busy.end()
    assert {"the credential's secret_key", "the credential's access_key",
            "the credential's security_token", "a private key", "a caller's Authorization",
            "a part of a caller's Authorization", "a caller's body", "the cloud's answer",
            "the signature of the gateway's Authorization"} <= leaks.kinds()
    names = {name for name, _ in leaks._artefacts}  # pylint: disable=protected-access
    assert {"the log", "stdout", "/metrics", "/readyz", "an answer with 401", "audit/LOCK",
            "audit/STREAM"} <= names
    assert any(name.startswith("audit/audit-") for name in names)


def secrets_of(cloud_requests):
    signature = cloud_requests[-1].header("Authorization").rpartition("=")[2]
    return {"secret key": clouds.SECRET_KEY, "access key": clouds.ACCESS_KEY, "token": TOKEN,
            "signature": signature, "a body": BODY.decode(), "an answer": ANSWER.decode()}


@pytest.mark.parametrize("kind", ["secret key", "access key", "token", "signature", "a body",
                                  "an answer"])
@pytest.mark.parametrize("place", ["audit", "cursor", "stdout", "stderr", "json log"])
def test_a_planted_secret_fails_the_end(busy, kind, place):
    secret = secrets_of(busy.upstream.requests)[kind]
    assert busy.stop() == 0
    if place == "audit":
        segment = sorted(busy.audit.glob("audit-*.jsonl"))[-1]
        with segment.open("ab") as end:
            end.write(json.dumps({"event": "intent", "detail": secret}).encode())
    elif place == "cursor":
        (busy.audit / "cursor-siem").write_text(secret)
    elif place == "stdout":
        with (busy.directory / "stdout").open("ab") as end:
            end.write(secret.encode())
    elif place == "stderr":
        busy.noise.append(secret)
    else:
        busy.log.append({"message": "x", "detail": secret})
    with pytest.raises(AssertionError, match="a secret is where it must not be"):
        busy.end()


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_a_secret_in_an_admin_answer_fails_the_end(busy, new_cloud, path):
    other = new_cloud()
    other.script(clouds.answer(200, b"before " + clouds.SECRET_KEY.encode()))
    address, busy.admin_address = busy.admin_address, other.authority
    busy.admin(path)
    busy.admin_address = address
    with pytest.raises(AssertionError, match=f"the credential's secret_key is in {path}"):
        busy.end()


def test_a_secret_in_an_answer_of_the_gateway_s_own_fails(busy, new_cloud):
    other = new_cloud()
    other.script(clouds.answer(403, b'{"detail":"%s"}' % TOKEN.encode(), [
        ("Signgate-Error", "SIGNGATE.Denied")]))
    with Caller(other.authority) as caller:
        caller.send(render("GET", "/"))
        assert caller.read_answer().status == 403
    with pytest.raises(AssertionError, match="security_token is in an answer with 403"):
        busy.end()


def test_what_a_module_has_used_stays_secret_until_its_end(gateway):
    leaks.use("it", "secret-of-an-earlier-test")
    leaks.forget()
    gateway.noise.append("secret-of-an-earlier-test")
    with pytest.raises(AssertionError, match="it is in the log"):
        gateway.end()
    gateway.noise.clear()


def test_a_core_that_is_left_fails_the_end(busy):
    assert busy.stop() == 0
    (busy.directory / "core.123").write_bytes(b"")
    with pytest.raises(AssertionError, match="a core was left"):
        busy.end()
