"""Callers by signed token: the keys of an issuer, and what is never believed."""
import base64
import json
import time

import pytest

from gateway import DELETE, PLAYOUT, STRANGER, source
from wait import until

jwk = pytest.importorskip("jwcrypto.jwk")
jwt = pytest.importorskip("jwcrypto.jwt")

ISSUER = "https://issuer.example"
SUBJECT = "system:serviceaccount:vod:transcoder"
CALLERS = [
    {"name": "transcoder", "team": "playout", "match": {"jwt": {"issuer": ISSUER,
                                                                "subject": SUBJECT}}},
    {"name": "by-source", "team": "playout", "match": {"source": ["127.0.0.1"]}},
]


class Issuer:
    def __init__(self, path):
        self.path = path
        self.key = None
        self.renew("first")

    def renew(self, kid, keep=()):
        """A new key; keep: other keys that stay in the set."""
        self.key = jwk.JWK.generate(kty="EC", crv="P-256", kid=kid)
        self.publish(*keep)

    def publish(self, *others):
        keys = [json.loads(key.export_public()) for key in (self.key, *others)]
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"keys": keys}))
        fresh.rename(self.path)

    def token(self, key=None, alg="ES256", **claims):
        key = key or self.key
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": ["other", "signgate"],
                  "exp": int(time.time()) + 600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.JWT(header={"alg": alg, "kid": key.get("kid"), "typ": "JWT"}, claims=claims)
        token.make_signed_token(key)
        return token.serialize()


@pytest.fixture
def issuer(work):
    return Issuer(work / "jwks.json")


@pytest.fixture
def new_token_gateway(new_gateway, cloud, issuer):
    def new(**changes):
        return new_gateway(cloud, **{"callers": CALLERS, "token_issuers": [
            {"issuer": ISSUER, "audience": "signgate", "jwks_file": str(issuer.path)}],
            **changes}).start()
    return new


def ask(gateway, token, source=STRANGER, scheme="Bearer"):
    return gateway.ask("DELETE", DELETE, source=source,
                       headers=[("Authorization", f"{scheme} {token}")])


def test_a_caller_by_token(new_token_gateway, issuer, cloud):
    gateway = new_token_gateway()
    token = issuer.token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert ask(gateway, token, scheme=scheme).status == 200
    record = gateway.find_records(event="intent")[0]
    assert record["caller"] == "transcoder"
    assert record["identity"] == f"jwt {ISSUER} {SUBJECT}"
    for request in cloud.requests:
        assert token not in str(request.headers)  # it ends at the gateway


def test_a_token_wins_over_the_source(new_token_gateway, issuer):
    gateway = new_token_gateway()
    assert ask(gateway, issuer.token(), source="127.0.0.1").status == 200
    assert gateway.wait_record(event="intent")["caller"] == "transcoder"


def test_a_good_token_of_nobody_leaves_the_other_kinds(new_token_gateway, issuer):
    gateway = new_token_gateway()
    assert ask(gateway, issuer.token(sub="somebody"), source="127.0.0.1").status == 200
    assert gateway.wait_record(event="intent")["caller"] == "by-source"
    assert ask(gateway, issuer.token(sub="somebody")).status == 401


def bad_tokens(issuer):
    stranger = jwk.JWK.generate(kty="EC", crv="P-256", kid="first")
    good = issuer.token()
    head, body, signature = good.split(".")

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    secret = jwk.JWK(kty="oct", k=json.loads(issuer.key.export_public())["x"], kid="first")
    return {
        "ended": issuer.token(exp=int(time.time()) - 61),
        "no end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=int(time.time()) + 120),
        "another audience": issuer.token(aud="somebody"),
        "no audience": issuer.token(aud=None),
        "another issuer": issuer.token(iss="https://else.example"),
        "another key": issuer.token(key=stranger),
        "none": f"{part({'alg': 'none', 'kid': 'first'})}.{body}.",
        "none with a signature": f"{part({'alg': 'none', 'kid': 'first'})}.{body}.{signature}",
        "a secret": issuer.token(key=secret, alg="HS256"),
        "no signature": f"{head}.{body}.",
        "cut": good[:-3],
        "four parts": good + ".x",
        "padded": good + "==",
        "no token": "x",
        "empty": "",
        "another payload": f"{head}.{part({'iss': ISSUER, 'sub': SUBJECT})}.{signature}",
    }


def test_a_token_that_does_not_verify_names_nobody(new_token_gateway, issuer, cloud):
    """Not even where the source would match."""
    gateway = new_token_gateway()
    bad = bad_tokens(issuer)
    for number, (name, token) in enumerate(bad.items()):
        answer = ask(gateway, token, source=source(PLAYOUT, number))
        assert answer.status == 401, name
        assert answer.json()["error_code"] == "SIGNGATE.UnknownCaller", name
        assert answer.header("WWW-Authenticate").startswith("Bearer"), name
        assert not token or token not in answer.body.decode(), name
    assert cloud.requests == []
    until(lambda: len(gateway.find_records(event="rejected")) == len(bad), "a record of each")
    records = gateway.find_records(event="rejected")
    assert all("bearer token" in record["detail"] for record in records)
    assert ask(gateway, issuer.token()).status == 200


def test_two_authorization_fields(new_token_gateway, issuer):
    gateway = new_token_gateway()
    token = issuer.token()
    answer = gateway.ask("DELETE", DELETE, source="127.0.0.1",
                         headers=[("Authorization", f"Bearer {token}"),
                                  ("Authorization", "Basic eDp5")])
    assert answer.status == 401


def test_other_schemes_are_dropped_unread(new_token_gateway):
    gateway = new_token_gateway()
    assert ask(gateway, "Access=a, Signature=b", source="127.0.0.1",
               scheme="SDK-HMAC-SHA256").status == 200
    assert gateway.wait_record(event="intent")["caller"] == "by-source"


def test_without_issuers_a_token_is_dropped_unread(new_gateway, cloud):
    gateway = new_gateway(cloud, callers=CALLERS[1:]).start()
    assert ask(gateway, "not even a token", source="127.0.0.1").status == 200


def test_refusing_credentials_leaves_tokens_that_identify(new_token_gateway, issuer):
    gateway = new_token_gateway(caller_credentials="refuse")
    assert ask(gateway, issuer.token()).status == 200
    assert ask(gateway, "x", source="127.0.0.1", scheme="Basic").status == 400


def test_the_keys_are_read_again_when_the_file_changes(new_token_gateway, issuer):
    gateway = new_token_gateway()
    old = issuer.token()
    old_key = issuer.key
    assert ask(gateway, old).status == 200
    start = len(gateway.log)
    issuer.renew("second", keep=[old_key])
    gateway.wait_log("the keys of token issuers were read again", start)
    assert ask(gateway, issuer.token()).status == 200
    assert ask(gateway, old).status == 200
    start = len(gateway.log)
    issuer.publish()  # the old one is withdrawn: what was in a cache is not good any more
    gateway.wait_log("the keys of token issuers were read again", start)
    until(lambda: ask(gateway, old).status == 401, "the old key to be forgotten")
    assert ask(gateway, issuer.token()).status == 200


def test_a_broken_key_file_leaves_the_last_good_keys(new_token_gateway, issuer):
    gateway = new_token_gateway()
    start = len(gateway.log)
    issuer.path.write_text("{")
    line = gateway.wait_log("keys of a token issuer; the last good ones stay in use", start)
    assert "no JSON" in line["text"]
    assert ask(gateway, issuer.token()).status == 200
    assert gateway.reload()["message"].startswith("reload refused")
    assert ask(gateway, issuer.token()).status == 200
    start = len(gateway.log)
    issuer.publish()
    gateway.wait_log("the keys of token issuers were read again", start)
    assert gateway.reload()["message"] == "reloaded"
    assert ask(gateway, issuer.token()).status == 200


@pytest.mark.parametrize("kty,alg", [("RSA", "RS256"), ("RSA", "PS512"), ("EC", "ES256")])
def test_every_family_of_keys(new_token_gateway, issuer, kty, alg):
    issuer.key = (jwk.JWK.generate(kty="RSA", size=2048, kid="k") if kty == "RSA"
                  else jwk.JWK.generate(kty="EC", crv="P-256", kid="k"))
    issuer.publish()
    gateway = new_token_gateway()
    assert ask(gateway, issuer.token(alg=alg)).status == 200


def test_a_denial_says_how_the_caller_was_found(new_token_gateway, issuer):
    gateway = new_token_gateway()
    answer = gateway.ask("DELETE", DELETE.replace("playout-a", "news-a"), source=STRANGER,
                         headers=[("Authorization", f"Bearer {issuer.token()}")])
    assert answer.status == 403
    assert answer.json()["identity"] == f"jwt {ISSUER} {SUBJECT}"
