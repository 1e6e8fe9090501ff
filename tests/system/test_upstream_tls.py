"""https upstreams: only a certificate that is trusted, valid and for that name gets a request."""
import pytest

from gateway import DELETE
from refusal import assert_refused


@pytest.fixture
def trusting(new_gateway, authority):
    def start(cloud, **service):
        return new_gateway(cloud, service={"ca_file": str(authority.certificate),
                                           **service}).start()
    return start


def test_a_good_certificate_gets_the_request(trusting, new_cloud, authority):
    cloud = new_cloud(context=authority.server_context())
    gateway = trusting(cloud)
    with gateway.caller() as caller:
        for _ in range(3):
            assert caller.request("DELETE", DELETE).status == 200
    assert cloud.connections == 1
    assert cloud.requests[0].server_name == "localhost"
    assert cloud.requests[0].header("Host") == cloud.authority
    cloud.assert_signed()


def assert_never_sent(gateway, cloud):
    for _ in range(2):
        answer = gateway.ask("DELETE", DELETE)
        assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="failure", sent=False)
    assert cloud.requests == []
    assert gateway.admin("/readyz").status == 200


def test_a_forged_certificate_gets_nothing(trusting, new_cloud, other_authority):
    cloud = new_cloud(context=other_authority.server_context())
    assert_never_sent(trusting(cloud), cloud)


def test_an_expired_certificate_gets_nothing(trusting, new_cloud, authority):
    cloud = new_cloud(context=authority.server_context(days=-1))
    assert_never_sent(trusting(cloud), cloud)


def test_a_certificate_for_another_name_gets_nothing(trusting, new_cloud, authority):
    cloud = new_cloud(context=authority.server_context(name="other.example"))
    assert_never_sent(trusting(cloud), cloud)


def test_the_systems_trust_does_not_hold_a_stranger(new_gateway, new_cloud, authority):
    cloud = new_cloud(context=authority.server_context())
    assert_never_sent(new_gateway(cloud).start(), cloud)


def test_a_cloud_that_speaks_no_tls_gets_nothing(trusting, cloud):
    gateway = trusting(f"https://{cloud.authority}")
    answer = gateway.ask("DELETE", DELETE)
    assert_refused(gateway, answer, 502, "Upstream", "outcome", outcome="failure", sent=False)
    assert cloud.requests == []
    cloud.faults.clear()  # the greeting was no HTTP


def test_the_reason_is_in_the_log_and_not_in_the_answer(trusting, new_cloud, other_authority):
    cloud = new_cloud(context=other_authority.server_context())
    gateway = trusting(cloud)
    answer = gateway.ask("DELETE", DELETE)
    line = gateway.wait_log("a call to the cloud failed",
                            request_id=answer.header("Signgate-Request-Id"))
    assert "certificate" in line["error"].lower()


def test_a_ca_file_that_is_none_stops_the_start(new_gateway, new_cloud, authority, work):
    broken = work / "broken.crt"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n")
    cloud = new_cloud(context=authority.server_context())
    for path in (broken, work / "missing.crt"):
        gateway = new_gateway(cloud, service={"ca_file": str(path)})
        gateway.write()
        status, said = gateway.run_to_failure()
        assert status == 78
        assert path.name in said
