"""The simulated cloud, alone and behind `serve --sandbox`: what it prints works as printed."""
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading

import pytest

import audit_lines
import signature
from caller import Caller
from gateway import PROJECT
from wait import LIMIT_SECONDS, until


class Printed:
    """A process whose standard output is read as it comes."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                        env={**os.environ, "NO_COLOR": "1"})
        self.lines, self.errors = [], []
        for stream, kept in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=lambda s=stream, k=kept: k.extend(s), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def text(self):
        return "".join(list(self.lines))

    def wait_for(self, pattern):
        def find():
            if self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.text}{self.errors}")
            return re.search(pattern, self.text, re.M)
        return until(find, lambda: f"{pattern} in:\n{self.text}{''.join(self.errors)}")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(LIMIT_SECONDS)


@pytest.fixture
def sandbox(program):
    with Printed(program, "sandbox", "--listen", "127.0.0.1:0") as printed:
        printed.wait_for(r"^Stop with Ctrl-C")
        printed.address = printed.wait_for(r"http://(127\.0\.0\.1:\d+)").group(1)
        printed.access_key = printed.wait_for(r"HUAWEICLOUD_SDK_AK=(\S+)").group(1)
        printed.secret_key = printed.wait_for(r"HUAWEICLOUD_SDK_SK=(\S+)").group(1)
        yield printed


def call(sandbox, method, path, body=b"", secret_key=None, at=None):
    headers = signature.sign(method, path, [("Host", sandbox.address), ("X-Project-Id", PROJECT)],
                             body, sandbox.access_key, secret_key or sandbox.secret_key, at)
    with Caller(sandbox.address) as caller:
        return caller.request(method, path, [pair for pair in headers if pair[0] != "Host"],
                              body or None, host=sandbox.address)


DELETE = f"/v1/{PROJECT}/flows/outputs?flow_id=f1&output_name=playout-a"


def test_a_signed_call_is_served_once(sandbox):
    answer = call(sandbox, "DELETE", DELETE)
    assert (answer.status, answer.body) == (200, b'{"flow_id":"f1","output_name":"playout-a"}')
    assert answer.header("X-Request-Id")
    again = call(sandbox, "DELETE", DELETE)
    assert again.status == 400
    assert set(again.json()) == {"error_code", "error_msg"}


def test_a_wrong_signature_gets_the_canonical_request(sandbox):
    answer = call(sandbox, "DELETE", DELETE, secret_key="wrong")
    assert answer.status == 401
    body = answer.json()
    assert body["error_code"] == "APIGW.0301" and body["request_id"]
    assert "canonicalRequest:DELETE|/v1/" in body["error_msg"]
    assert "|flow_id=f1&output_name=playout-a|" in body["error_msg"]
    assert sandbox.secret_key not in answer.body.decode()


def test_an_old_signature_has_expired(sandbox):
    answer = call(sandbox, "DELETE", DELETE, at=1573789015)
    assert answer.status == 401
    assert "signature expired" in answer.json()["error_msg"]


def test_flows_and_outputs_can_be_made_and_seen(sandbox):
    made = call(sandbox, "POST", f"/v1/{PROJECT}/flows/outputs?flow_id=f1",
                json.dumps([{"name": "extra", "protocol": "srt-caller"}]).encode())
    assert made.status == 200
    shown = call(sandbox, "GET", f"/v1/{PROJECT}/flows/outputs?flow_id=f1&output_name=extra")
    assert shown.json()["protocol"] == "srt-caller"
    assert call(sandbox, "GET", f"/v1/{PROJECT}/flows").json()["total"] == 1
    assert call(sandbox, "GET", f"/v1/{PROJECT}/domain").json()["error_code"] == "APIGW.0101"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told(sandbox, number):
    assert sandbox.stop(number) == 0
    with pytest.raises(OSError):
        Caller(sandbox.address)


def test_a_taken_port_is_69(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([program, "sandbox", "--listen", address], capture_output=True,
                              text=True, timeout=LIMIT_SECONDS, check=False)
        assert done.returncode == 69
        assert address in done.stderr
        done = subprocess.run([program, "serve", "--sandbox", "--listen", address, "--admin",
                               "127.0.0.1:0"], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
        assert done.returncode == 69
        assert f"--listen: cannot listen on {address}" in done.stderr


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_that_is_none_is_2(program, option):
    addresses = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0", option: 'bogus"'}
    done = subprocess.run([program, "serve", "--sandbox", *sum(addresses.items(), ())],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr == f'signgate: {option}: "bogus"" is no address to listen on\n'


# --- serve --sandbox

@pytest.fixture
def served(program):
    with Printed(program, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin",
                 "127.0.0.1:0") as printed:
        printed.wait_for(r"^Stop with Ctrl-C")
        directory = re.search(r"audit (/\S+)", printed.text).group(1)
        yield printed
        if os.path.isdir(directory):
            assert audit_lines.assert_directory(directory)[0] > 0


def run_printed(command):
    done = subprocess.run(["/bin/sh", "-c", command + " -sS --max-time 30"], capture_output=True,
                          text=True, check=True)
    head, _, body = done.stdout.partition("\n\n" if "\r" not in done.stdout else "\r\n\r\n")
    return int(head.split()[1]), body


def test_the_printed_commands_do_what_is_said_of_them(served):
    commands = [line.strip() for line in served.text.split("\n") if line.strip().startswith("curl ")]
    answers = [run_printed(command) for command in commands]
    statuses = [status for status, _ in answers]
    assert 200 in statuses and 403 in statuses, list(zip(commands, answers))
    allowed = answers[statuses.index(200)][1]
    assert json.loads(allowed) == {"flow_id": "f1", "output_name": "playout-a"}
    denied = json.loads(answers[statuses.index(403)][1])
    assert denied["error_code"] == "SIGNGATE.Denied"
    assert denied["would_allow"]
    for command in commands:
        assert shlex.split(command)[0] == "curl"


def test_what_was_recorded_is_verified_by_the_printed_line(served):
    line = re.search(r"^ +(/\S+ audit verify /\S+)$", served.text, re.M).group(1)
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True,
                          timeout=LIMIT_SECONDS, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: ")


def test_what_was_recorded_is_shown_by_the_printed_line(served):
    for line in served.text.split("\n"):
        if line.strip().startswith("curl "):
            run_printed(line.strip())
    line = re.search(r"^ +(/\S+ audit show /\S+ --last 4)$", served.text, re.M).group(1)

    def shown():
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=True, cwd="/")
        words = [row.split() for row in done.stdout.split("\n")[1:-1]]
        return {row[4] for row in words if len(row) == 7} >= {"200", "400", "403"} and words
    assert 3 <= len(until(shown, lambda: f"three requests in what {line} prints")) <= 4


def test_nothing_is_left_behind(served):
    directory = re.search(r"audit (/\S+)", served.text).group(1)
    assert os.path.isdir(directory)
    assert served.stop() == 0
    assert not os.path.exists(directory)
    assert not os.path.exists(os.path.dirname(directory)) or \
        not os.path.basename(os.path.dirname(directory)).startswith("signgate")
