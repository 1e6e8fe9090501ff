"""What is true of every refusal, whatever the reason."""
import json
import re

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def assert_refused(gateway, answer, status, code, event="rejected", **fields):
    """Check an answer of the gateway's own and its record; return the body and the record."""
    assert answer.status == status, answer
    assert answer.header("Signgate-Error") == f"SIGNGATE.{code}", answer
    request_id = answer.header("Signgate-Request-Id")
    assert UUID7.fullmatch(request_id), request_id
    assert answer.header("X-Request-Id") == request_id
    assert answer.header("Content-Type") == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["error_code"] == f"SIGNGATE.{code}"
    assert body["request_id"] == request_id
    for name in ("type", "title", "detail", "instance", "error_msg"):
        assert isinstance(body[name], str) and body[name], (name, body)
    record = gateway.wait_record(request_id=request_id, event=event)
    assert record["status"] == status, record
    if event == "rejected":
        assert record["reason"] == f"SIGNGATE.{code}", record
    for name, value in fields.items():
        assert record.get(name) == value, (name, record)
    return body, record


def assert_only_record(gateway, record):
    """A refusal without an intent has one record, and no other."""
    assert gateway.find_records(request_id=record["request_id"]) == [record], json.dumps(record)
