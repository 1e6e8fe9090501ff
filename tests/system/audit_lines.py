"""Every line of an audit directory against the shipped schema. A line that somebody has damaged is
`audit verify`'s matter; one whose crc is right was written by the program, and must be as the schema
says. Of a log of more than ALL lines those with the same event and members are looked at EACH times;
the order of members and that none stands twice is looked at in all."""
import functools
import json
import pathlib
import re

import jsonschema

SCHEMA_FILE = pathlib.Path(__file__).resolve().parents[2] / "config" / "schema" / "audit-record.json"
FIRST = ["schema", "stream", "epoch", "seq", "prev", "time", "event"]
LAST = "crc"
ALL = 2000
EACH = 500
CLOSED = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}', re.S)


@functools.cache
def schema():
    return json.loads(SCHEMA_FILE.read_text())


@functools.cache
def validator(event):
    """For lines of one event: of the branches, which ask for nothing but the event, those that hold
    for it. Says the same as the whole schema in a fraction of the time."""
    whole = schema()
    branches = []
    for branch in whole["allOf"]:
        assert set(branch) == {"if", "then"}, branch
        assert set(branch["if"]) == {"properties", "required"}, branch["if"]
        assert list(branch["if"]["properties"]) == branch["if"]["required"] == ["event"]
        if branch["if"]["properties"]["event"] == {"const": event}:
            branches.append(branch["then"])
    return jsonschema.Draft202012Validator({**whole, "allOf": branches} if branches else whole)


@functools.cache
def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data):
    table, crc = _crc_table(), 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def is_ours(line):
    """Whether the line is whole: closed by its right crc."""
    match = CLOSED.fullmatch(line)
    return match is not None and crc32c(match.group(1)) == int(match.group(2), 16)


class Twice(ValueError):
    pass


def _members(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Twice("a member stands twice")
    return found


def parse(line):
    """The record of a line, with what is wrong with its form: (record or None, [text])."""
    try:
        record = json.loads(line, object_pairs_hook=_members)
    except ValueError as error:
        return None, [str(error)]
    if not isinstance(record, dict):
        return None, ["no object"]
    names = list(record)
    found = []
    if names[:len(FIRST)] != FIRST:
        found.append(f"does not begin with {' '.join(FIRST)}")
    if names[-1:] != [LAST]:
        found.append(f"does not end with {LAST}")
    return record, found


def _problems_of(record):
    found = [f"{error.json_path}: {error.message}"
             for error in validator(str(record.get("event"))).iter_errors(record)]
    original = record.get("original")
    if record.get("event") == "replay" and isinstance(original, str):
        found += [f"original: {text}" for text in problems(original)]
    return found


def problems(line):
    """What is wrong with one line (text or bytes, without its end): a list of texts."""
    record, found = parse(line)
    return found if record is None else found + _problems_of(record)


def assert_directory(directory):
    """Check every whole line of a directory's segments; return (lines, how many were validated)."""
    lines = []
    for path in sorted(pathlib.Path(directory).glob("audit-*.jsonl")):
        lines += [(path.name, number, line) for number, line in
                  enumerate(path.read_bytes().split(b"\n")[:-1], 1)]
    seen = {}
    validated = 0
    wrong = []
    for name, number, line in lines:
        record, found = parse(line)
        if record is not None:
            shape = (record.get("event"), *record)
            seen[shape] = seen.get(shape, 0) + 1
            if len(lines) <= ALL or seen[shape] <= EACH:
                found += _problems_of(record)
                validated += 1
        if found and is_ours(line):
            wrong.append(f"{name}:{number}: {'; '.join(found)}\n  {line[:2000].decode()}")
    if validated < len(lines):
        print(f"{directory}: {len(lines)} lines, {validated} of them validated")
    assert not wrong, f"{len(wrong)} lines are not as the schema says:\n" + "\n".join(wrong[:10])
    return len(lines), validated
