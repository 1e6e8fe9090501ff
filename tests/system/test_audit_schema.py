"""The schema of an audit line: what it takes, what it does not, and that every line is held to it."""
import copy
import json
import subprocess

import jsonschema
import pytest

import audit_lines
from caller import Caller, render
from cloud import Held
from gateway import DASHBOARD, DELETE, OPERATIONS, OUTPUTS, SOURCE, STRANGER
from wait import LIMIT_SECONDS

SCHEMA = audit_lines.schema()
EXAMPLES = SCHEMA["examples"]
WHOLE = jsonschema.Draft202012Validator(SCHEMA)
# A value of the wrong kind or form for each kind of member.
WRONG = (None, True, -1, 1.5, "", "\n", "not/as:it is\u0000", [], {})


def run(program, *arguments):
    return subprocess.run([program, "schema", *arguments], capture_output=True, text=True,
                          timeout=LIMIT_SECONDS, check=False)


def name_of(example):
    return "-".join([example["event"], *(str(example[name]) for name in
                                         ("outcome", "ended", "count") if name in example)])


def is_good(record):
    """As the harness says; the whole schema must say the same."""
    good = not audit_lines.problems(json.dumps(record))
    if record.get("event") != "replay":  # whose original is looked into, besides
        assert good == WHOLE.is_valid(record), record
    return good


def changed(example, **members):
    """With these members put before crc, or taken out where None."""
    record = {**copy.deepcopy(example), **members}
    record["crc"] = record.pop("crc", None)
    return {name: value for name, value in record.items() if value is not None}


# --- the schemas

def test_each_schema_is_listed_and_is_one(program):
    names = sorted(path.stem for path in (SOURCE / "config" / "schema").iterdir())
    assert "audit-record" in names
    listed = run(program)
    assert listed.returncode == 0
    assert sorted(line.split()[0] for line in listed.stdout.splitlines()) == names
    told = json.loads(run(program, "--output", "json").stdout)
    assert told["schema"] == "signgate.schemas.1"
    assert sorted(row["name"] for row in told["schemas"]) == names
    assert all(row["summary"] for row in told["schemas"])
    for name in names:
        printed = run(program, name)
        assert (printed.returncode, printed.stderr) == (0, "")
        assert printed.stdout == (SOURCE / "config" / "schema" / f"{name}.json").read_text()
        schema = json.loads(printed.stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"].startswith(f"urn:signgate:schema:{name}:")
        for example in schema.get("examples", ()):
            jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize("name,says", [
    ("audit-recrod", 'unknown schema "audit-recrod"; did you mean "audit-record"?'),
    ("", 'unknown schema ""'),
    ("zebra", 'unknown schema "zebra"   (all schemas: signgate schema)'),
])
def test_an_unknown_schema_is_2(program, name, says):
    done = run(program, name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"signgate: {says}")


# --- what a line may be

def test_every_event_has_an_example():
    assert {example["event"] for example in EXAMPLES} == set(SCHEMA["properties"]["event"]["enum"])


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_is_good(example):
    assert audit_lines.problems(json.dumps(example)) == []
    assert is_good(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_a_member_that_nobody_declared_fails(example):
    assert not is_good(changed(example, secret_key="x"))
    assert not is_good(changed(example, Caller="x"))


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_a_member_of_another_event_fails(example):
    """Of another event alone: what this event's own branch lists may be there."""
    allowed = {name for branch in SCHEMA["allOf"]
               if branch["if"]["properties"]["event"]["const"] == example["event"]
               for name in branch["then"]["propertyNames"]["enum"]}
    assert set(example) <= allowed
    foreign = {name: value for other in EXAMPLES for name, value in other.items()
               if name not in allowed}
    assert foreign
    for name, value in foreign.items():
        assert not is_good(changed(example, **{name: value})), name


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_a_value_of_the_wrong_kind_fails(example):
    for name in example:
        if name == "event":
            continue
        bad = [value for value in WRONG if not is_good({**example, name: value})]
        # What one kind of member takes: any number, any text, true.
        assert len(bad) >= len(WRONG) - 3, (name, bad)
        assert not is_good({**example, name: None}), name
        assert not is_good({**example, name: []}), name


NEEDED = {
    "start": "version configuration_revision policy_revision",
    "intent": "request_id caller identity method path action decision reason policy statement "
              "policy_revision credential credential_fingerprint upstream",
    "denied": "request_id caller identity method path action decision reason policy_revision status",
    "checkpoint": "note_sha256 key",
    "replay": "original",
    "recovered": "reason count duration_us",
    "clock_jump": "offset_us",
    "segment": "version",
}
NEEDED["outcome"] = NEEDED["intent"] + " outcome"
NEEDED["stop"] = NEEDED["reload"] = NEEDED["start"]


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_what_an_event_needs(example):
    needed = audit_lines.FIRST + ["crc"] + NEEDED.get(example["event"], "").split()
    if example["event"] == "rejected":
        needed += ["count", "first", "last", "reasons"] if "count" in example else \
            ["request_id", "reason", "status"]
    if "ended" in example:
        needed += ["previous", "ended", "last_good_seq", "last_good_hash", "extra_bytes"]
    if example.get("outcome") in ("success", "failure"):
        needed += ["sent", "request_bytes", "response_bytes", "duration_us", "upstream_us"]
    for name in needed:
        assert not is_good({key: value for key, value in example.items() if key != name}), name


def find(event, **members):
    found, = [example for example in EXAMPLES if example["event"] == event and
              all(example.get(name) == value for name, value in members.items())][:1]
    return found


@pytest.mark.parametrize("base,members", [
    (("outcome", {"outcome": "success"}), {"status": 400}),
    (("outcome", {"outcome": "success"}), {"sent": False}),
    (("outcome", {"outcome": "success"}), {"outcome": "failure"}),
    (("outcome", {"outcome": "success"}), {"reason": "crash"}),
    (("outcome", {"outcome": "success"}), {"reason": "no_matching_allow"}),
    (("outcome", {"outcome": "unknown"}), {"sent": False}),
    (("outcome", {"reason": "crash"}), {"sent": False}),
    (("outcome", {"reason": "crash"}), {"request_bytes": 0, "response_bytes": 0}),
    (("outcome", {"reason": "crash"}), {"outcome": "failure"}),
    (("intent", {}), {"decision": "deny"}),
    (("intent", {}), {"reason": "explicit_deny"}),
    (("intent", {}), {"request_id": "0199bf4e-77c1-4b3a-9f10-2d4c6e8a0b1c"}),
    (("intent", {}), {"time": "2026-11-25T08:15:30Z"}),
    (("intent", {}), {"time": "2026-11-25 08:15:30.000000Z"}),
    (("intent", {}), {"time": "2026-11-25T08:15:60.000000Z"}),
    (("intent", {}), {"time": "2026-11-25T08:15:30.000000+00:00"}),
    (("intent", {}), {"schema": 2}),
    (("intent", {}), {"crc": "8C28B28A"}),
    (("intent", {}), {"prev": "0"}),
    (("intent", {}), {"trace_id": "0" * 32}),
    (("intent", {}), {"query": "?a=b"}),
    (("intent", {}), {"path": "v1"}),
    (("denied", {}), {"decision": "allow"}),
    (("denied", {}), {"reason": "explicit_deny"}),
    (("denied", {}), {"policy": "p", "statement": "1"}),
    (("rejected", {"count": None}), {"reason": "no_matching_allow"}),
    (("rejected", {"count": None}), {"status": 200}),
    (("rejected", {"count": 123}), {"count": 0}),
    (("rejected", {"count": 123}), {"caller": "nightly-cleanup"}),
    (("rejected", {"count": 123}), {"reasons": {}}),
    (("rejected", {"count": 123}), {"reasons": {"no words": 1}}),
    (("rejected", {"count": 123}), {"reasons": {"explicit_deny": 0}}),
    (("rejected", {"count": 123}), {"status": 401}),
    (("segment", {"ended": "clean"}), {"extra_bytes": 1}),
    (("segment", {"ended": "clean"}), {"op": "write"}),
    (("segment", {"ended": "clean"}), {"ended": "rotated", "lost_from": 1, "lost_to": 2}),
    (("segment", {"ended": "torn"}), {"extra_bytes": 0}),
    (("segment", {"ended": "torn"}), {"extra_sha256": None}),
    (("segment", {"ended": "torn"}), {"lost_from": 1, "lost_to": 2}),
    (("segment", {"ended": "failed"}), {"op": None}),
    (("segment", {"ended": "failed"}), {"op": "writ"}),
    (("segment", {"ended": "failed"}), {"errno": "5"}),
    (("segment", {"ended": "failed"}), {"lost_to": None}),
    (("replay", {}), {"original": "{}"}),
    (("replay", {}), {"original": '{"schema":1,"event":"intent","crc":"00000000"}'}),
], ids=str)
def test_what_does_not_fit_together_fails(base, members):
    event, chosen = base
    assert not is_good(changed(find(event, **chosen), **members))


@pytest.mark.parametrize("event", ["rotation", "Intent", "", 1, None])
def test_an_unknown_event_fails(event):
    assert not is_good({**EXAMPLES[0], "event": event})


# --- the form of a line

def test_the_order_of_the_members_is_held_to():
    for example in EXAMPLES:
        names = list(example)
        for at in range(len(audit_lines.FIRST)):
            moved = [name for name in names if name != names[at]] + [names[at]]
            assert audit_lines.problems(json.dumps({name: example[name] for name in moved}))
        moved = ["crc", *names[:-1]]
        assert audit_lines.problems(json.dumps({name: example[name] for name in moved}))


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", "1", '{"schema":1,"schema":1}', "null"])
def test_what_is_no_record_fails(line):
    assert audit_lines.problems(line)


def test_the_crc_is_the_program_s():
    assert audit_lines.crc32c(b"123456789") == 0xe3069283


# --- every line of a log

def sealed(record):
    """A line with its right crc."""
    text = json.dumps({key: value for key, value in record.items() if key != "crc"},
                      separators=(",", ":")).encode()[:-1]
    return text + b',"crc":"%08x"}' % audit_lines.crc32c(text)


def write(directory, *lines):
    (directory / "audit-000001-00000000000000000001.jsonl").write_bytes(
        b"".join(line + b"\n" for line in lines) + b"{half")


def test_a_directory_is_held_to_the_schema(work):
    good = [sealed(example) for example in EXAMPLES]
    write(work, *good)
    assert audit_lines.assert_directory(work) == (len(good), len(good))
    write(work, *good, sealed(changed(EXAMPLES[2], fresh=1)))
    with pytest.raises(AssertionError, match="audit-000001-0+1.jsonl:22: .*fresh"):
        audit_lines.assert_directory(work)
    damaged = good[2].replace(b'"intent"', b'"intend"')
    write(work, *good, damaged)  # nobody's line: `audit verify` tells
    audit_lines.assert_directory(work)
    assert not audit_lines.is_ours(damaged) and audit_lines.is_ours(good[2])


def test_a_long_log_is_held_to_it_by_its_shapes(work, capsys):
    intents = [sealed({**EXAMPLES[2], "seq": number}) for number in range(1, audit_lines.ALL + 2)]
    write(work, *intents)
    lines, validated = audit_lines.assert_directory(work)
    assert (lines, validated) == (audit_lines.ALL + 1, audit_lines.EACH)
    assert f"{lines} lines, {validated} of them validated" in capsys.readouterr().out
    write(work, *intents, sealed(changed(EXAMPLES[2], fresh=1)))
    with pytest.raises(AssertionError, match="fresh"):
        audit_lines.assert_directory(work)


def test_a_gateway_s_end_looks_at_every_line(new_gateway, cloud, monkeypatch):
    """With a schema that has lost a member the end of any gateway fails."""
    gateway = new_gateway(cloud).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.stop() == 0
    poorer = copy.deepcopy(SCHEMA)
    del poorer["properties"]["credential_fingerprint"]
    audit_lines.validator.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(audit_lines, "schema", lambda: poorer)
        with pytest.raises(AssertionError, match="credential_fingerprint"):
            gateway.end()
    audit_lines.validator.cache_clear()


def test_what_a_gateway_writes_is_what_the_schema_names(gateway):
    """Every kind of record of a short life, all of its members."""
    assert gateway.ask("DELETE", DELETE, headers=[("X-Request-Id", "one"), (
        "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]).status == 200
    assert gateway.ask("DELETE", DELETE, source=DASHBOARD).status == 403
    assert gateway.ask("DELETE", DELETE, source=STRANGER).status == 401
    assert gateway.reload()["message"] == "reloaded"
    assert gateway.stop() == 0
    records = gateway.records()
    assert {"segment", "start", "intent", "outcome", "denied", "rejected", "reload", "stop"} <= {
        record["event"] for record in records}
    for record in records:
        assert WHOLE.is_valid(record), record
    outcome, = gateway.find_records(event="outcome")
    assert outcome["client_request_id"] == "one"
    assert outcome["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_outcome_that_a_crash_left_open_knows_nothing_of_the_call(new_gateway, cloud):
    gateway = new_gateway(cloud).start()
    held = Held()
    cloud.script(held)
    with Caller(gateway.address, source=OPERATIONS) as caller:
        caller.send(render("POST", f"{OUTPUTS}?flow_id=f1", body=b'[{"name":"extra"}]'))
        held.wait()
        gateway.kill()
    held.release()
    gateway.again()
    intent, = gateway.find_records(event="intent")
    assert intent["request_bytes"] == 18
    outcome = gateway.wait_record(event="outcome")
    assert (outcome["outcome"], outcome["reason"]) == ("unknown", "crash")
    assert not {"sent", "status", "request_bytes", "response_bytes"} & set(outcome)
