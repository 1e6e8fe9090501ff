"""SIGHUP: all of the new configuration takes over, or nothing of it does."""
import copy

import pytest

import cloud as clouds
from caller import render
from gateway import DELETE, OUTPUTS
from refusal import assert_refused
from wait import until

NEWS = f"{OUTPUTS}?flow_id=f1&output_name=news-a"


def allow_news(gateway):
    gateway.policies[0]["document"]["Statement"][0]["Resource"].append(
        "live:*:*:flowOutput:*/news-*")


def test_a_good_reload_changes_what_is_allowed_on_open_connections_too(gateway):
    revision = gateway.admin("/readyz").json()["configuration"]
    with gateway.caller() as caller:
        assert caller.request("DELETE", NEWS).status == 403
        allow_news(gateway)
        assert gateway.reload()["message"] == "reloaded"
        assert caller.request("DELETE", NEWS).status == 200
    record = gateway.wait_record(event="reload")
    assert record["policy_revision"]
    start = gateway.wait_record(event="start")
    assert record["policy_revision"] != start["policy_revision"]
    assert gateway.admin("/readyz").json()["configuration"] in (revision,
                                                               record["configuration_revision"])


def broken_effect(gateway):
    gateway.policies[0]["document"]["Statement"][0]["Effect"] = "Perhaps"


def broken_key(gateway):
    gateway.configuration["listerners"] = []


def broken_catalog(gateway):
    gateway.configuration["services"][0]["catalog"] = "missing.yaml"


def broken_credential(gateway):
    del gateway.credential["secret_key"]


def new_listener(gateway):
    gateway.configuration["listeners"] = [{"address": "127.0.0.1:0"}, {"address": "127.0.0.1:0"}]


def new_admin(gateway):
    gateway.configuration["admin"] = {"address": "127.0.0.2:0"}


def new_workers(gateway):
    gateway.configuration["workers"] = 2


def new_audit_directory(gateway):
    gateway.configuration["audit"]["directory"] = str(gateway.directory / "elsewhere")


@pytest.mark.parametrize("change", [broken_effect, broken_key, broken_catalog, broken_credential,
                                    new_listener, new_admin, new_workers, new_audit_directory])
def test_a_bad_reload_changes_nothing_and_says_why(gateway, cloud, change):
    good = gateway.configuration, gateway.policies, gateway.credential
    before = gateway.admin("/readyz").json()
    gateway.configuration, gateway.policies, gateway.credential = (
        copy.deepcopy(part) for part in good)
    allow_news(gateway)
    change(gateway)
    start = len(gateway.log)
    line = gateway.reload()
    assert line["message"].startswith("reload refused"), line
    assert line["level"] == "error" and line["error"]
    mistakes = [entry for entry in gateway.log[start:] if entry["message"] == "configuration"
                and entry["level"] == "error"]
    assert mistakes and all(entry["text"] for entry in mistakes)
    ready = gateway.admin("/readyz")
    assert ready.status == 200
    assert ready.json()["configuration"] == before["configuration"]
    assert ready.json()["reload_error"]
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.ask("DELETE", NEWS).status == 403
    assert gateway.find_records(event="reload") == []
    cloud.assert_signed()
    # Put right again, the next reload is taken and the error is gone.
    gateway.configuration, gateway.policies, gateway.credential = good
    allow_news(gateway)
    assert gateway.reload()["message"] == "reloaded"
    assert "reload_error" not in gateway.admin("/readyz").json()
    assert gateway.ask("DELETE", NEWS).status == 200


@pytest.mark.parametrize("text", ["", "version: [", "version: 1\nversion: 1\n", "\x00", "- a\n"],
                         ids=["empty", "cut", "doubled", "binary", "list"])
def test_a_broken_file_is_refused(gateway, text):
    gateway.file.write_text(text)
    assert gateway.reload_files()["message"].startswith("reload refused")
    assert gateway.ask("DELETE", DELETE).status == 200


def test_a_missing_file_is_refused(gateway):
    gateway.file.unlink()
    assert gateway.reload_files()["message"].startswith("reload refused")
    assert gateway.ask("DELETE", DELETE).status == 200


def test_a_credential_that_others_may_read_is_refused(gateway):
    gateway.write_credential(mode=0o644)
    assert gateway.reload_files()["message"].startswith("reload refused")
    assert gateway.ask("DELETE", DELETE).status == 200


def test_a_rotated_credential_signs_the_next_request(gateway, cloud):
    with gateway.caller() as caller:
        assert caller.request("DELETE", DELETE).status == 200
        cloud.assert_signed()
        cloud.requests.clear()
        gateway.credential = {"access_key": "AKSECOND", "secret_key": "sk-second"}
        assert gateway.reload()["message"] == "reloaded"
        assert caller.request("DELETE", DELETE).status == 200
        cloud.assert_signed("AKSECOND", "sk-second")


def test_a_new_endpoint_gets_the_next_request(gateway, cloud, new_cloud):
    other = new_cloud()
    with gateway.caller() as caller:
        assert caller.request("DELETE", DELETE).status == 200
        gateway.configuration["services"][0]["endpoint"] = other.url
        assert gateway.reload()["message"] == "reloaded"
        assert caller.request("DELETE", DELETE).status == 200
    assert (len(cloud.requests), len(other.requests)) == (1, 1)


def test_a_request_in_flight_ends_as_it_began(gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        held.wait()
        gateway.policies[0]["document"]["Statement"][0]["Resource"] = ["live:*:*:flowOutput:none"]
        assert gateway.reload()["message"] == "reloaded"
        held.release()
        assert caller.read_answer().status == 200
        assert_refused(gateway, caller.request("DELETE", DELETE), 403, "Denied", "denied")
    assert gateway.wait_record(event="outcome")["outcome"] == "success"


def test_many_reloads_under_load_lose_nothing(gateway, cloud):
    with gateway.caller() as caller:
        for number in range(10):
            assert caller.request("DELETE", DELETE).status == 200
            gateway.policies[0]["description"] = f"number {number}"
            assert gateway.reload()["message"] == "reloaded"
    assert len(cloud.requests) == 10
    until(lambda: len(gateway.find_records(event="reload")) == 10, "10 records of reloads")
