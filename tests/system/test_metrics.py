"""/metrics: Prometheus' text format, and figures that are true."""
import re

from gateway import DELETE
from wait import until

SAMPLE = re.compile(r'(signgate_[a-z_]+)(\{[a-z_]+="[^"\\\n]*"\})? ([0-9]+(?:\.[0-9]{6})?)')


def test_the_text_is_well_formed(gateway):
    answer = gateway.admin("/metrics")
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    described, typed, last, seen = set(), {}, None, set()
    assert answer.body.endswith(b"\n")
    for line in answer.body.decode().splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in described
            described.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in described and name not in typed
            typed[name] = kind
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            name = sample.group(1)
            if name not in typed:  # of a histogram
                name = name.rpartition("_")[0]
                assert typed[name] == "histogram"
            assert name == last or name not in seen, f"{name} stands in two groups"
            assert name.endswith("_total") == (typed[name] == "counter")
            assert line.rpartition(" ")[0] not in seen
            seen |= {name, line.rpartition(" ")[0]}
            last = name


def test_figures_follow_what_happens(new_gateway, cloud):
    gateway = new_gateway(cloud, workers=2).start()
    for _ in range(3):
        assert gateway.ask("DELETE", DELETE).status == 200
    with gateway.caller() as caller:
        caller.send(b"DELETE /x HTTP/1.1\r\nHost : h\r\n\r\n")
        assert caller.read_answer().status == 400
    until(lambda: gateway.metric("signgate_requests_total") == 3, "3 requests")
    until(lambda: gateway.metric("signgate_front_refusals_total") == 1, "a refusal")
    assert gateway.metric("signgate_connections_accepted_total") == 4
    assert gateway.metric('signgate_audit_state{state="ok"}') == 1
    assert gateway.metric('signgate_audit_state{state="failed"}') == 0
    assert gateway.metric("signgate_ready") == 1
    with gateway.caller() as idle:
        assert idle.request("DELETE", DELETE).status == 200
        until(lambda: gateway.metric("signgate_connections") == 1, "an open connection")
    until(lambda: gateway.metric("signgate_connections") == 0, "no open connection")
