"""TLS listeners: who is let in, who is found, and what a reload does to connections that are open."""
import shutil
import socket
import ssl
import subprocess

import pytest

from caller import Caller, render
from cloud import Held
from gateway import DELETE, Gateway, OUTPUTS
from wait import until

SPIFFE = "spiffe://corp.example/ns/live/sa/scheduler"
CERTIFICATE_CALLERS = [
    {"name": "scheduler", "team": "playout", "match": {"certificate": {"san_uri": [SPIFFE]}}},
    {"name": "by-dns", "team": "playout", "match": {"certificate": {"san_dns": ["by-dns"]}}},
]


@pytest.fixture
def files(work, authority):
    """The gateway's own copies, so that a test may change them."""
    certificate, key = authority.issue("localhost")
    home = work / "tls"
    home.mkdir()
    shutil.copy(certificate, home / "gateway.crt")
    shutil.copy(key, home / "gateway.key")
    shutil.copy(authority.certificate, home / "clients.crt")
    return home


@pytest.fixture
def new_tls_gateway(new_gateway, cloud, files):
    def new(client_ca=False, crl=None, **changes):
        tls = {"certificate": str(files / "gateway.crt"), "key": str(files / "gateway.key")}
        if client_ca:
            tls["client_ca"] = str(files / "clients.crt")
        if crl is not None:
            tls["crl"] = str(crl)
        return new_gateway(cloud, listeners=[{"address": "127.0.0.1:0", "tls": tls}],
                           **changes).start()
    return new


def delete(gateway, context, source=None, **more):
    with Caller(gateway.address, source=source, tls=context, **more) as caller:
        return caller.request("DELETE", DELETE)


def is_refused(gateway, context):
    """Whether the handshake fails: with TLS 1.3 the client hears of it when it reads."""
    try:
        with Caller(gateway.address, tls=context) as caller:
            caller.send(render("DELETE", DELETE))
            return caller.socket.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_a_caller_by_source_over_tls(new_tls_gateway, authority, cloud):
    gateway = new_tls_gateway()
    answer = delete(gateway, authority.client_context())
    assert answer.status == 200
    assert len(cloud.requests) == 1
    record = gateway.wait_record(event="intent")
    assert record["source_ip"] == "127.0.0.1"
    assert record["identity"] == "source 127.0.0.1/32"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls(new_tls_gateway, authority, version):
    context = authority.client_context("by-dns")
    context.minimum_version = context.maximum_version = version
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    assert delete(gateway, context).status == 200
    assert gateway.wait_record(event="intent")["identity"] == "certificate DNS by-dns"


def test_a_caller_by_certificate(new_tls_gateway, authority):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    answer = delete(gateway, authority.client_context("scheduler", names=f"URI:{SPIFFE}"))
    assert answer.status == 200
    record = gateway.wait_record(event="intent")
    assert record["caller"] == "scheduler"
    assert record["identity"] == f"certificate URI {SPIFFE}"


def test_a_certificate_that_no_caller_has(new_tls_gateway, authority, cloud):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    answer = delete(gateway, authority.client_context("nobody-here"))
    assert answer.status == 401
    assert answer.json()["error_code"] == "SIGNGATE.UnknownCaller"
    assert answer.header("WWW-Authenticate") is not None
    assert cloud.requests == []


def test_no_certificate_one_of_another_authority_one_that_ended(new_tls_gateway, authority,
                                                                other_authority, cloud):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    stranger = authority.client_context()
    stranger.load_cert_chain(*other_authority.issue("by-dns"))
    ended = authority.client_context()
    ended.load_cert_chain(*authority.issue("by-dns", days=-1))
    for context in (authority.client_context(), stranger, ended):
        start = len(gateway.log)
        assert is_refused(gateway, context)
        line = gateway.wait_log("a caller's TLS handshake failed", start)
        assert line["source_ip"] == "127.0.0.1"
        assert "certificate" in line["detail"]
    assert cloud.requests == []
    assert delete(gateway, authority.client_context("by-dns")).status == 200


def test_a_server_certificate_of_the_same_authority_is_no_client_certificate(
        new_tls_gateway, authority):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    context = authority.client_context()
    context.load_cert_chain(*authority.issue("servers-only", usage="serverAuth"))
    assert is_refused(gateway, context)


def test_a_revoked_certificate(new_tls_gateway, authority, work):
    good, bad = authority.client_context("by-dns"), authority.client_context("revoked-one")
    crl = work / "clients.crl"
    shutil.copy(authority.revocations(), crl)
    callers = CERTIFICATE_CALLERS + [
        {"name": "other", "team": "playout", "match": {"certificate": {"cn": ["revoked-one"]}}}]
    gateway = new_tls_gateway(client_ca=True, crl=crl, callers=callers)
    assert delete(gateway, bad).status == 200
    shutil.copy(authority.revocations("revoked-one"), crl)
    assert gateway.reload()["message"] == "reloaded"
    assert is_refused(gateway, bad)
    assert delete(gateway, good).status == 200


def test_reload_changes_certificate_and_authority_but_no_open_connection(
        new_tls_gateway, authority, other_authority, files):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    old = authority.client_context("by-dns")
    new = other_authority.client_context("by-dns")
    with Caller(gateway.address, tls=old) as open_before:
        assert open_before.request("DELETE", DELETE).status == 200
        certificate, key = other_authority.issue("localhost")
        shutil.copy(certificate, files / "gateway.crt")
        shutil.copy(key, files / "gateway.key")
        shutil.copy(other_authority.certificate, files / "clients.crt")
        assert gateway.reload()["message"] == "reloaded"
        assert delete(gateway, new).status == 200
        assert is_refused(gateway, old)
        assert open_before.request("DELETE", DELETE).status == 200


def test_a_reload_with_a_broken_key_changes_nothing(new_tls_gateway, authority, files):
    gateway = new_tls_gateway()
    context = authority.client_context()
    (files / "gateway.key").write_text("no key\n")
    start = len(gateway.log)
    assert gateway.reload()["message"].startswith("reload refused")
    line = gateway.wait_log("configuration", start)
    assert "private key" in line["text"] and line["line"] > 0
    assert delete(gateway, context).status == 200


def test_a_session_is_resumed_and_keeps_its_caller(new_tls_gateway, authority):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    context = authority.client_context("by-dns")
    with Caller(gateway.address, tls=context) as first:
        assert first.request("DELETE", DELETE).status == 200
        session = first.socket.session
        assert session.has_ticket
    with Caller(gateway.address, tls=context, session=session) as second:
        assert second.request("DELETE", DELETE).status == 200
        assert second.socket.session_reused
    assert [record["caller"] for record in gateway.find_records(event="intent")] == ["by-dns"] * 2


def test_a_resumed_session_is_not_known_after_a_reload(new_tls_gateway, authority):
    gateway = new_tls_gateway(client_ca=True, callers=CERTIFICATE_CALLERS)
    context = authority.client_context("by-dns")
    with Caller(gateway.address, tls=context) as first:
        assert first.request("DELETE", DELETE).status == 200
        session = first.socket.session
    assert gateway.reload()["message"] == "reloaded"
    with Caller(gateway.address, tls=context, session=session) as second:
        assert second.request("DELETE", DELETE).status == 200
        assert not second.socket.session_reused


def test_a_handshake_that_does_not_come(new_tls_gateway):
    gateway = new_tls_gateway(limits={"header_timeout": "200ms"})
    with Caller(gateway.address) as silent:
        silent.assert_closed()
    with Caller(gateway.address) as slow:
        slow.send(b"\x16\x03\x01\x02")
        slow.assert_closed()
    gateway.wait_log("a caller's TLS handshake failed", detail="the TLS handshake took too long")


def test_http_on_a_tls_port_and_garbage(new_tls_gateway, authority):
    gateway = new_tls_gateway()
    for data in (render("DELETE", DELETE), b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 300):
        with Caller(gateway.address) as caller:
            caller.send(data)
            assert b"HTTP" not in caller.read_rest()
    assert delete(gateway, authority.client_context()).status == 200


def test_only_http_1_is_agreed_to(new_tls_gateway, authority):
    gateway = new_tls_gateway()
    context = authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Caller(gateway.address, tls=context) as caller:
        assert caller.socket.selected_alpn_protocol() == "http/1.1"
        assert caller.request("DELETE", DELETE).status == 200
    context.set_alpn_protocols(["h2"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Caller(gateway.address, tls=context)


def test_policies_see_a_secure_transport(new_tls_gateway, authority, files, cloud):
    gateway = new_tls_gateway()
    gateway.configuration["listeners"].append({"address": "127.0.0.1:0"})
    gateway.stop()
    gateway.policies[0]["document"]["Statement"][0]["Condition"] = {
        "Bool": {"g:SecureTransport": "true"}}
    gateway.address = None
    gateway.log.clear()
    gateway.start()
    assert delete(gateway, authority.client_context()).status == 200
    with Caller(gateway.addresses[1]) as plain:
        assert plain.request("DELETE", DELETE).status == 403


def test_a_closing_answer_ends_with_close_notify(new_tls_gateway, authority):
    gateway = new_tls_gateway()
    with Caller(gateway.address, tls=authority.client_context()) as caller:
        caller.send(b"DELETE /v1/x HTTP/1.1\r\nHost : h\r\n\r\n")
        assert caller.read_answer().status == 400
        caller.assert_closed()  # an end without close_notify would be an error of the ssl module


def test_an_error_answer_arrives_while_the_caller_pushes(new_tls_gateway, authority):
    gateway = new_tls_gateway()
    with Caller(gateway.address, tls=authority.client_context()) as caller:
        caller.send(render("POST", OUTPUTS + "?flow_id=f1",
                           [("Content-Length", str(8 << 20)), ("Content-Type", "application/json")]))
        try:
            for _ in range(8 * 16):
                caller.send(b"x" * 65536)
        except (ConnectionError, ssl.SSLError, socket.timeout):
            pass  # the answer is there to be read all the same
        assert caller.read_answer().status == 413


def test_a_caller_that_leaves_is_noticed(new_tls_gateway, authority, cloud):
    held = Held()
    cloud.script(held)
    gateway = new_tls_gateway()
    caller = Caller(gateway.address, tls=authority.client_context())
    caller.send(render("DELETE", DELETE))
    held.wait()
    caller.close()
    until(lambda: gateway.find_records(event="intent"), "the intent")
    held.release()
    record = gateway.wait_record(event="outcome")
    assert record["sent"] is True


def test_check_names_the_file_that_is_wrong(program, work, authority, cloud, files):
    gateway = Gateway(program, work / "g", cloud)
    tls = {"certificate": str(files / "gateway.crt"), "key": str(files / "gateway.key"),
           "client_ca": str(files / "gateway.key"), "crl": None}
    gateway.configuration["listeners"] = [{"address": "127.0.0.1:0", "tls": tls}]
    gateway.write()
    done = subprocess.run([program, "check", "-c", gateway.file], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot load certificates of authorities from" in done.stdout + done.stderr
    assert "signgate.yaml:" in done.stdout + done.stderr
