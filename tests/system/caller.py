"""Caller: an internal service, as a raw socket. Sends exactly the bytes it is told and reads
answers strictly: an answer that is not well-formed fails the test."""
import json
import re
import socket
import struct
import ssl

from leaks import leaks
from wait import LIMIT_SECONDS

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\x20-\x7e]*)")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")


class Closed(Exception):
    """The connection ended before an answer began."""


class Cut(Exception):
    """The connection ended within an answer."""


class Answer:
    def __init__(self, status, reason, headers, body=b""):
        self.status = status
        self.reason = reason
        self.headers = headers  # [(name, value)] in order
        self.body = body

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The one value of a header, None when it is not there."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    @property
    def closes(self):
        return any("close" in value.lower() for value in self.all("Connection"))

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def render(method, target, headers=(), body=None, host="gateway.internal"):
    """The bytes of a plain request. host None: no Host header."""
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    leaks.use_body("a caller's body", body or b"")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class Caller:
    """One connection. address is "host:port" or "unix:PATH"; source the address to call from; tls a
    client's context, session one of its earlier sessions, limit how long each step may take."""

    def __init__(self, address, source=None, tls=None, session=None, limit=LIMIT_SECONDS):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(limit)
            self.socket.connect(address[len("unix:"):])
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection(
                (host.strip("[]"), int(port)), timeout=limit,
                source_address=(source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost",
                                          session=session)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- sending

    def send(self, data):
        leaks.use_head("a caller", data)
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # --- reading

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        self.buffer += data
        return bool(data)

    def _take_until(self, mark, what):
        while mark not in self.buffer:
            had = bool(self.buffer)
            if not self._more():
                if had or what != "head":
                    raise Cut(f"within {what}: {self.buffer[:200]!r}")
                raise Closed()
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def _take(self, count):
        while len(self.buffer) < count:
            if not self._more():
                raise Cut(f"{len(self.buffer)} of {count} bytes")
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read_head(self):
        lines = self._take_until(b"\r\n\r\n", "head").split(b"\r\n")
        status = STATUS_LINE.fullmatch(lines[0])
        assert status, f"status line {lines[0]!r}"
        headers = []
        for line in lines[1:]:
            field = FIELD.fullmatch(line)
            assert field, f"header line {line!r}"
            headers.append((field.group(1).decode(), field.group(2).decode("latin-1")))
        return Answer(int(status.group(1)), status.group(2).decode(), headers)

    def _read_chunks(self):
        body = b""
        while True:
            line = self._take_until(b"\r\n", "a chunk size")
            assert re.fullmatch(rb"[0-9a-fA-F]{1,8}", line), f"chunk size {line!r}"
            size = int(line, 16)
            data = self._take(size)
            assert self._take(2) == b"\r\n", "no CRLF behind a chunk"
            if size == 0:
                return body
            body += data

    def read_answer(self, method="GET"):
        """The next final answer; interim ones are collected in .interim."""
        interim = []
        while True:
            answer = self.read_head()
            if answer.status >= 200:
                break
            interim.append(answer.status)
        length = answer.header("Content-Length")
        coding = answer.header("Transfer-Encoding")
        assert length is None or coding is None, f"both framings: {answer}"
        if method == "HEAD" or answer.status in (204, 304):
            pass
        elif coding is not None:
            assert coding == "chunked", coding
            answer.body = self._read_chunks()
        elif length is not None:
            assert re.fullmatch(r"0|[1-9][0-9]*", length), length
            answer.body = self._take(int(length))
        else:
            assert answer.closes, f"an answer without an end: {answer}"
            answer.body = self.read_rest()
        answer.interim = interim
        if answer.all("Signgate-Error"):  # the gateway's own words
            leaks.keep(f"an answer with {answer.status}", repr(answer.headers).encode() + answer.body)
        return answer

    def request(self, method, target, headers=(), body=None, host="gateway.internal"):
        self.send(render(method, target, headers, body, host))
        return self.read_answer(method)

    def read_rest(self):
        """Everything until the other side closes."""
        while self._more():
            pass
        rest, self.buffer = self.buffer, b""
        return rest

    def assert_closed(self):
        """Nothing more comes, and the other side closes."""
        rest = self.read_rest()
        assert rest == b"", f"bytes behind the answer: {rest[:200]!r}"
