"""What cannot work does not start: the exit status says what kind, the message what to do."""
import json
import re
import resource
import socket
import subprocess

import pytest

from gateway import DELETE
from refusal import assert_refused
from wait import LIMIT_SECONDS, until


def fails(gateway, status, *words):
    got, said = gateway.run_to_failure()
    assert got == status, said
    assert "cannot start" in said or "error" in said, said
    for word in words:
        assert word in said, (word, said)
    assert not any(line.get("message") == "ready" for line in gateway.log)
    return said


def check(program, gateway):
    return subprocess.run([program, "check", "-c", gateway.file], capture_output=True, text=True,
                          timeout=LIMIT_SECONDS, check=False, cwd=gateway.directory)


def test_every_mistake_of_a_configuration_is_shown_with_its_place(new_gateway, cloud, program):
    gateway = new_gateway(cloud)
    gateway.write()
    lines = gateway.file.read_text().split("\n")
    wrong = [number for number, line in enumerate(lines, 1) if '"address"' in line]
    gateway.file.write_text("\n".join(lines).replace('"address"', '"adress"').replace(
        '"workers": 1', '"workers": "many"'))
    said = fails(gateway, 78, 'unknown key "adress"', 'did you mean "address"?')
    for number in wrong:
        assert re.search(rf"signgate\.yaml:{number}:\d+: error: ", said), (number, said)
    assert re.search(r"signgate\.yaml:\d+:\d+: error: .*many", said), said
    checked = check(program, gateway)
    assert checked.returncode == 1
    places = re.compile(r"^\S+:\d+:\d+: error: .*$", re.M)
    assert places.findall(checked.stdout + checked.stderr) == places.findall(said)


def test_a_good_configuration_passes_the_check(new_gateway, cloud, program):
    gateway = new_gateway(cloud)
    gateway.write()
    checked = check(program, gateway)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok" in checked.stdout
    told = subprocess.run([program, "check", "-c", gateway.file, "--output", "json"],
                          capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)
    loaded = json.loads(told.stdout)["loaded"]
    assert f"({loaded['operations']} operations, {loaded['operations_mapped']} mapped)" in \
        checked.stdout
    assert (loaded["listeners"], loaded["services"]) == (1, 1)
    assert not gateway.audit.exists()  # a check leaves nothing behind


@pytest.mark.parametrize("text", ["", "a: [", "\x00", "{}", "version: 2\n"],
                         ids=["empty", "cut", "binary", "nothing in it", "another version"])
def test_a_broken_configuration_is_78(new_gateway, cloud, text):
    gateway = new_gateway(cloud)
    gateway.write()
    gateway.file.write_text(text)
    fails(gateway, 78, "signgate.yaml")


def test_a_missing_configuration_is_78(new_gateway, cloud):
    fails(new_gateway(cloud), 78, "signgate.yaml")


def test_a_broken_policy_is_78(new_gateway, cloud):
    gateway = new_gateway(cloud)
    gateway.policies[0]["document"]["Statement"][0]["Efect"] = "Allow"
    gateway.write()
    said = fails(gateway, 78, "playout-outputs.yaml", 'Efect"', "Effect")
    assert re.search(r"playout-outputs\.yaml:\d+:\d+: error: ", said), said


def test_a_missing_policy_folder_is_78(new_gateway, cloud):
    gateway = new_gateway(cloud, policies=["nowhere"])
    gateway.write()
    fails(gateway, 78, "nowhere")


def test_a_missing_credential_is_78(new_gateway, cloud):
    gateway = new_gateway(cloud)
    gateway.write()
    (gateway.directory / "credential.yaml").unlink()
    fails(gateway, 78, "credential.yaml")


def test_a_credential_that_others_may_read_is_78(new_gateway, cloud):
    gateway = new_gateway(cloud)
    gateway.write()
    gateway.write_credential(mode=0o644)
    fails(gateway, 78, "credential.yaml", "0600")


def test_a_broken_credential_is_78_and_is_not_shown(new_gateway, cloud):
    gateway = new_gateway(cloud)
    secret = gateway.credential.pop("secret_key")
    gateway.credential["secret_kee"] = secret
    gateway.write()
    said = fails(gateway, 78, "credential.yaml", "secret_key")
    assert secret not in said


def test_an_empty_environment_is_78(new_gateway, cloud):
    gateway = new_gateway(cloud, credentials=[{"name": "live", "source": "environment"}])
    gateway.environment = {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    gateway.write()
    fails(gateway, 78, "HUAWEICLOUD_SDK_AK")


def test_an_audit_directory_that_cannot_be_made_is_74(new_gateway, cloud, work):
    (work / "file").write_text("in the way")
    gateway = new_gateway(cloud, audit={"directory": str(work / "file" / "audit")})
    gateway.write()
    fails(gateway, 74, str(work / "file" / "audit"))


def test_an_audit_directory_that_is_a_file_is_74(new_gateway, cloud, work):
    (work / "file").write_text("in the way")
    gateway = new_gateway(cloud, audit={"directory": str(work / "file")})
    gateway.write()
    fails(gateway, 74, str(work / "file"))
    assert (work / "file").read_text() == "in the way"


def test_an_audit_directory_in_use_is_74(gateway, new_gateway, cloud):
    second = new_gateway(cloud, audit={"directory": str(gateway.audit)})
    second.write()
    fails(second, 74, str(gateway.audit))
    assert gateway.ask("DELETE", DELETE).status == 200


def test_a_taken_port_is_69(new_gateway, cloud):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for changes in ({"listeners": [{"address": address}]}, {"admin": {"address": address}}):
            gateway = new_gateway(cloud, **changes)
            gateway.write()
            fails(gateway, 69, address)


def test_a_port_taken_by_another_gateway_is_69_and_not_shared(gateway, new_gateway, cloud):
    second = new_gateway(cloud, listeners=[{"address": gateway.address}])
    second.write()
    fails(second, 69, gateway.address)


def test_an_address_of_another_machine_is_69(new_gateway, cloud):
    gateway = new_gateway(cloud, listeners=[{"address": "192.0.2.1:0"}])
    gateway.write()
    fails(gateway, 69, "192.0.2.1")


def test_after_a_stop_it_starts_again_and_the_chain_goes_on(new_gateway, cloud):
    gateway = new_gateway(cloud).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert gateway.stop() == 0
    gateway.address, gateway.log[:] = None, []
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    until(lambda: len(gateway.find_records(event="outcome")) == 2, "both outcomes")
    numbers = [record["seq"] for record in gateway.records()]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)


def test_after_a_kill_it_starts_again_and_says_how_the_last_segment_ended(new_gateway, cloud):
    gateway = new_gateway(cloud).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    gateway.process.kill()
    gateway.process.wait()
    torn = sorted(gateway.audit.glob("audit-*.jsonl"))[-1]
    with torn.open("ab") as end:
        end.write(b'{"half":')
    before = torn.read_bytes()
    gateway.address, gateway.log[:] = None, []
    gateway.start()
    assert gateway.ask("DELETE", DELETE).status == 200
    assert torn.read_bytes() == before  # never touched again
    assert len(list(gateway.audit.glob("audit-*.jsonl"))) == 2


def test_when_the_disk_takes_no_more_nothing_is_sent_unrecorded(new_gateway, cloud):
    gateway = new_gateway(cloud).start()
    assert gateway.ask("DELETE", DELETE).status == 200
    until(lambda: gateway.find_records(event="outcome"), "the outcome")
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (1, 1))
    for _ in range(3):
        answer = gateway.ask("DELETE", DELETE)
        assert (answer.status, answer.header("Signgate-Error")) == (
            503, "SIGNGATE.AuditUnavailable"), answer
        assert answer.header("Retry-After")
    assert len(cloud.requests) == 1
    ready = gateway.admin("/readyz")
    assert (ready.status, ready.json()["reasons"]) == (503, ["audit"])
    assert gateway.admin("/healthz").status == 200
    assert gateway.stop() in (0, 74)


@pytest.mark.parametrize("arguments", [
    ["serv"], ["serve", "--sandbx"], ["serve", "-c"], ["serve", "extra"], ["--nothing"], ["-c"], [],
], ids=" ".join)
def test_a_wrong_command_line_is_2(program, arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True,
                          timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("signgate: ") or "usage" in done.stderr.lower()


def test_the_admin_listener_answers(gateway):
    assert gateway.admin("/healthz").json() == {"status": "alive"}
    ready = gateway.admin("/readyz").json()
    assert ready["ready"] is True and ready["reasons"] == []
    assert gateway.admin("/version").json()["version"]
    assert gateway.admin("/elsewhere").status == 404
    assert json.loads(gateway.admin("/readyz").body)["audit"] == "ok"


def test_the_data_port_knows_nothing_of_the_admin_listener(gateway):
    for path in ("/healthz", "/readyz", "/version"):
        assert_refused(gateway, gateway.ask("GET", path), 403, "UnknownOperation")
