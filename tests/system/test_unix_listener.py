"""Unix sockets: who is at the other end is what the kernel says."""
import grp
import os
import pwd
import signal
import socket
import stat
import subprocess

import pytest

from caller import Caller
from gateway import DELETE

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
AS_ROOT = os.geteuid() == 0


def listener(work, **more):
    return {"address": f"unix:{work}/gateway.sock", **more}


def caller_by(**match):
    return [{"name": "local", "team": "playout", "match": {"unix": match}}]


@pytest.fixture
def new_unix_gateway(new_gateway, cloud, work):
    def new(callers=None, **more):
        return new_gateway(cloud, listeners=[listener(work, **more)],
                           callers=callers or caller_by(users=[USER]))
    return new


def test_a_caller_by_user(new_unix_gateway, cloud):
    gateway = new_unix_gateway().start()
    with Caller(gateway.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200
        assert caller.request("DELETE", DELETE).status == 200
    record = gateway.find_records(event="intent")[0]
    assert record["identity"] == f"unix user {USER}"
    assert "source_ip" not in record
    assert len(cloud.requests) == 2


def test_a_caller_by_group(new_unix_gateway):
    gateway = new_unix_gateway(caller_by(groups=["no-such-group-here", GROUP])).start()
    with Caller(gateway.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200
    assert gateway.wait_record(event="intent")["identity"] == f"unix group {GROUP}"


@pytest.mark.skipif(not AS_ROOT, reason="only root can become someone else")
def test_a_user_who_is_no_caller_and_one_by_a_supplementary_group(new_unix_gateway, work):
    callers = caller_by(users=[USER]) + [
        {"name": "second", "team": "playout", "match": {"unix": {"groups": ["54321"]}}}]
    gateway = new_unix_gateway(callers, mode="0666").start()
    work.chmod(0o755)
    path = gateway.address[len("unix:"):]
    script = (
        "import os, socket, sys\n"
        "os.setgroups([int(sys.argv[2])]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        f"s.sendall(b'DELETE {DELETE} HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "print(s.makefile('rb').read().decode())\n")

    def call(group):
        return subprocess.run(["/usr/bin/python3", "-c", script, path, str(group)],
                              capture_output=True, text=True, timeout=60, check=True).stdout
    assert " 401 " in call(5)
    assert " 200 " in call(54321)
    assert gateway.wait_record(event="intent")["identity"] == "unix group 54321"


def test_a_source_does_not_match_where_there_is_no_address(new_unix_gateway):
    gateway = new_unix_gateway([{"name": "any", "team": "playout",
                                 "match": {"source": ["0.0.0.0/0", "::/0"]}}]).start()
    with Caller(gateway.address) as caller:
        assert caller.request("DELETE", DELETE).status == 401


def test_the_transport_is_secure_and_the_address_absent(new_unix_gateway):
    gateway = new_unix_gateway()
    gateway.policies[0]["document"]["Statement"][0]["Condition"] = {
        "Bool": {"g:SecureTransport": "true"}, "Null": {"g:SourceIp": "true"}}
    gateway.start()
    with Caller(gateway.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200


def test_mode_and_group_of_the_file(new_unix_gateway):
    gateway = new_unix_gateway(mode="0600", group=GROUP, owner=USER).start()
    found = os.stat(gateway.address[len("unix:"):])
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())


def test_the_mode_is_0660_unless_given(new_unix_gateway):
    gateway = new_unix_gateway().start()
    assert stat.S_IMODE(os.stat(gateway.address[len("unix:"):]).st_mode) == 0o660


def test_the_file_goes_with_the_gateway(new_unix_gateway, work):
    gateway = new_unix_gateway().start()
    assert (work / "gateway.sock").exists()
    assert gateway.stop() == 0
    assert not (work / "gateway.sock").exists()


def test_what_a_killed_gateway_left_behind_is_replaced(new_unix_gateway, work):
    first = new_unix_gateway().start()
    first.signal(signal.SIGKILL)
    first.wait_exit()
    assert (work / "gateway.sock").exists()
    first.log.clear()
    first.address = None
    first.start()
    with Caller(first.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200


def test_a_socket_that_is_in_use(new_unix_gateway, work):
    first = new_unix_gateway().start()
    second = new_unix_gateway()
    second.write()
    status, said = second.run_to_failure()
    assert status == 69
    assert f"cannot listen on unix:{work}/gateway.sock" in said
    with Caller(first.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200
    second.process.stderr.close()
    second.process = None


def test_another_file_at_the_place_is_not_touched(new_unix_gateway, work):
    (work / "gateway.sock").write_text("mine")
    gateway = new_unix_gateway()
    gateway.write()
    status, said = gateway.run_to_failure()
    assert status == 69
    assert "gateway.sock" in said
    assert (work / "gateway.sock").read_text() == "mine"
    gateway.process.stderr.close()
    gateway.process = None


def test_a_reload_may_not_change_who_may_connect(new_unix_gateway):
    gateway = new_unix_gateway(mode="0600").start()
    gateway.configuration["listeners"][0]["mode"] = "0666"
    assert gateway.reload()["message"].startswith("reload refused")
    gateway.configuration["listeners"][0]["mode"] = "0600"
    assert gateway.reload()["message"] == "reloaded"
    with Caller(gateway.address) as caller:
        assert caller.request("DELETE", DELETE).status == 200


def test_all_workers_accept_from_one_socket(new_gateway, cloud, work):
    gateway = new_gateway(cloud, workers=3, listeners=[listener(work)],
                          callers=caller_by(users=[USER])).start()
    callers = [Caller(gateway.address) for _ in range(30)]
    for caller in callers:
        assert caller.request("DELETE", DELETE).status == 200
    for caller in callers:
        caller.close()
    assert len(gateway.find_records(event="intent")) == 30


def test_a_relative_path_is_relative_to_the_configuration(new_gateway, cloud):
    gateway = new_gateway(cloud, listeners=[{"address": "unix:here.sock"}],
                          callers=caller_by(users=[USER])).start()
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(gateway.directory / "here.sock"))
    sock.close()
