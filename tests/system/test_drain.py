"""SIGTERM and SIGINT: what has begun is served, what is new goes elsewhere, and the process ends."""
import signal

import pytest

import cloud as clouds
from caller import Caller, Closed, Cut, render
from gateway import DELETE
from refusal import assert_refused
from wait import until


def refuses_connections(gateway):
    def refused():
        try:
            gateway.caller().close()
        except ConnectionRefusedError:
            return True
        return False
    until(refused, "new connections to be refused")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_served_to_its_end(gateway, cloud, number):
    held = clouds.Held()
    with gateway.caller() as caller, gateway.caller() as idle:
        assert idle.request("DELETE", DELETE + "b").status == 200
        cloud.script(held)
        caller.send(render("DELETE", DELETE))
        held.wait()
        gateway.signal(number)
        gateway.wait_log("draining")
        refuses_connections(gateway)
        idle.assert_closed()
        assert gateway.process.poll() is None
        held.release()
        answer = caller.read_answer()
        assert answer.status == 200 and answer.closes
        caller.assert_closed()
    assert gateway.wait_exit() == 0
    outcome = gateway.wait_record(event="outcome", query="flow_id=f1&output_name=playout-a")
    assert outcome["outcome"] == "success"
    assert gateway.records()[-1]["event"] == "stop"


def test_a_half_read_request_may_finish(gateway, cloud):
    with gateway.caller() as caller:
        data = render("DELETE", DELETE)
        caller.send(data[:40])
        # The bytes are in the gateway once a later request of another connection is answered.
        assert gateway.ask("DELETE", DELETE + "b").status == 200
        gateway.signal(signal.SIGTERM)
        gateway.wait_log("draining")
        refuses_connections(gateway)
        caller.send(data[40:])
        answer = caller.read_answer()
        assert answer.status == 200 and answer.closes
    assert gateway.wait_exit() == 0
    assert len(cloud.requests) == 2


def test_with_nothing_to_do_it_ends_at_once(gateway):
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_exit() == 0
    assert [record["event"] for record in gateway.records()] == ["segment", "start", "stop"]


def test_during_the_delay_callers_are_served_and_sent_away(new_gateway, cloud):
    gateway = new_gateway(cloud, drain={"delay": "10m"}).start()
    with gateway.caller() as caller:
        assert not caller.request("DELETE", DELETE).closes
        gateway.signal(signal.SIGTERM)
        gateway.wait_log("draining")
        ready = gateway.admin("/readyz")
        assert (ready.status, ready.json()["reasons"]) == (503, ["draining"])
        assert gateway.admin("/healthz").status == 200
        until(lambda: gateway.ask("DELETE", DELETE).closes, "answers that say close")
        answer = caller.request("DELETE", DELETE)
        assert answer.status == 200 and answer.closes
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_exit() == 0


def test_a_second_signal_ends_it_at_once(gateway, cloud):
    cloud.script(clouds.hang)
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        cloud.wait_for(1)
        gateway.signal(signal.SIGTERM)
        gateway.wait_log("draining")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_exit() == 0
        with pytest.raises((Closed, Cut)):
            caller.read_answer()
    outcome = gateway.wait_record(event="outcome")
    assert (outcome["outcome"], outcome["sent"]) == ("unknown", True)


def test_at_the_timeout_the_sent_is_cut_and_the_unsent_is_answered(new_gateway, cloud):
    cloud.script(clouds.hang)
    gateway = new_gateway(cloud, drain={"timeout": "1s"},
                          service={"pool": {"max_connections": 1},
                                   "timeouts": {"queue": "5m"}}).start()
    with gateway.caller() as sent, gateway.caller() as unsent:
        sent.send(render("DELETE", DELETE))
        cloud.wait_for(1)
        unsent.send(render("DELETE", DELETE + "b"))
        gateway.wait_record(event="intent", query="flow_id=f1&output_name=playout-ab")
        gateway.signal(signal.SIGTERM)
        answer = unsent.read_answer()
        assert_refused(gateway, answer, 503, "Draining", "outcome", outcome="failure", sent=False)
        assert answer.header("Retry-After")
        with pytest.raises((Closed, Cut)):
            sent.read_answer()
    assert gateway.wait_exit() == 0
    fates = {record["query"][-1]: record["outcome"]
             for record in gateway.find_records(event="outcome")}
    assert fates == {"a": "unknown", "b": "failure"}


def test_an_admin_listener_lives_as_long_as_the_drain(gateway, cloud):
    held = clouds.Held()
    cloud.script(held)
    with gateway.caller() as caller:
        caller.send(render("DELETE", DELETE))
        held.wait()
        gateway.signal(signal.SIGTERM)
        gateway.wait_log("draining")
        refuses_connections(gateway)
        assert gateway.admin("/readyz").status == 503
        held.release()
        assert caller.read_answer().status == 200
    assert gateway.wait_exit() == 0
    with pytest.raises(OSError):
        Caller(gateway.admin_address)


def test_signals_that_mean_nothing_change_nothing(gateway):
    for number in (signal.SIGUSR1, signal.SIGPIPE, signal.SIGUSR1):
        gateway.signal(number)
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.process.poll() is None
