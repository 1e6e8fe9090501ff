"""SDK-HMAC-SHA256, once more: an independent judge of what the gateway signs, and a signer for
tests that call the simulated cloud directly. Written from the vendor's signing guide."""
import calendar
import hashlib
import hmac
import re
import time
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = "SDK-HMAC-SHA256"
SKEW_SECONDS = 15 * 60
AUTHORIZATION = re.compile(
    r"SDK-HMAC-SHA256 Access=([^ ,]+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")


def escape(data):
    return quote_from_bytes(data, safe="-._~")


def canonical_request(method, target, signed, values, body):
    """values: {lower-case name: value} of the signed headers."""
    path, _, query = target.partition("?")
    segments = unquote_to_bytes(path).split(b"/")
    uri = "/".join(escape(segment) for segment in segments)
    if not uri.endswith("/"):
        uri += "/"
    pairs = []
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    canonical_query = "&".join(escape(name) + "=" + escape(value) for name, value in sorted(pairs))
    headers = "".join(f"{name}:{values[name].strip()}\n" for name in signed)
    return "\n".join([method, uri, canonical_query, headers, ";".join(signed),
                      hashlib.sha256(body).hexdigest()])


def signature_of(canonical, date, secret_key):
    text = "\n".join([ALGORITHM, date, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign(method, target, headers, body, access_key, secret_key, at=None):
    """Return headers with X-Sdk-Date and Authorization; all that are given are signed."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = list(headers) + [("X-Sdk-Date", date)]
    values = {name.lower(): value for name, value in headers}
    signed = sorted(values)
    canonical = canonical_request(method, target, signed, values, body)
    authorization = (f"{ALGORITHM} Access={access_key}, SignedHeaders={';'.join(signed)}, "
                     f"Signature={signature_of(canonical, date, secret_key)}")
    return headers + [("Authorization", authorization)]


def problems(request, access_key, secret_key, now=None):
    """What is wrong with the signature of a recorded request: a list of texts, empty when right."""
    found = []
    values = {}
    for name, value in request.headers:
        if name.lower() in values:
            found.append(f"header {name} stands twice")
        values[name.lower()] = value
    match = AUTHORIZATION.fullmatch(values.get("authorization", ""))
    if not match:
        return found + ["Authorization is missing or malformed"]
    signed = match.group(2).split(";")
    if match.group(1) != access_key:
        found.append(f"access key is {match.group(1)}")
    if signed != sorted(set(signed)):
        found.append("SignedHeaders are not sorted")
    for name in ("host", "x-project-id", "x-sdk-date"):
        if name not in signed:
            found.append(f"{name} is not signed")
    for name in ("content-type", "x-security-token"):
        if name in values and name not in signed:
            found.append(f"{name} is sent and not signed")
    missing = [name for name in signed if name not in values]
    if missing:
        return found + [f"signed and not sent: {missing}"]
    date = values["x-sdk-date"]
    try:
        signed_at = calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return found + [f"X-Sdk-Date is {date}"]
    if abs(signed_at - (time.time() if now is None else now)) > SKEW_SECONDS:
        found.append(f"X-Sdk-Date {date} is not fresh")
    canonical = canonical_request(request.method, request.target, signed, values, request.body)
    if not hmac.compare_digest(signature_of(canonical, date, secret_key), match.group(3)):
        found.append("the signature does not fit the canonical request\n" + canonical)
    return found
