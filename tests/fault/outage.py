"""A gateway whose audit log fails, as its callers and its operator see it, and what must be true when
it is over: whoever was answered 200 has an intent and an outcome, whoever was refused is recorded
and was never sent, and the chain is whole."""
import json
import threading
import time

import cloud as clouds
from auditlog import Log
from caller import render
from gateway import OUTPUTS, PLAYOUT
from preload import Disk
from wait import until

UNAVAILABLE = "SIGNGATE.AuditUnavailable"
DOWN = ("failed", "recovering")
STATES = ("ok", "full", "stalled", "failed", "recovering")
LOADED = 4.0  # so much slower than alone may this machine be


class Outage:
    def __init__(self, gateway, cloud):
        self.gateway = gateway
        self.cloud = cloud
        cloud.otherwise = clouds.done
        self.disk = Disk(gateway)
        self.answers = {}  # output_name: answer
        self._lock = threading.Lock()
        self._count = 0
        self._held = []
        self._alone = 0

    # --- callers

    def name(self, prefix="playout"):
        with self._lock:
            self._count += 1
            return f"{prefix}-{self._count}"

    def ask(self, caller=None, source=PLAYOUT, padding=0):
        """Delete an output of a name of its own; the answer is kept."""
        name = self.name() + "x" * padding
        target = f"{OUTPUTS}?flow_id=f1&output_name={name}"
        if caller is not None:
            answer = caller.request("DELETE", target)
        else:
            answer = self.gateway.ask("DELETE", target, source=source)
        with self._lock:
            self.answers[name] = answer
        assert answer.status == 200 or is_unavailable(answer), answer
        return answer

    def deny(self, source=PLAYOUT):
        """Ask for what policy denies."""
        name = self.name("news")
        answer = self.gateway.ask("DELETE", f"{OUTPUTS}?flow_id=f1&output_name={name}",
                                  source=source)
        assert answer.status == 403 or is_unavailable(answer), answer
        with self._lock:
            self.answers[name] = answer
        return answer

    def hold(self):
        """A call that waits at the cloud; let_go ends it."""
        held = clouds.Held(clouds.done)
        self.cloud.script(held)
        name = self.name()
        caller = self.gateway.caller()
        caller.send(render("DELETE", f"{OUTPUTS}?flow_id=f1&output_name={name}"))
        held.wait()
        self._held.append((held, caller, name))

    def let_go(self):
        """What was held is answered, whatever the log is like."""
        for held, caller, name in self._held:
            held.release()
            with caller:
                self.answers[name] = caller.read_answer()
            assert self.answers[name].status == 200, self.answers[name]
        self._held.clear()

    # --- states

    def state(self):
        """The state that /metrics and /readyz agree on."""
        text = self.gateway.admin("/metrics").body.decode()
        values = {name: int(text.partition(f'signgate_audit_state{{state="{name}"}} ')[2]
                            .partition("\n")[0]) for name in STATES}
        assert sum(values.values()) == 1, values
        return max(values, key=values.get)

    def wait_state(self, *states):
        return until(lambda: (now := self.state()) in states and now,
                     lambda: f"one of {states}, it is {self.state()}")

    def assert_down(self, *states):
        """The operator sees it, the process lives, and nobody gets through."""
        self.wait_state(*states)
        ready = self.gateway.admin("/readyz")
        assert (ready.status, ready.json()["reasons"]) == (503, ["audit"]), ready
        assert ready.json()["audit"] in states, ready
        assert self.gateway.admin("/healthz").status == 200
        assert self.gateway.metric("signgate_ready") == 0
        for _ in range(3):
            assert is_unavailable(self.ask()), "a request came through"

    def assert_up(self, within):
        """It is well again by itself, in so many seconds from now on."""
        begun = time.monotonic()
        until(lambda: self.state() == "ok", lambda: f"ok; it is {self.state()}:\n"
              + self.gateway.said())
        took = time.monotonic() - begun
        assert took < within * LOADED, f"it took {took:.1f} s"
        ready = self.gateway.admin("/readyz")
        assert (ready.status, ready.json()["audit"]) == (200, "ok"), ready
        assert self.ask().status == 200, "it says ok and refuses"

    def failures(self):
        return int(self.gateway.metric("signgate_audit_failures_total"))

    def recoveries(self):
        return int(self.gateway.metric("signgate_audit_recoveries_total"))

    def said(self, level="error"):
        """What the log says of the audit log at a level."""
        return [line for line in list(self.gateway.log)
                if line["level"] == level and "audit log" in line["message"]]

    def assert_said_once(self, *words, failures=1):
        """One line for each failure, however many requests it refused."""
        until(lambda: len(self.said()) >= failures, lambda: "a line:\n" + self.gateway.said())
        said = self.said()
        assert len(said) == failures, said
        for word in words:
            assert word in json.dumps(said[-1]), said

    # --- the end

    def judge(self, stops=True):
        """Everything that must be true when it is over; the log."""
        self.let_go()
        if stops:
            assert self.gateway.stop() == 0, self.gateway.said()
        log = Log(self.gateway.audit)
        assert not log.problems, log.problems
        assert not log.torn
        self.gateway.verify_audit()
        by_name = {record["query"].rpartition("=")[2]: record for record in log.intents.values()}
        assert len(by_name) == len(log.intents)
        seen = {request.target.rpartition("=")[2] for request in self.cloud.requests}
        assert seen <= set(by_name), f"sent without an intent: {seen - set(by_name)}"
        refused = {record["request_id"]: record for record in log.records
                   if record["event"] in ("rejected", "denied") and "request_id" in record}
        missing = 0
        for name, answer in self.answers.items():
            intent = by_name.get(name)
            request_id = answer.header("Signgate-Request-Id")
            if answer.status == 200:
                assert name in seen and intent is not None
                outcome = log.outcomes[request_id]
                assert (outcome["outcome"], outcome["status"]) == ("success", 200), outcome
                continue
            assert name not in seen, f"answered {answer.status}, and sent: {name}"
            if intent is not None:
                outcome = log.outcomes[request_id]
                assert (outcome["outcome"], outcome["sent"], outcome["status"]) == (
                    "failure", False, answer.status), outcome
                assert outcome["reason"] == UNAVAILABLE, outcome
            elif request_id in refused:
                assert refused[request_id]["status"] in (answer.status, 403)
            else:
                missing += 1
        summed = sum(record["count"] for record in log.find(event="rejected") if "count" in record)
        assert missing == summed, f"{missing} refusals are not recorded, {summed} are summed"
        assert not log.open_intents, log.open_intents
        return log

    def segments(self):
        return sorted(self.gateway.audit.glob("audit-*.jsonl"))


def is_unavailable(answer):
    """Whether this is the answer to whom the audit log is not at hand for; all of it."""
    if answer.status != 503:
        return False
    assert answer.header("Signgate-Error") == UNAVAILABLE, answer
    assert int(answer.header("Retry-After")) > 0, answer
    body = answer.json()
    assert body["error_code"] == UNAVAILABLE
    assert "audit" in body["detail"], body
    return True


def declared(log, number=-1):
    """What the first line of a segment says of the one before."""
    return log.segments[number].declaration
