"""audit show, tail, indoubt, stats, reconcile: what people and programs learn from the log."""
import calendar
import csv
import errno
import hashlib
import io
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import threading
import time
import unicodedata

import pytest

import cloud as clouds
from caller import Closed, Cut
from gateway import OUTPUTS, PROJECT, STRANGER
from wait import LIMIT_SECONDS, until
from written_log import WrittenLog

TRACES = pathlib.Path(__file__).parent / "traces"
ALLOWED = f"{OUTPUTS}?flow_id=f1&output_name=playout-a"
DENIED = f"{OUTPUTS}?flow_id=f1&output_name=news-a"
DAY = "2026-01-31"


def named(value):
    return " ".join(map(str, value)) if isinstance(value, list) else value


@pytest.fixture
def audit(program):
    """Run `signgate audit ...`: (exit status, standard output, standard error)."""
    def run(*arguments, **environment):
        done = subprocess.run([program, "audit", *map(str, arguments)], capture_output=True,
                              timeout=LIMIT_SECONDS, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "TZ": "UTC", **environment})
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run


@pytest.fixture
def shown(audit):
    """The objects that a word prints with --output json."""
    def run(*arguments):
        status, out, err = audit(*arguments, "--output", "json")
        assert (status, err) == (0, ""), (status, err)
        return [json.loads(line) for line in out.splitlines()]
    return run


@pytest.fixture
def log(work):
    return WrittenLog(work / "log").begin()


@pytest.fixture
def busy(gateway, cloud):
    """A gateway that has allowed, denied, failed, unknown and refused calls behind it."""
    cloud.script(clouds.answer(200, b"{}", [("X-Request-Id", "cloud-1")]),
                 clouds.answer(404, b'{"error_code":"LIVE.103011019"}'), clouds.reset)
    assert gateway.ask("DELETE", ALLOWED, headers=[("X-Request-Id", "mine-1")]).status == 200
    assert gateway.ask("DELETE", ALLOWED).status == 404
    assert gateway.ask("DELETE", ALLOWED).status == 502
    assert gateway.ask("DELETE", DENIED).status == 403
    assert gateway.ask("GET", ALLOWED, source=STRANGER).status == 401
    until(lambda: len(gateway.find_records(event="outcome")) == 3, "three outcomes")
    return gateway


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def rows_of(text):
    head, *rows = text.splitlines()
    assert head.split() == ["TIME", "CALLER", "ACTION", "POLICY", "STATUS", "MS", "REQUEST"]
    for line in text.splitlines():
        assert columns(line) <= 100, line
    return rows


# --- show ----------------------------------------------------------------------------------------

def test_show_joins_intents_and_outcomes(busy, audit, shown):
    status, out, err = audit("show", busy.audit)
    assert (status, err) == (0, "")
    rows = rows_of(out)
    assert len(rows) == 5
    assert [row.split()[1:5] for row in rows] == [
        ["playout-scheduler"[:17], "live:ott:deleteFlowOutput", "allow", "200"],
        ["playout-scheduler"[:17], "live:ott:deleteFlowOutput", "allow", "404"],
        ["playout-scheduler"[:17], "live:ott:deleteFlowOutput", "allow", "502?"],
        ["playout-scheduler"[:17], "live:ott:deleteFlowOutput", "deny", "403"],
        [f"({STRANGER})", "(UnknownCaller)", "-", "401"]]
    entries = shown("show", busy.audit)
    assert len(entries) == 5
    for row, entry in zip(rows, entries):
        assert entry["schema"] == "signgate.audit.show.1"
        assert row.split()[0] == entry["time"][:19] + "+00:00"
        assert row.split()[-1] == entry["request_id"][-8:]
    first = entries[0]
    intent = busy.find_records(event="intent")[0]
    outcome = busy.find_records(event="outcome")[0]
    expected = {**intent, **outcome, "time": intent["time"], "seq": intent["seq"],
                "outcome_time": outcome["time"], "outcome_seq": outcome["seq"],
                "schema": "signgate.audit.show.1"}
    del expected["prev"], expected["crc"]
    assert first == expected
    assert first["upstream_request_id"] == "cloud-1"
    assert first["client_request_id"] == "mine-1"
    assert (first["outcome"], first["sent"]) == ("success", True)


@pytest.mark.parametrize("options, statuses", [
    (["--caller", "playout-scheduler"], [200, 404, 502, 403]),
    (["--caller", "play*"], [200, 404, 502, 403]),
    (["--caller", "nobody"], []),
    (["--team", "playout"], [200, 404, 502, 403]),
    (["--team", "vod", "--team", "playout"], [200, 404, 502, 403]),
    (["--action", "LIVE:OTT:*"], [200, 404, 502, 403]),
    (["--action", "live:ott:deleteFlow"], []),
    (["--decision", "allow"], [200, 404, 502]),
    (["--decision", "deny"], [403]),
    (["--event", "rejected"], [401]),
    (["--event", "intent"], [200, 404, 502]),
    (["--outcome", "unknown"], [502]),
    (["--outcome", "failure", "--outcome", "success"], [200, 404]),
    (["--outcome", "open"], []),
    (["--status", "4xx"], [404, 403, 401]),
    (["--status", "200-299", "--status", "401"], [200, 401]),
    (["--request-id", "mine-1"], [200]),
    (["--request-id", "cloud-1"], [200]),
    (["--since", "1h"], [200, 404, 502, 403, 401]),
    (["--until", "1h"], []),
    (["--since", "2020-01-01T00:00:00+08:00", "--until", "2099-01-01T00:00:00Z"],
     [200, 404, 502, 403, 401]),
    (["--last", "2"], [403, 401]),
    (["--last", "2", "--decision", "allow"], [404, 502]),
    (["--decision", "allow", "--status", "5xx"], [502]),
], ids=named)
def test_show_filters(busy, shown, options, statuses):
    assert [entry["status"] for entry in shown("show", busy.audit, *options)] == statuses


def test_the_end_of_a_request_id_is_enough(busy, shown):
    for entry in shown("show", busy.audit):
        for wanted in (entry["request_id"], entry["request_id"][-8:]):
            assert entry in shown("show", busy.audit, "--request-id", wanted)


def test_events_of_the_gateway_are_shown_when_asked_for(busy, shown, audit):
    busy.stop()
    events = [entry["event"] for entry in shown("show", busy.audit, "--all")]
    assert events[:2] == ["segment", "start"] and events[-1] == "stop"
    assert [entry["event"] for entry in shown("show", busy.audit, "--event", "start", "--event",
                                              "stop")] == ["start", "stop"]
    assert "[start]" in audit("show", busy.audit, "--all")[1]
    assert "[start]" not in audit("show", busy.audit)[1]
    for line in audit("show", busy.audit, "--all")[1].splitlines():
        assert columns(line) <= 100


@pytest.mark.parametrize("options, said", [
    (["--decision", "alow"], 'did you mean "allow"?'),
    (["--event", "intents"], 'did you mean "intent"?'),
    (["--event", "x"], "is one of start, stop"),
    (["--outcome", "sucess"], 'did you mean "success"?'),
    (["--status", "forbidden"], "403, 4xx or 200-299"),
    (["--since", "yesterday"], "2026-01-31T12:00:00Z"),
    (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    (["--last", "0"], "--last is a number from 1"),
    (["--calle", "x"], 'did you mean "--caller"?'),
    (["--output", "csvv"], 'did you mean "csv"?'),
], ids=named)
def test_wrong_words_are_told(log, audit, options, said):
    status, out, err = audit("show", log.directory, *options)
    assert (status, out) == (2, "")
    assert said in err and err.startswith("signgate: ") and err.count("\n") == 1


@pytest.mark.parametrize("word", ["show", "tail", "indoubt", "stats", "reconcile"])
def test_what_is_no_audit_directory_is_told(work, audit, word):
    more = ["--cts", "/dev/null"] if word == "reconcile" else []
    status, out, err = audit(word, work / "nowhere", *more)
    assert (status, out) == (1, "") and f"cannot open the audit directory {work}/nowhere" in err
    status, out, err = audit(word, work, *more)
    assert (status, out) == (1, "")
    assert f"{work} holds no audit log: no file is called audit-*.jsonl\n" in err
    log = WrittenLog(work / "audit").begin()
    status, out, err = audit(word, work, *more)
    assert status == 1 and f"did you mean {work}/audit?" in err
    status, out, err = audit(word, log.path, *more)
    assert status == 1 and "it is a file; name the directory it is in" in err
    status, out, err = audit(word)
    assert status == 2 and "an argument is missing" in err


def test_an_empty_log_says_so(log, audit):
    status, out, err = audit("show", log.directory)
    assert status == 0 and len(out.splitlines()) == 1 and err == "signgate: no record matches\n"
    assert audit("indoubt", log.directory) == (0, "no call is in doubt\n", "")
    assert audit("stats", log.directory)[1].startswith("0 requests\n")


def test_csv_is_for_spreadsheets(log, audit):
    log.add("denied", f"{DAY}T12:00:00.000000Z", caller="=cmd|' /C calc'!A1", team='a,"b"\nc',
            action="+x", reason="-y", detail="@z", status=403)
    log.call(f"{DAY}T12:00:01.000000Z", "r1", caller="plain")
    status, out, err = audit("show", log.directory, "--output", "csv")
    assert (status, err) == (0, "")
    assert out.count("\r\n") == 3
    first, second = csv.DictReader(io.StringIO(out, newline=""))
    assert first["caller"] == "'=cmd|' /C calc'!A1"
    assert first["team"] == 'a,"b"\ufffdc'
    assert (first["action"], first["reason"], first["detail"]) == ("'+x", "'-y", "'@z")
    assert (first["status"], second["status"], second["caller"]) == ("403", "200", "plain")
    assert second["outcome_time"] == f"{DAY}T12:00:01.000000Z"


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_no_byte_of_data_acts_on_a_terminal(log, audit, form):
    evil = "\x1b[2J\x07\r\n\x7f\x9b31m\u202egnp\x00"
    log.add("denied", f"{DAY}T12:00:00.000000Z", caller=evil, action=evil, request_id=evil,
            status=403, surprise=evil)
    log.add("start", f"{DAY}T12:00:00.000000Z", version=evil)
    status, out, err = audit("show", log.directory, "--all", "--output", form)
    assert (status, err) == (0, "")
    ends = "\r\n" if form == "csv" else "\n"
    for character in out.replace(ends, ""):
        assert unicodedata.category(character) != "Cc", repr(out)
    if form == "text":
        assert "\u202e" not in out


def test_summed_refusals_are_one_line_with_their_count(log, audit, shown):
    log.add("rejected", f"{DAY}T12:00:00.000000Z", source_ip="192.0.2.9", count=1234,
            first=f"{DAY}T11:59:59.000000Z", last=f"{DAY}T12:00:00.000000Z",
            reasons={"SIGNGATE.UnknownCaller": 1230, "no_matching_allow": 4})
    row, = rows_of(audit("show", log.directory)[1])
    assert "(192.0.2.9)" in row and "1234 refusals, summed" in row
    entry, = shown("show", log.directory)
    assert entry["count"] == 1234 and entry["reasons"]["no_matching_allow"] == 4
    total, = shown("stats", log.directory)
    assert (total["requests"], total["rejected"]) == (1234, 1234)


def test_times_are_local_with_their_offset_or_utc(log, audit):
    log.call(f"{DAY}T12:00:00.000000Z", "r1")
    row, = rows_of(audit("show", log.directory, TZ="XXX-08")[1])
    assert row.startswith(f"{DAY}T20:00:00+08:00 ")
    row, = rows_of(audit("show", log.directory, "--utc", TZ="XXX-08")[1])
    assert row.startswith(f"{DAY}T12:00:00Z ")
    # What is shown can be given back.
    assert len(rows_of(audit("show", log.directory, "--since", f"{DAY}T20:00:00+08:00")[1])) == 1
    assert not rows_of(audit("show", log.directory, "--since", f"{DAY}T20:00:01+08:00")[1])


def test_segments_in_order_torn_tails_and_bad_lines(log, audit, shown):
    log.call(f"{DAY}T12:00:00.000000Z", "one")
    log.add("intent", f"{DAY}T12:00:01.000000Z", request_id="two")
    log.begin()
    log.add("outcome", f"{DAY}T12:00:02.000000Z", request_id="two", outcome="success", status=200)
    with open(log.path, "ab") as file:
        file.write(b'{"schema":1,"torn')
    log.begin(2, "torn")
    log.call(f"{DAY}T12:00:03.000000Z", "three")
    assert [entry["request_id"] for entry in shown("show", log.directory)] == ["one", "two", "three"]
    with open(log.path, "ab") as file:
        file.write(b"not a line\n")
    status, out, err = audit("show", log.directory)
    assert status == 0 and len(rows_of(out)) == 3
    assert "1 line of" in err and "signgate audit verify" in err


def test_the_last_ones_are_looked_for_from_the_end(work, program, shown):
    """Older segments are not even opened: they cannot be."""
    log = WrittenLog(work / "log")
    for number in range(8):
        log.begin()
        log.call(f"{DAY}T12:00:0{number}.000000Z", f"r{number}")
    first = sorted(log.directory.iterdir())[0]
    first.unlink()
    first.mkdir()
    assert [entry["request_id"] for entry in shown("show", log.directory, "--last", "3")] == [
        "r5", "r6", "r7"]
    done = subprocess.run([program, "audit", "show", log.directory, "--last", "9"], check=False,
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 1 and "it is not a regular file" in done.stderr


def test_since_begins_near_its_time(work, shown):
    """Segments that ended long before are not even opened: they cannot be."""
    log = WrittenLog(work / "log")
    for hour in range(6):
        log.begin(time=f"{DAY}T{10 + hour}:00:00.000000Z")
        log.call(f"{DAY}T{10 + hour}:30:00.000000Z", f"r{hour}")
    first = sorted(log.directory.iterdir())[0]
    first.unlink()
    first.mkdir()
    assert [entry["request_id"] for entry in
            shown("show", log.directory, "--since", f"{DAY}T12:30:00Z")] == ["r2", "r3", "r4", "r5"]
    total, = shown("stats", log.directory, "--since", f"{DAY}T14:00:00Z")
    assert total["requests"] == 2


# --- ends of the pipe ----------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [["show"], ["show", "--output", "json"],
                                       ["show", "--output", "csv"], ["tail", "-f", "--last", "9999"]],
                         ids=named)
def test_a_reader_that_leaves_ends_it_quietly(log, program, arguments):
    for number in range(3000):
        log.call(f"{DAY}T12:00:00.000000Z", f"r{number}")
    process = subprocess.Popen([program, "audit", arguments[0], log.directory, *arguments[1:]],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(LIMIT_SECONDS) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_full_disk_is_no_success(log, program):
    log.call(f"{DAY}T12:00:00.000000Z", "r1")
    for word in ("show", "indoubt", "stats"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program, "audit", word, log.directory], stdout=full, check=False,
                                  stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
        assert done.returncode == 1 and b"cannot write the result" in done.stderr


def on_terminal(arguments, **environment):
    """What a program writes to a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(word) for word in arguments], stdout=slave, stdin=slave,
                               stderr=subprocess.PIPE,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment})
    os.close(slave)
    seen = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError as error:
            assert error.errno == errno.EIO
            break
        if not block:
            break
        seen += block
    os.close(master)
    process.stderr.close()
    assert process.wait(LIMIT_SECONDS) == 0
    return seen.decode()


def test_colour_is_for_terminals_and_never_alone(log, program, audit):
    log.call(f"{DAY}T12:00:00.000000Z", "r1")
    log.call(f"{DAY}T12:00:01.000000Z", "r2", outcome="failure", status=502)
    log.add("denied", f"{DAY}T12:00:02.000000Z", caller="\x1b[31mevil", decision="deny", status=403)
    arguments = [program, "audit", "show", log.directory, "--utc"]
    coloured = on_terminal(arguments)
    assert set(re.findall(r"\x1b\[(\d+)m", coloured)) == {"31", "33", "0"}
    plain = audit("show", log.directory, "--utc")[1]
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured).replace("\r\n", "\n") == plain
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_terminal(arguments, **environment)
    assert "\x1b" in on_terminal(arguments, NO_COLOR="")


# --- tail ----------------------------------------------------------------------------------------

class Tail:
    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, "audit", "tail", *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout),
                                       daemon=True)
        self.reader.start()

    def ids(self):
        return [json.loads(line)["request_id"] for line in list(self.lines)]

    def wait_for(self, ids):
        until(lambda: self.ids() == ids, lambda: f"{ids}: {self.ids()}")

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(LIMIT_SECONDS)
        self.reader.join(LIMIT_SECONDS)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, said


def test_tail_shows_the_last_ten(log, audit):
    for number in range(15):
        log.call(f"{DAY}T12:00:{number:02}.000000Z", f"request-number-{number:02}")
    rows = rows_of(audit("tail", log.directory)[1])
    assert [row.split()[-1] for row in rows] == [f"umber-{number:02}" for number in range(5, 15)]
    assert len(rows_of(audit("tail", log.directory, "--last", "3")[1])) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_tail_follows_over_segments_and_ends_quietly(log, program, number):
    log.call(f"{DAY}T12:00:00.000000Z", "before")
    tail = Tail(program, log.directory, "-f", "--output", "json", "--caller", "playout-*")
    tail.wait_for(["before"])
    log.add("intent", f"{DAY}T12:00:01.000000Z", request_id="open", caller="playout-scheduler")
    log.call(f"{DAY}T12:00:02.000000Z", "one")
    log.call(f"{DAY}T12:00:02.000000Z", "other", caller="somebody")
    tail.wait_for(["before", "one"])
    log.begin()
    log.add("outcome", f"{DAY}T12:00:03.000000Z", request_id="open", caller="playout-scheduler",
            outcome="success", status=200)
    tail.wait_for(["before", "one", "open"])
    log.begin(2, "torn")
    log.call(f"{DAY}T12:00:04.000000Z", "two")
    tail.wait_for(["before", "one", "open", "two"])
    assert tail.end(number) == (0, "")
    joined = json.loads(tail.lines[2])
    assert joined["outcome_time"] == f"{DAY}T12:00:03.000000Z"


def test_tail_follows_a_gateway_and_its_rotations(gateway, program):
    tail = Tail(program, gateway.audit, "-f", "--output", "json")
    expected = []
    for _ in range(3):
        answer = gateway.ask("DELETE", ALLOWED)
        expected.append(answer.header("Signgate-Request-Id"))
        tail.wait_for(expected)
        segments = len(list(gateway.audit.glob("audit-*.jsonl")))
        gateway.signal(signal.SIGUSR1)
        until(lambda: len(list(gateway.audit.glob("audit-*.jsonl"))) > segments, "a new segment")
    assert tail.end(signal.SIGINT) == (0, "")


# --- indoubt -------------------------------------------------------------------------------------

def test_calls_in_doubt_are_exactly_those_without_a_known_fate(log, audit, shown):
    log.call(f"{DAY}T12:00:00.000000Z", "good")
    log.call(f"{DAY}T12:00:01.000000Z", "bad", outcome="failure", status=500)
    log.call(f"{DAY}T12:00:02.000000Z", "unknown", outcome="unknown", status=504,
             reason="SIGNGATE.UpstreamTimeout", detail="no answer in time")
    log.call(f"{DAY}T12:00:03.000000Z", "open", outcome=None, query="")
    log.add("denied", f"{DAY}T12:00:04.000000Z", request_id="denied")
    status, out, err = audit("indoubt", log.directory)
    assert (status, err) == (0, "")
    assert out == f"""{DAY}T12:00:02+00:00  playout-scheduler  live:ott:deleteFlow
  DELETE /v1/p/flows?flow_id=f1
  request unknown
  outcome unknown: SIGNGATE.UpstreamTimeout, no answer in time
{DAY}T12:00:03+00:00  playout-scheduler  live:ott:deleteFlow
  DELETE /v1/p/flows
  request open
  no outcome: the gateway ended before one was recorded
2 calls are in doubt
"""
    entries = shown("indoubt", log.directory)
    assert [(entry["request_id"], entry["why"]) for entry in entries] == [
        ("unknown", "unknown"), ("open", "no_outcome")]
    assert {entry["schema"] for entry in entries} == {"signgate.audit.indoubt.1"}
    assert audit("indoubt", log.directory, "--until", f"{DAY}T12:00:00Z")[1] == \
        "no call is in doubt\n"


def test_a_call_in_flight_is_told_from_one_in_doubt(gateway, cloud, audit, shown):
    held = clouds.Held()
    cloud.script(held)
    thread = threading.Thread(target=lambda: gateway.ask("DELETE", ALLOWED))
    thread.start()
    held.wait()
    gateway.wait_record(event="intent")
    entry, = shown("indoubt", gateway.audit)
    assert entry["why"] == "in_flight"
    assert "no call is in doubt, 1 may be in flight\n" in audit("indoubt", gateway.audit)[1]
    row, = rows_of(audit("show", gateway.audit)[1])
    assert " in flight " in row
    assert len(shown("show", gateway.audit, "--outcome", "open")) == 1
    held.release()
    thread.join(LIMIT_SECONDS)
    gateway.wait_record(event="outcome")
    assert audit("indoubt", gateway.audit)[1] == "no call is in doubt\n"


def test_a_kill_leaves_calls_in_doubt(new_gateway, cloud, audit, shown):
    gateway = new_gateway(cloud).start()
    held = clouds.Held()
    cloud.script(held)

    def ask():
        try:
            gateway.ask("DELETE", ALLOWED)
        except (Closed, Cut, OSError):
            pass
    thread = threading.Thread(target=ask)
    thread.start()
    held.wait()
    intent = gateway.wait_record(event="intent")
    gateway.process.kill()
    gateway.wait_exit()
    thread.join(LIMIT_SECONDS)
    held.release()
    entry, = shown("indoubt", gateway.audit)
    assert (entry["request_id"], entry["why"]) == (intent["request_id"], "no_outcome")
    row, = rows_of(audit("show", gateway.audit)[1])
    assert " in doubt " in row
    again = new_gateway(cloud, audit={"directory": str(gateway.audit)})
    again.audit = gateway.audit
    again.start()
    entry, = shown("indoubt", gateway.audit)
    assert (entry["request_id"], entry["why"], entry["reason"]) == (
        intent["request_id"], "unknown", "crash")
    again.stop()
    gateway.process, gateway.address = None, None


# --- stats ---------------------------------------------------------------------------------------

def test_stats_count_all_once(busy, audit, shown):
    total, = shown("stats", busy.audit)
    assert total["schema"] == "signgate.audit.stats.1" and total["total"] is True
    assert {name: total[name] for name in ("requests", "calls", "succeeded", "failed", "unknown",
                                           "open", "denied", "rejected")} == {
        "requests": 5, "calls": 3, "succeeded": 1, "failed": 1, "unknown": 1, "open": 0,
        "denied": 1, "rejected": 1}
    assert total["error_ppm"] == 666666 and total["timed"] == 3
    durations = sorted(entry["duration_us"] for entry in busy.find_records(event="outcome"))
    assert total["max_us"] == durations[-1]
    assert durations[1] <= total["p50_us"] <= durations[1] * 65 // 64
    groups = shown("stats", busy.audit, "--by", "caller", "--by", "status")
    assert [group["requests"] for group in groups] == [1, 1, 1, 1, 1, 5]
    assert {(group["group"].get("caller"), group["group"].get("status")) for group in groups} == {
        ("-", "401"), ("playout-scheduler", "200"), ("playout-scheduler", "403"),
        ("playout-scheduler", "404"), ("playout-scheduler", "502"), (None, None)}
    assert sum(group["requests"] for group in groups if not group["total"]) == 5
    status, out, _ = audit("stats", busy.audit, "--by", "action", "--by", "team")
    assert status == 0 and all(columns(line) <= 100 for line in out.splitlines())
    assert out.startswith("5 requests from ")
    assert "3 allowed (1 succeeded, 1 failed, 1 unknown, 0 without an outcome), 1 denied, 1 rejected"\
        in out
    assert shown("stats", busy.audit, "--decision", "deny")[0]["requests"] == 1


def test_stats_of_wrong_words(log, audit):
    assert 'did you mean "caller"?' in audit("stats", log.directory, "--by", "callers")[2]
    assert "--by is caller, team" in audit("stats", log.directory, "--by", "moon")[2]
    status, _, err = audit("stats", log.directory, "--by", "team", "--by", "team")
    assert status == 2 and "given twice" in err


# --- reconcile -----------------------------------------------------------------------------------

def write_traces(path, calls, **more):
    """Traces as the cloud's API lists them; calls: (time_ms, name, request id, access key)."""
    traces = [{"trace_id": f"t{number}", "trace_name": name, "service_type": "LIVE", "time": when,
               "code": "200", "source_ip": "198.51.100.7", "request_id": request,
               "project_id": PROJECT, "trace_type": "ApiCall",
               "user": {"name": "signgate", "access_key_id": key}}
              for number, (when, name, request, key) in enumerate(calls)]
    path.write_text(json.dumps({"traces": traces + more.get("extra", []),
                                "meta_data": {"count": len(traces)}}))
    return path


def milliseconds(entry):
    seconds = calendar.timegm(time.strptime(entry["time"][:19], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1000 + int(entry["time"][20:23])


@pytest.fixture
def audited(gateway, cloud, shown):
    """A gateway behind which every call has an id of the cloud; and its calls."""
    cloud.script(*[clouds.answer(200, b"{}", [("X-Request-Id", f"cloud-{number}")])
                   for number in range(3)])
    for _ in range(3):
        assert gateway.ask("DELETE", ALLOWED).status == 200
    assert gateway.ask("DELETE", DENIED).status == 403
    until(lambda: len(gateway.find_records(event="outcome")) == 3, "three outcomes")
    return gateway, shown("show", gateway.audit, "--decision", "allow")


def test_a_trail_that_agrees(audited, audit, work):
    gateway, calls = audited
    traces = write_traces(work / "traces.json", [
        (milliseconds(call), "deleteFlowOutput", call["upstream_request_id"], clouds.ACCESS_KEY)
        for call in calls] + [(milliseconds(calls[0]), "createServer", "x", "SOMEBODYELSE")])
    status, out, err = audit("reconcile", gateway.audit, "--cts", traces)
    assert (status, err) == (0, ""), out
    assert "4 traces: 3 found in the log (3 by request id, 0 by action and time), 0 not" in out
    assert "1 of other keys" in out
    assert "The trail often has no calls that only read" in out


def test_a_leaked_key_and_a_lost_trace(audited, audit, work):
    gateway, calls = audited
    first, second, third = [milliseconds(call) for call in calls]
    traces = write_traces(work / "traces.json", [
        (first, "deleteFlowOutput", "cloud-0", clouds.ACCESS_KEY),
        (second, "deleteFlow", "stolen", clouds.ACCESS_KEY),
        (third + 5000, "deleteFlowOutput", "cloud-2", clouds.ACCESS_KEY)])
    status, out, err = audit("reconcile", gateway.audit, "--cts", traces)
    assert (status, err) == (1, "")
    assert out.startswith("1 call with our key that is not in the log: the key has leaked")
    assert "request stolen" in out and "from 198.51.100.7" in out
    assert "1 call of the log that the cloud's trail does not have\n" in out
    assert calls[1]["request_id"] in out and calls[0]["request_id"] not in out
    assert clouds.ACCESS_KEY not in out
    status, out, err = audit("reconcile", gateway.audit, "--cts", traces, "--output", "json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and {line["schema"] for line in lines} == {"signgate.audit.reconcile.1"}
    assert [line["kind"] for line in lines] == ["not_in_log", "not_in_trail", "summary"]
    assert lines[0]["trace"]["request_id"] == "stolen"
    assert lines[0]["trace"]["credential_fingerprint"] == calls[0]["credential_fingerprint"]
    assert lines[1]["call"]["request_id"] == calls[1]["request_id"]
    assert (lines[2]["ok"], lines[2]["by_request_id"]) == (False, 2)


def test_a_doubt_is_resolved(gateway, cloud, audit, work):
    cloud.script(clouds.reset)
    assert gateway.ask("DELETE", ALLOWED).status == 502
    outcome = gateway.wait_record(event="outcome")
    traces = write_traces(work / "traces.json", [
        (milliseconds(outcome), "DeleteFlowOutput", "c-1", clouds.ACCESS_KEY)])
    status, out, _ = audit("reconcile", gateway.audit, "--cts", traces)
    assert status == 0 and "1 call in doubt that the cloud has done" in out
    assert outcome["request_id"] in out


@pytest.mark.parametrize("name, count", [("api.json", 3), ("archive.json", 2), ("lines.jsonl", 2)])
def test_sample_traces_are_read(work, audit, name, count):
    """The forms in which traces are exported; all of a key that the log does not name but one."""
    key = hashlib.sha256(b"AKIDEXAMPLE").hexdigest()[:16]
    log = WrittenLog(work / "log").begin()
    log.call("2026-01-31T12:00:00.000000Z", "r1", credential_fingerprint=key)
    status, out, err = audit("reconcile", log.directory, "--cts", TRACES / name, "--output", "json")
    assert err == ""
    summary = json.loads(out.splitlines()[-1])
    assert summary["traces"] == count
    assert status == (0 if summary["ok"] else 1)


def test_what_is_no_trail_is_told(log, audit, work):
    bad = work / "bad.json"
    for content, said in ((b"", "it is empty"), (b"\x1f\x8b\x08", "gunzip it first"),
                          (b"{", "no valid JSON"), (b'{"a":1}', 'has no "trace_name"')):
        bad.write_bytes(content)
        status, out, err = audit("reconcile", log.directory, "--cts", bad)
        assert (status, out) == (1, "")
        assert f"cannot read the trail {bad}: " in err and said in err
    status, out, err = audit("reconcile", log.directory, "--cts", work / "none")
    assert status == 1 and "No such file" in err
    assert audit("reconcile", log.directory)[0] == 2
    assert audit("reconcile", log.directory, "--cts", bad, "--window", "soon")[0] == 2
    assert audit("reconcile", log.directory, "--cts", bad, "--fingerprint", "AKID")[0] == 2


# --- help ----------------------------------------------------------------------------------------

def test_each_word_has_help(audit):
    status, out, _ = audit("--help")
    assert status == 0
    words = re.findall(r"^  (\w+) +\S", out, re.M)
    assert {"verify", "show", "tail", "indoubt", "stats", "reconcile"} <= set(words)
    for word in ("show", "tail", "indoubt", "stats", "reconcile"):
        for option in ("--help", "-h"):
            status, out, err = audit(word, option)
            assert (status, err) == (0, "")
            assert f"usage: signgate audit {word} DIR" in out and "examples:" in out
            assert len(out.splitlines()) <= 24 and max(map(len, out.splitlines())) <= 80
    status, _, err = audit("shwo", "x")
    assert status == 2 and 'did you mean "audit show"?' in err
