"""SIGHUP: all of the new configuration takes over, or nothing of it does."""
import copy
import threading

import pytest

import cloud as clouds
import signature
from caller import render
from gateway import DELETE, OUTPUTS, PLAYOUT, source
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


class Load:
    """Callers that do not stop calling until they are told to: every other one keeps its
    connection, the others take a new one for each request. What is not a 200 or, where news are
    asked for, a denial, is wrong."""

    def __init__(self, gateway, count):
        self.gateway = gateway
        self.wrong = []
        self.served = [0] * count
        self.denied = [0] * count
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self):
        """Until each caller has had two more answers: the second was asked for after now."""
        def answers():
            return [sum(pair) for pair in zip(self.served, self.denied)]
        before = answers()
        until(lambda: self.wrong or all(now >= then + 2 for then, now in zip(before, answers())),
              lambda: f"more answers than {before}, there are {answers()}")

    def _run(self, number):
        keeps = number % 2 == 0
        kept = self.gateway.caller() if keeps else None
        try:
            while not self._stopping.is_set():
                news = (self.served[number] + self.denied[number]) % 2 == 1
                caller = kept or self.gateway.caller()
                answer = caller.request("DELETE", NEWS if news else DELETE)
                if answer.status == 200:
                    self.served[number] += 1
                elif news and answer.header("Signgate-Error") == "SIGNGATE.Denied":
                    self.denied[number] += 1
                else:
                    self.wrong.append(answer)
                    break
                if not keeps:
                    caller.close()
        except Exception as error:  # pylint: disable=broad-except
            self.wrong.append(error)
        finally:
            if kept:
                kept.close()


BROKEN = [broken_effect, broken_key, broken_catalog, broken_credential, new_admin]


def test_fifty_reloads_under_load_lose_nothing_and_mix_nothing(new_gateway, cloud):
    """In turn another policy, a configuration that is broken in one way or another and would change
    both, and another credential. After each, the next request is judged and signed as it says."""
    gateway = new_gateway(cloud, workers=2).start()
    denying = copy.deepcopy(gateway.policies)
    allow_news(gateway)
    allowing, gateway.policies = gateway.policies, denying
    pairs = {clouds.ACCESS_KEY: clouds.SECRET_KEY}
    key = clouds.ACCESS_KEY
    good, probes = 0, []
    with Load(gateway, 6) as load:
        for number in range(50):
            configuration, policies, credential = (gateway.configuration, gateway.policies,
                                                   gateway.credential)
            other = allowing if policies is denying else denying
            if number % 3 == 0:
                gateway.policies = other
            elif number % 3 == 1:
                gateway.configuration, gateway.policies = copy.deepcopy((configuration, other))
                gateway.credential = {"access_key": "AKNEVER", "secret_key": "sk-never"}
                BROKEN[number // 3 % len(BROKEN)](gateway)
            else:
                key = f"AKNUMBER{number}"
                pairs[key] = f"sk-number-{number}"
                gateway.credential = {"access_key": key, "secret_key": pairs[key]}
            line = gateway.reload()["message"]
            if number % 3 == 1:
                assert line.startswith("reload refused"), line
                gateway.configuration, gateway.policies, gateway.credential = (
                    configuration, policies, credential)
            else:
                assert line == "reloaded", line
                good += 1
            answer = gateway.ask("DELETE", NEWS.replace("f1", f"probe-{number}"),
                                 source=source(PLAYOUT, number))
            if gateway.policies is allowing:
                assert answer.status == 200, answer
                probes.append((f"flow_id=probe-{number}&", key))
            else:
                assert_refused(gateway, answer, 403, "Denied", "denied")
            load.wait_for_more()
            assert load.wrong == []
    assert load.wrong == []
    served = sum(load.served) + len(probes)
    denied = sum(load.denied) + 50 - len(probes)
    assert min(load.served) > 50 and sum(load.denied) > 0 and 0 < len(probes) < 50
    # Each served once, signed with one whole credential; after a reload with the new one.
    assert len(cloud.requests) == served
    for request in cloud.requests:
        signer = signature.AUTHORIZATION.fullmatch(request.header("Authorization")).group(1)
        found = signature.problems(request, signer, pairs[signer])
        assert not found, (request, found)
    for query, signer in probes:
        request, = [one for one in cloud.requests if one.query.startswith(query)]
        assert f"Access={signer}," in request.header("Authorization")
    # Each has its intent and its outcome, or its denial.
    until(lambda: len(gateway.find_records(event="outcome")) == served, f"{served} outcomes")
    outcomes = [record["request_id"] for record in gateway.find_records(event="outcome")]
    assert sorted(outcomes) == sorted(record["request_id"]
                                      for record in gateway.find_records(event="intent"))
    assert len(set(outcomes)) == served
    sums = [record for record in gateway.find_records(event="rejected") if "count" in record]
    summed = sum(record["reasons"]["no_matching_allow"] for record in sums)
    assert len(gateway.find_records(event="denied")) + summed == denied
    assert len(gateway.find_records(event="reload")) == good
    gateway.verify_audit()
    said = gateway.said() + str(gateway.records())
    assert not any(secret in said for secret in [*pairs.values(), "sk-never"])
