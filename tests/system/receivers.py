"""Receivers of the audit log: real programs as processes of their own, each in a directory and on a
port of its own, and what they have written down."""
import os
import pathlib
import signal
import socket
import subprocess

from wait import LIMIT_SECONDS, until


def all_lines(audit):
    """Every whole line of an audit directory, as bytes, in the order of the log."""
    found = []
    for path in sorted(pathlib.Path(audit).glob("audit-*.jsonl")):
        found += path.read_bytes().split(b"\n")[:-1]
    return found


def assert_all_arrived(audit, received):
    """Each line of the log at least once, byte for byte, and in its order apart from repeats."""
    written = all_lines(audit)
    first = list(dict.fromkeys(received))
    strangers = [line for line in first if line not in set(written)]
    assert not strangers, strangers[:3]
    missing = [line for line in written if line not in set(first)]
    assert not missing, f"{len(missing)} of {len(written)} are missing, first {missing[0]}"
    assert first == written


def wait_for_all(audit, receiver):
    """Wait until everything that is in the log now has come; then look at it closely."""
    written = set(all_lines(audit))
    until(lambda: written <= set(receiver.lines()),
          lambda: f"{len(written - set(receiver.lines()))} of {len(written)} lines have not come: "
                  f"{sorted(written - set(receiver.lines()))[:2]}; {receiver.said()[-2000:]}")


def free_port():
    """One that was free a moment ago, for programs that cannot choose one themselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_listening(port, address="0100007F"):
    """Whether somebody listens on a port of 127.0.0.1, without a connection to it."""
    address, state = f"{address}:{port:04X}", "0A"
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == address and fields[3] == state:
            return True
    return False


class Process:
    """A program in the foreground; its output is in a file."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.output = self.directory / "output"
        self.process = None

    def spawn(self, command, **named):
        with open(self.output, "ab") as output:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, cwd=self.directory, **named)

    def said(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(LIMIT_SECONDS)
        self.process = None


class Rsyslog(Process):
    """rsyslogd with one input: what comes is written to a file at once, a line a message."""

    FIELDS = ("pri", "time", "host", "app", "process", "msgid", "data", "message")

    def __init__(self, directory, certificate=None, key=None, authority=None):
        """With a certificate: over TLS."""
        super().__init__(directory)
        self.files = (certificate, key, authority)
        self.file = self.directory / "received"
        self.port_file = self.directory / "port"
        self.port = 0

    @property
    def url(self):
        return (f"tls://localhost:{self.port}" if self.files[0] else f"tcp://127.0.0.1:{self.port}")

    def start(self):
        certificate, key, authority = self.files
        tls = driver = ""
        if certificate is not None:
            driver = (' defaultNetstreamDriver="ossl"'
                      f' defaultNetstreamDriverCAFile="{authority}"'
                      f' defaultNetstreamDriverCertFile="{certificate}"'
                      f' defaultNetstreamDriverKeyFile="{key}"')
            tls = ' streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'
        fields = "|".join(("%pri%", "%timestamp:::date-rfc3339%", "%hostname%", "%app-name%",
                           "%procid%", "%msgid%", "%structured-data%", "%msg%"))
        (self.directory / "rsyslog.conf").write_text(f"""
global(workDirectory="{self.directory}" maxMessageSize="64k"{driver})
main_queue(queue.type="Direct")
module(load="imtcp"{tls})
template(name="line" type="string" string="{fields}\\n")
ruleset(name="received") {{
    action(type="omfile" file="{self.file}" template="line" asyncWriting="off" flushOnTXEnd="on")
}}
input(type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="received"
      listenPortFileName="{self.port_file}")
""")
        before = self.port
        self.spawn(["/usr/sbin/rsyslogd", "-n", "-iNONE", "-f",
                    str(self.directory / "rsyslog.conf")])

        def listens():
            assert self.process.poll() is None, self.said()
            if before != 0:  # it writes down a port that it was free to choose, no other
                return before if is_listening(before) else None
            return self.port_file.exists() and self.port_file.read_text().strip()
        self.port = int(until(listens, lambda: "the port of rsyslogd: " + self.said()))
        return self

    def start_documented(self, text):
        """With a configuration as it is documented, its places changed to ours."""
        certificate, key, authority = self.files
        self.port = free_port()
        for there, here in (("/etc/rsyslog.d/log-ca.crt", authority),
                            ("/etc/rsyslog.d/log.crt", certificate),
                            ("/etc/rsyslog.d/log.key", key),
                            ("/var/spool/rsyslog", self.directory),
                            ("/var/log/signgate/audit.jsonl", self.file),
                            ('port="6514"', f'port="{self.port}"')):
            assert there in text, there
            text = text.replace(there, str(here))
        file = self.directory / "rsyslog.conf"
        file.write_text(text)
        self.spawn(["/usr/sbin/rsyslogd", "-n", "-iNONE", "-f", str(file)])
        until(lambda: is_listening(self.port, "00000000"), lambda: "rsyslogd: " + self.said())
        return self

    def messages(self):
        """What came, taken apart."""
        if not self.file.exists():
            return []
        whole = self.file.read_bytes().split(b"\n")[:-1]
        return [dict(zip(self.FIELDS, line.split(b"|", 7))) for line in whole]

    def lines(self):
        return [message["message"] for message in self.messages()]


class Nginx(Process):
    """nginx that answers every POST with its status and writes the bodies down."""

    def __init__(self, directory, certificate=None, key=None, token=None):
        super().__init__(directory)
        self.files = (certificate, key)
        self.token = token
        self.file = self.directory / "received"
        self.port = 0

    @property
    def url(self):
        return f"{'https' if self.files[0] else 'http'}://localhost:{self.port}/audit?from=test"

    def start(self):
        # It takes a socket that is bound already, so the port cannot be anybody else's.
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        listener.set_inheritable(True)
        self.port = listener.getsockname()[1]
        certificate, key = self.files
        tls = (f"ssl_certificate {certificate}; ssl_certificate_key {key};" if certificate else "")
        guard = (f'if ($http_authorization != "Bearer {self.token}") {{ return 401; }}'
                 if self.token else "")
        places = "\n".join(f"{name}_temp_path {self.directory}/{name};" for name in
                           ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.directory / "nginx.conf").write_text(f"""
daemon off;
{"user root;" if os.getuid() == 0 else ""}
worker_processes 1;
pid {self.directory}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    {places}
    log_format body escape=none '$request_body';
    access_log off;
    client_max_body_size 2m;
    client_body_buffer_size 2m;
    client_body_in_single_buffer on;
    server {{
        listen 127.0.0.1:{self.port}{' ssl' if certificate else ''};
        {tls}
        location = /audit {{
            {guard}
            access_log {self.file} body;
            proxy_pass http://unix:{self.directory}/back;
        }}
    }}
    server {{
        listen unix:{self.directory}/back;
        location / {{ return 204; }}
    }}
}}
""")
        (self.directory / "back").unlink(missing_ok=True)
        self.spawn(["/usr/sbin/nginx", "-e", "stderr", "-p", str(self.directory), "-c",
                    str(self.directory / "nginx.conf")], pass_fds=(listener.fileno(),),
                   env={**os.environ, "NGINX": f"{listener.fileno()};"})
        listener.close()
        return self

    def lines(self):
        """A body ends with a line end, and so does each entry of the log behind it."""
        if not self.file.exists():
            return []
        return [line for line in self.file.read_bytes().split(b"\n") if line]
