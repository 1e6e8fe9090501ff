"""Gateway: the real program as a process of its own, with a configuration in a directory of its
own, on ports of its own. What happens is read back from its log, its audit directory and its admin
listener; nothing waits for time to pass."""
import copy
import json
import os
import pathlib
import signal
import subprocess
import threading

import audit_lines
import cloud as clouds
from caller import Caller, Closed, Cut
from leaks import leaks
from wait import LIMIT_SECONDS, until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROJECT = "0123456789abcdef0123456789abcdef"
OUTPUTS = f"/v1/{PROJECT}/flows/outputs"
DELETE = f"{OUTPUTS}?flow_id=f1&output_name=playout-a"

# Who calls from which address of the loopback network; each has a /16 of it, besides.
PLAYOUT = "127.0.0.1"
OPERATIONS = "127.2.0.1"
DASHBOARD = "127.3.0.1"
STRANGER = "127.9.0.1"


def source(team, number):
    """The address with this number of a team: tests that refuse much each take one of their own."""
    first, second = {PLAYOUT: "127.1", OPERATIONS: "127.2", DASHBOARD: "127.3",
                     STRANGER: "127.9"}[team].split(".")
    return f"{first}.{second}.{number // 250 + 1}.{number % 250 + 1}"


POLICIES = [
    {
        "policy": "playout-outputs",
        "attach": {"teams": ["playout"]},
        "document": {"Version": "5.0", "Statement": [{
            "Sid": "DeleteOwnOutputs", "Effect": "Allow",
            "Action": ["live:ott:deleteFlowOutput"],
            "Resource": ["live:*:*:flowOutput:*/playout-*"],
            "Condition": {"StringEquals": {"signgate:ProjectId": [PROJECT]}}}]},
    },
    {
        "policy": "operations",
        "attach": {"teams": ["operations"]},
        "document": {"Version": "5.0", "Statement": [
            {"Sid": "RunFlows", "Effect": "Allow", "Action": ["live:ott:*"]}]},
    },
    {
        "policy": "viewers",
        "attach": {"teams": ["viewers"]},
        "document": {"Version": "5.0", "Statement": [{
            "Sid": "Look", "Effect": "Allow",
            "Action": ["live:*:get*", "live:*:list*", "live:*:show*"],
            "Condition": {"StringEquals": {"signgate:Method": "GET"}}}]},
    },
    {
        "policy": "guard",
        "attach": {"teams": ["*"]},
        "document": {"Version": "5.0", "Statement": [{
            "Sid": "KeepMainFlows", "Effect": "Deny",
            "Action": ["live:ott:deleteFlow", "live:ott:deleteFlowOutput"],
            "Resource": ["live:*:*:flow:main-*", "live:*:*:flowOutput:main-*"]}]},
    },
]

# What tells of a fault in the program itself, whatever a test looks at.
ALARMS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "[err]",
          "[warn]")


def merge(base, changes):
    """A copy of base with changes put in, mappings merged, None taking a key out."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


class Gateway:
    def __init__(self, program, directory, upstream, service=None, **changes):
        """upstream: a Cloud, or a URL. service and changes are merged into the configuration."""
        self.program = str(program)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file = self.directory / "signgate.yaml"
        self.audit = self.directory / "audit"
        self.upstream = upstream
        self.process = None
        self.log = []      # the parsed lines
        self.noise = []    # lines that are no JSON
        self._bytes = []   # of all lines, as they came
        self.address = None      # of the first listener
        self.addresses = []      # of all, in order
        self.admin_address = None
        self._log_ended = threading.Event()
        self._seen = 0
        url = upstream if isinstance(upstream, str) else upstream.url
        self.configuration = merge({
            "version": 1,
            "workers": 1,
            "listeners": [{"address": "127.0.0.1:0"}],
            "admin": {"address": "127.0.0.1:0"},
            "services": [merge({
                "name": "live",
                "endpoint": url,
                "catalog": str(SOURCE / "config" / "catalog" / "live.yaml"),
                "credential": "live",
                "projects": [PROJECT],
                "region": "cn-north-4",
            }, merge({} if url.startswith("https:") else {"insecure": True}, service or {}))],
            "credentials": [{"name": "live", "source": "file", "path": "credential.yaml"}],
            "callers": [
                {"name": "playout-scheduler", "team": "playout",
                 "match": {"source": [PLAYOUT, "127.1.0.0/16"]}},
                {"name": "operations-console", "team": "operations",
                 "match": {"source": ["127.2.0.0/16"]}},
                {"name": "dashboard", "team": "viewers", "match": {"source": ["127.3.0.0/16"]}},
            ],
            "policies": ["policies"],
            "audit": {"directory": str(self.audit)},
        }, changes)
        self.policies = copy.deepcopy(POLICIES)
        self.credential = {"access_key": clouds.ACCESS_KEY, "secret_key": clouds.SECRET_KEY}
        self.environment = {}

    # --- files

    def write(self):
        """Write configuration, policies and credential as they stand now. JSON is YAML."""
        self.file.write_text(json.dumps(self.configuration, indent=2))
        policies = self.directory / "policies"
        policies.mkdir(exist_ok=True)
        for old in policies.iterdir():
            old.unlink()
        for policy in self.policies:
            (policies / f"{policy['policy']}.yaml").write_text(json.dumps(policy, indent=2))
        self.write_credential()

    def write_credential(self, mode=0o600):
        path = self.directory / "credential.yaml"
        path.write_text(json.dumps(self.credential))
        path.chmod(mode)
        for name, value in self.credential.items():
            if name != "expires_at":
                leaks.use(f"the credential's {name}", value)

    # --- the process

    def spawn(self, prepare=None):
        """Start the program and return at once. prepare: called in the child before it begins."""
        self._use_secrets()
        if self.process is not None:
            assert self._log_ended.wait(LIMIT_SECONDS)  # of the one before
        with (self.directory / "stdout").open("ab") as stdout:
            self.process = subprocess.Popen(
                [self.program, "serve", "-c", str(self.file)], stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=subprocess.PIPE, cwd=self.directory,
                env={**os.environ, **self.environment}, preexec_fn=prepare)
        self._log_ended.clear()
        threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True).start()
        return self

    def start(self, prepare=None):
        """Write the files, start, and return when it is ready."""
        self.write()
        self.spawn(prepare)
        return self.wait_ready()

    def wait_ready(self):
        """Until it is ready; take its addresses from the log."""
        self.wait_log("ready")
        self.addresses = []
        for line in self.log:
            if line["message"] == "listening" and line["kind"] == "gateway":
                self.addresses.append(line["address"])
                self.address = self.address or line["address"]
            elif line["message"] == "listening" and line["kind"] == "admin":
                self.admin_address = line["address"]
        assert self.address and self.admin_address, self.log
        return self

    def run_to_failure(self):
        """Start what cannot start: exit status and what it said."""
        self.spawn()
        status = self.process.wait(LIMIT_SECONDS)
        assert self._log_ended.wait(LIMIT_SECONDS)
        return status, self.said()

    def said(self):
        return "\n".join(self.noise + [json.dumps(line) for line in self.log])

    def _read_log(self, stream):
        for line in stream:
            self._bytes.append(line)
            text = line.decode("utf-8", "replace").rstrip("\n")
            try:
                parsed = json.loads(text)
                assert isinstance(parsed, dict)
            except (ValueError, AssertionError):
                self.noise.append(text)
            else:
                self.log.append(parsed)
        self._log_ended.set()

    def wait_log(self, message, start=0, **fields):
        """Wait for a line with this message (and fields) from number start on; return it."""
        def find():
            for line in self.log[start:]:
                if line.get("message") == message and all(
                        line.get(key) == value for key, value in fields.items()):
                    return line
            if self._log_ended.is_set():
                raise AssertionError(f"it ended without {message!r}:\n{self.said()}")
            return None
        return until(find, lambda: f"{message!r} in the log:\n{self.said()}")

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        """SIGHUP with the files as they stand now; return the line that ends it."""
        self.write()
        return self.reload_files()

    def reload_files(self):
        start = len(self.log)
        self.signal(signal.SIGHUP)

        def done():
            for line in self.log[start:]:
                if line.get("message", "").startswith("reload"):
                    return line
            return None
        return until(done, lambda: f"the end of a reload in the log:\n{self.said()}")

    def wait_exit(self):
        status = self.process.wait(LIMIT_SECONDS)
        assert self._log_ended.wait(LIMIT_SECONDS)
        return status

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self._keep_admin_answers()
            self.signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        """SIGKILL, and nothing of it is left but its files."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait_exit()
        self.process.stderr.close()

    def again(self, prepare=None):
        """Start once more, behind an end, with a log of its own."""
        self.address, self.admin_address = None, None
        self.log, self.noise = [], []
        return self.start(prepare)

    def end(self):
        """For fixtures: stop, whatever state it is in; look for alarms, for secrets in what it leaves
        behind, and for a whole log whose lines are as the schema says."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                status = self.stop()
                assert status == 0, f"exit status {status}:\n{self.said()}"
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._log_ended.wait(LIMIT_SECONDS)
            self.process.stderr.close()
        alarms = [line for line in self.noise if any(word in line for word in ALARMS)]
        assert not alarms, self.said()
        self._keep_artefacts()
        leaks.check()
        audit_lines.assert_directory(self.audit)
        if self.address is not None:
            self.verify_audit()

    # --- secrets

    def _use_secrets(self):
        """Tell what is secret in the environment, and in the files that the configuration names."""
        for name, value in self.environment.items():
            if name.startswith("HUAWEICLOUD_"):
                leaks.use(name, value)

        def look(node):
            for key, value in node.items() if isinstance(node, dict) else enumerate(node):
                path = self.directory / value if isinstance(value, str) else None
                if isinstance(value, (dict, list)):
                    look(value)
                elif key in ("key", "checkpoint_key") and path is not None and path.is_file():
                    leaks.use_key_file(path)
                elif key == "token_file" and path is not None and path.is_file():
                    leaks.use_token("a token of the configuration", path.read_bytes())
        look(self.configuration)

    def _keep_admin_answers(self):
        """What the admin listener says at the end. It may have no descriptor left to answer with."""
        for path in ("/metrics", "/readyz") if self.admin_address is not None else ():
            try:
                with Caller(self.admin_address, limit=5) as caller:
                    leaks.keep(path, caller.request("GET", path).body)
            except (OSError, Closed, Cut):
                pass

    def _keep_artefacts(self):
        """What the process has left behind: its log, its output, its audit directory, no core."""
        leaks.keep("the log", b"".join(self._bytes) + self.said().encode())
        folders = [self.audit]
        anchor = self.configuration["audit"].get("anchor")
        if anchor is not None:
            folders.append(self.directory / anchor)
        files = [path for folder in folders for path in sorted(folder.rglob("*"))]
        for path in [self.directory / "stdout", *files]:
            if path.is_file():
                leaks.keep(str(path.relative_to(self.directory)
                               if path.is_relative_to(self.directory) else path),
                           path.read_bytes())
        cores = list(self.directory.glob("core*"))
        assert not cores, f"a core was left: {cores}"

    # --- looking

    def caller(self, source=PLAYOUT):
        return Caller(self.address, source=source)

    def ask(self, method, target, source=PLAYOUT, **more):
        """One request on a connection of its own."""
        with self.caller(source) as caller:
            return caller.request(method, target, **more)

    def admin(self, path):
        with Caller(self.admin_address) as caller:
            answer = caller.request("GET", path)
        leaks.keep(path, answer.body)
        return answer

    def metric(self, name):
        """The value of one sample of /metrics, by its name with labels."""
        for line in self.admin("/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}")

    def records(self):
        """Every whole record of the audit directory, in order."""
        found = []
        for path in sorted(self.audit.glob("audit-*.jsonl")):
            for line in path.read_bytes().split(b"\n")[:-1]:
                found.append(json.loads(line))
        return found

    def find_records(self, **fields):
        return [record for record in self.records()
                if all(record.get(key) == value for key, value in fields.items())]

    def wait_record(self, **fields):
        """Wait for the one record that has these fields."""
        found = until(lambda: self.find_records(**fields),
                      lambda: f"a record with {fields} among {self.records()}")
        assert len(found) == 1, found
        return found[0]

    def verify_audit(self):
        """What `signgate audit verify` says must be good."""
        done = subprocess.run([self.program, "audit", "verify", str(self.audit)],
                              capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
