"""Cloud: a recording upstream over http or https. Each request is kept as it came; what is answered
is scripted, one behaviour a request. A behaviour is a function of (exchange) that returns True to
keep the connection open; without one the answer is the real one's to a deleted output."""
import json
import re
import socket
import ssl
import struct
import threading
from urllib.parse import parse_qs

import signature
from leaks import leaks
from wait import LIMIT_SECONDS, until

ACCESS_KEY = "AKTESTTESTTESTTEST01"
SECRET_KEY = "sktesttesttesttesttesttesttesttesttest01"


class Request:
    """A request as it came over the wire."""

    def __init__(self, method, target, headers, body, connection, raw_head, server_name):
        self.method = method
        self.target = target
        self.headers = headers  # [(name, value)]
        self.body = body
        self.connection = connection  # its number, from 0
        self.raw_head = raw_head
        self.server_name = server_name  # SNI, over https

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    @property
    def names(self):
        return sorted(name.lower() for name, _ in self.headers)

    @property
    def query(self):
        return self.target.partition("?")[2]

    def __repr__(self):
        return f"<{self.method} {self.target} on connection {self.connection}>"


class Exchange:
    """What a behaviour works with: the request and the socket to answer on."""

    def __init__(self, cloud, sock, request):
        self.cloud = cloud
        self.socket = sock
        self.request = request

    def send(self, data):
        self.socket.sendall(data)

    def wait_for_close(self):
        """Until the gateway closes, or the test is over."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass


def render(status=200, body=b"", headers=(), length=True):
    lines = [f"HTTP/1.1 {status} Whatever"] + [f"{name}: {value}" for name, value in headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    leaks.use_body("the cloud's answer", body)
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# --- behaviours

def deleted(exchange):
    """The answer to a DELETE of an output."""
    query = parse_qs(exchange.request.query)
    body = json.dumps({"flow_id": query.get("flow_id", [""])[0],
                       "output_name": query.get("output_name", [""])[0]},
                      separators=(",", ":")).encode()
    exchange.send(render(200, body, [("Content-Type", "application/json"),
                                     ("X-Request-Id", "0123456789abcdef")]))
    return True


def answer(status=200, body=b"", headers=()):
    """A whole answer, kept alive."""
    def behave(exchange):
        exchange.send(render(status, body, headers))
        return True
    return behave


def raw(*pieces, then="close"):
    """Exactly these bytes, each piece a write of its own; then close, end, keep, hang or reset."""
    def behave(exchange):
        for piece in pieces:
            exchange.send(piece)
        if then == "hang":
            exchange.wait_for_close()
        elif then == "reset":
            return reset(exchange)
        elif then == "end":
            return end(exchange)
        return then == "keep"
    return behave


def hang(exchange):
    """Never answer."""
    exchange.wait_for_close()
    return False


def reset(exchange):
    """Close with RST, without a byte."""
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def close(exchange):  # pylint: disable=unused-argument
    """Close with FIN, over TLS without close_notify."""
    return False


def end(exchange):
    """Close so that nothing can be missing: FIN, over TLS behind close_notify."""
    if exchange.cloud.context is not None:
        try:
            exchange.socket.unwrap()
        except OSError:
            pass  # the gateway does not say goodbye
    return False


def done(exchange):
    """The same short answer to everybody: for thousands of calls."""
    exchange.send(render(200, b"{}"))
    return True


class Held:
    """A behaviour that answers when it is told to."""

    def __init__(self, behaviour=deleted):
        self.behaviour = behaviour
        self._arrived = threading.Event()
        self._released = threading.Event()

    def __call__(self, exchange):
        self._arrived.set()
        assert self._released.wait(LIMIT_SECONDS), "never released"
        return self.behaviour(exchange)

    def wait(self):
        assert self._arrived.wait(LIMIT_SECONDS), "the request did not arrive"

    def release(self):
        self._released.set()


class Cloud:
    def __init__(self, context=None, host="localhost"):
        """context: a server's SSLContext, for https."""
        self.context = context
        self.requests_are_secret = True  # not those that bring the audit log
        self.requests = []
        self.faults = []  # of our own, or of requests that are not HTTP
        self.otherwise = deleted  # what to do when the script is over
        self._behaviours = []
        self._held = []
        self._lock = threading.Lock()
        self._sockets = set()
        self._threads = []
        self._connections = 0
        self._names = {}
        self._stopping = False
        if context is not None:
            context.sni_callback = self._on_name
        self._listeners = self._bind()
        self.port = self._listeners[0].getsockname()[1]
        self.url = f"{'https' if context else 'http'}://{host}:{self.port}"
        self.authority = f"{host}:{self.port}"
        for listener in self._listeners:
            self._spawn(self._accept, listener)

    @staticmethod
    def _bind():
        """The same port on 127.0.0.1 and, where there is one, on ::1: localhost may be either."""
        for _ in range(20):
            first = socket.create_server(("127.0.0.1", 0), backlog=128)
            try:
                second = socket.create_server(("::1", first.getsockname()[1]),
                                              family=socket.AF_INET6, backlog=128)
            except OSError as error:
                if error.errno == 98:  # the port is someone else's there: take another
                    first.close()
                    continue
                return [first]
            return [first, second]
        raise AssertionError("no port is free")

    # --- for tests

    def script(self, *behaviours):
        """What to do with the next requests, in order."""
        with self._lock:
            self._behaviours.extend(behaviours)
            self._held.extend(one for one in behaviours if isinstance(one, Held))

    def wait_for(self, count):
        """Wait until count requests have come, return them."""
        until(lambda: len(self.requests) >= count,
              lambda: f"{count} requests at the cloud, there are {self.requests}")
        return self.requests

    @property
    def connections(self):
        """How many connections were accepted."""
        return self._connections

    def wait_alone(self):
        """Wait until every connection has ended: nothing more comes of a gateway that is gone."""
        until(lambda: not self._sockets, "the gateway's connections to end")

    def drop_connections(self):
        """Close every connection, as an idle limit does."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop_listening(self):
        for listener in self._listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def stop(self):
        self._stopping = True
        self.stop_listening()
        self.drop_connections()
        for held in self._held:
            held.release()
        for thread in self._threads:
            thread.join(LIMIT_SECONDS)
        assert not self.faults, self.faults

    def assert_signed(self, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
        """Every request that came was rightly signed."""
        for request in self.requests:
            found = signature.problems(request, access_key, secret_key)
            assert not found, (request, found)

    # --- threads

    def _spawn(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _on_name(self, sock, name, _):
        self._names[id(sock)] = name

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                number = self._connections
                self._connections += 1
                self._sockets.add(sock)
            self._spawn(self._serve, sock, number)

    def _serve(self, sock, number):
        wrapped = sock
        try:
            if self.context is not None:
                wrapped = self.context.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._sockets.discard(sock)
                    self._sockets.add(wrapped)
            wrapped.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = self._names.get(id(wrapped))
            reader = wrapped.makefile("rb")
            while True:
                request = self._read(reader, number, name)
                if request is None:
                    break
                with self._lock:
                    behaviour = self._behaviours.pop(0) if self._behaviours else self.otherwise
                    self.requests.append(request)
                if not behaviour(Exchange(self, wrapped, request)):
                    break
        except (OSError, ssl.SSLError):
            pass  # the gateway may leave whenever it likes
        except Exception as error:  # pylint: disable=broad-except
            self.faults.append(repr(error))
        finally:
            with self._lock:
                self._sockets.discard(wrapped)
                self._sockets.discard(sock)
            try:
                # makefile holds the descriptor: let go of it before the close that resets
                reader.close()
            except (UnboundLocalError, OSError):
                pass
            wrapped.close()

    def _read(self, reader, number, name):
        line = reader.readline(65536)
        if not line:
            return None
        head = line
        match = re.fullmatch(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n", line)
        assert match, f"request line {line!r}"
        headers = []
        while True:
            line = reader.readline(65536)
            head += line
            if line == b"\r\n":
                break
            field = re.fullmatch(rb"([!#-'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e]|[\x21-\x7e][\x20-\x7e]*"
                                 rb"[\x21-\x7e])\r\n", line)
            assert field, f"header line {line!r}"
            headers.append((field.group(1).decode(), field.group(2).decode()))
        lengths = [value for key, value in headers if key.lower() == "content-length"]
        assert len(lengths) <= 1, "Content-Length stands twice"
        assert not any(key.lower() == "transfer-encoding" for key, _ in headers), headers
        body = reader.read(int(lengths[0])) if lengths else b""
        request = Request(match.group(1).decode(), match.group(2).decode(), headers, body, number,
                          head, name)
        if self.requests_are_secret:
            leaks.use_request("the gateway", request)
        return request
