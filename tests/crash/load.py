"""Callers that work until the gateway is gone, and what must be true of the audit log then.

Each caller has one connection and sends one request after the other, so what it was answered must
be recorded as soon as something that it asked later is: both went to the journal in that order."""
import json
import random
import subprocess
import threading
import time

import cloud as clouds
from auditlog import Log
from caller import Closed, Cut
from gateway import DASHBOARD, OUTPUTS, PLAYOUT, source
from wait import LIMIT_SECONDS, until

UNAVAILABLE = "SIGNGATE.AuditUnavailable"
DENIED_MAX = 8  # of one source within a second; more are summed


class Call:
    def __init__(self, kind, name):
        self.kind = kind  # delete, read, denied
        self.name = name  # output_name, unique
        self.status = None
        self.request_id = None
        self.was_refused = False  # since the audit log was not at hand


class Load:
    """Some callers, and the cloud behind: all that happened in one directory's life."""

    def __init__(self, gateway, cloud, seed, callers=4):
        self.gateway = gateway
        self.cloud = cloud
        cloud.otherwise = clouds.done
        self.seed = seed
        self.caller_count = callers
        self.conversations = []  # lists of calls, in order
        self.faults = []
        self._threads = []

    # --- calling

    def begin(self):
        for number in range(self.caller_count):
            self.conversations.append([])
            thread = threading.Thread(target=self._work, daemon=True,
                                      args=(number, len(self.conversations)))
            self._threads.append(thread)
            thread.start()

    def wait(self):
        """Until every caller has seen its connection end."""
        for thread in self._threads:
            thread.join(LIMIT_SECONDS)
            assert not thread.is_alive(), "a caller still waits for an answer"
        self._threads.clear()
        self.cloud.wait_alone()
        assert not self.faults, self.faults

    def converse(self, kinds):
        """One caller's requests of these kinds, one after the other, as far as it comes."""
        self.conversations.append([])
        conversation = len(self.conversations)
        try:
            with self.gateway.caller() as caller:
                for kind in kinds:
                    if not self._ask(caller, conversation, kind):
                        return False
        except OSError:
            return False
        finally:
            assert not self.faults, self.faults
        return True

    def _work(self, number, conversation):
        chance = random.Random(f"{self.seed} {conversation}")
        reads = number == self.caller_count - 1
        denied = 0
        try:
            caller = self.gateway.caller(source(DASHBOARD if reads else PLAYOUT, number))
        except OSError:
            return
        with caller:
            going_on = True
            while going_on:
                kind = "read" if reads else "delete"
                if denied < DENIED_MAX and chance.random() < 0.1:
                    denied += 1
                    kind = "denied"
                going_on = self._ask(caller, conversation, kind)

    def _ask(self, caller, conversation, kind):
        """One request; False: the gateway is gone."""
        calls = self.conversations[conversation - 1]
        prefix = "news" if kind == "denied" else "playout"
        call = Call(kind, f"{prefix}-{conversation}-{len(calls)}")
        calls.append(call)
        method = "GET" if kind == "read" else "DELETE"
        try:
            answer = caller.request(method, f"{OUTPUTS}?flow_id=f1&output_name={call.name}")
        except (OSError, Closed, Cut):
            return False
        except AssertionError as error:
            self.faults.append(repr(error))
            return False
        call.request_id = answer.header("Signgate-Request-Id")
        call.status = answer.status
        if answer.header("Signgate-Error") == UNAVAILABLE:
            call.was_refused = True  # the disk fails; go on, somewhat slower
            time.sleep(0.005)
        elif answer.status != (403 if kind == "denied" else 200):
            self.faults.append(f"{call.kind} {call.name}: {answer}")
            return False
        return True

    # --- judging

    def _seen(self):
        """The names of the calls that reached the cloud, by method."""
        found = {"DELETE": set(), "GET": set()}
        for request in self.cloud.requests:
            found[request.method].add(request.target.rpartition("=")[2])
        return found

    def judge(self, after_start, keeps_reads):
        """Everything that must be true of the directory as it is now; returns the log. after_start:
        a gateway has started since. keeps_reads: buffered records are there, too."""
        log = self._settled() if after_start else Log(self.gateway.audit)
        seen = self._seen()
        assert not log.problems, log.problems
        self._judge_verify(log, after_start)
        by_name = {record["query"].rpartition("=")[2]: record for record in log.intents.values()}
        assert len(by_name) == len(log.intents)

        missing = seen["DELETE"] - set(by_name)
        assert not missing, f"sent and not in the log: {missing}"
        if keeps_reads:
            missing = seen["GET"] - set(by_name)
            assert not missing, f"sent and not in the log: {missing}"
        for request_id, outcome in log.outcomes.items():
            name = log.intents[request_id]["query"].rpartition("=")[2]
            reached = name in seen["DELETE"] | seen["GET"]
            if outcome["outcome"] == "success":
                assert reached, f"success of what was never sent: {outcome}"
            if outcome.get("sent") is False:
                assert not reached, f"sent, and recorded as not sent: {outcome}"
        sent = {call.name for calls in self.conversations for call in calls
                if call.was_refused} & (seen["DELETE"] | seen["GET"])
        assert not sent, f"refused, and sent: {sent}"
        self._judge_conversations(log, by_name, keeps_reads)
        self._judge_doubt(log)
        return log

    def _settled(self):
        """The log of a gateway that has started: its record of that is the last thing it writes."""
        def settled():
            log = Log(self.gateway.audit)
            last = log.segments[-1].lines
            return not log.torn and any(line.record["event"] == "start" for line in last) and log
        return until(settled, "an end that is whole, behind a start")

    def _judge_conversations(self, log, by_name, keeps_reads):
        refused = {record["request_id"] for record in log.records
                   if record["event"] in ("denied", "rejected") and "request_id" in record}
        for calls in self.conversations:
            later = False  # something that was asked later is recorded
            # Refusals of one source beyond ten a second are summed up, whatever they are for.
            is_summed = any(call.was_refused for call in calls)
            for call in reversed(calls):
                intent = by_name.get(call.name)
                if intent is not None and call.status is not None:
                    assert intent["request_id"] == call.request_id
                    self._judge_outcome(call, log.outcomes.get(call.request_id), later)
                elif call.status is not None and not call.was_refused and not (
                        is_summed and call.kind == "denied") and (
                        later or call.kind == "delete" or call.kind == "read" and keeps_reads):
                    assert call.request_id in refused, (
                        f"answered {call.status} and not in the log: {call.name}")
                later = later or intent is not None or call.request_id in refused

    @staticmethod
    def _judge_outcome(call, outcome, later):
        """later: something that the same caller asked later is recorded."""
        wanted = "failure" if call.was_refused else "success"
        assert not later or outcome is not None and outcome["outcome"] == wanted, (
            f"{call.name} was answered {call.status}, a later call is recorded, and its outcome is "
            f"{outcome}")
        if outcome is not None and outcome["outcome"] != "unknown":
            assert (outcome["outcome"], outcome["status"]) == (wanted, call.status), outcome

    def _judge_verify(self, log, after_start):
        """`audit verify` must say what we have found. Before a start the end may be torn."""
        if not log.segments:
            return
        done = self._run("verify")
        told = json.loads(done.stdout)
        if log.torn and not after_start:
            assert (done.returncode, told["ok"], told["torn_tail"]) == (1, False, True), told
        else:
            assert (done.returncode, told["ok"]) == (0, True), told

    def _judge_doubt(self, log):
        """`audit indoubt` must name exactly the calls that we hold for doubtful."""
        if not log.segments:
            return
        done = self._run("indoubt")
        assert done.returncode in (0, 1), done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        named = sorted(_request_ids(told))
        assert named == sorted(log.in_doubt), (named, log.in_doubt)

    def _run(self, word):
        return subprocess.run(
            [self.gateway.program, "audit", word, str(self.gateway.audit), "--output", "json"],
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


def _request_ids(value):
    """Every request_id, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from _request_ids(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "request_id":
                yield item
            else:
                yield from _request_ids(item)
