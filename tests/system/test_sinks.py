"""Sinks: the audit log goes to real receivers, whole and in order, whatever becomes of them; and
nothing of that is ever in a request's way."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

import cloud as clouds
from certificates import make_key
from gateway import DELETE, DASHBOARD, OUTPUTS, SOURCE
from receivers import Nginx, Rsyslog, all_lines, assert_all_arrived, wait_for_all
from test_metrics import test_the_text_is_well_formed as assert_well_formed
from wait import LIMIT_SECONDS, until

sys.path.append(str(SOURCE / "tests" / "crash"))
from preload import Disk  # pylint: disable=wrong-import-position

TOKEN = "tok.en-for~the+receiver/only=="
LONG = f"{OUTPUTS}?flow_id=f1&output_name=playout-" + "a" * 3000


@pytest.fixture
def new_rsyslog(work, authority):
    made = []

    def new(tls=False, issuer=authority, name="localhost"):
        files = (*issuer.issue(name), issuer.certificate) if tls else ()
        made.append(Rsyslog(work / f"rsyslog{len(made)}", *files))
        return made[-1].start()
    yield new
    for one in made:
        one.stop()


@pytest.fixture
def new_nginx(work, authority):
    made = []

    def new(tls=False, token=None):
        files = authority.issue("localhost") if tls else (None, None)
        made.append(Nginx(work / f"nginx{len(made)}", *files, token=token))
        return made[-1].start()
    yield new
    for one in made:
        one.stop()


@pytest.fixture
def new_receiver(new_cloud):
    """Receivers of the log over http, which do as they are told."""
    def new():
        made = new_cloud()
        made.requests_are_secret = False
        return made
    return new


@pytest.fixture
def receiver(new_receiver):
    """One that says 204 unless it is told otherwise."""
    made = new_receiver()
    made.script(*[clouds.answer(204)] * 1000)
    return made


def syslog(receiver, name="rsyslog", **more):
    return {"name": name, "type": "syslog", "url": receiver.url, **more}


def http(url, name="siem", **more):
    if url.startswith("http://"):
        more["insecure"] = True
    return {"name": name, "type": "http", "url": url, **more}


def write_token(gateway, token=TOKEN, mode=0o600):
    gateway.directory.mkdir(exist_ok=True)
    path = gateway.directory / "sink.token"
    path.write_text(token + "\n")
    path.chmod(mode)
    return "sink.token"


def with_sinks(new_gateway, cloud, *sinks, **audit):
    gateway = new_gateway(cloud)
    gateway.configuration["audit"].update(sinks=list(sinks), **audit)
    return gateway


def sink_metric(gateway, name, sink):
    return gateway.metric(f'signgate_audit_sink_{name}{{sink="{sink}"}}')


def ask_some(gateway, count=20, target=DELETE):
    """Requests, and their records: an outcome may come a moment after its answer."""
    with gateway.caller() as caller:
        for _ in range(count):
            assert caller.request("DELETE", target).status == 200
    until(lambda: open_intents(gateway) == 0, "the outcome of every intent")


def open_intents(gateway):
    log = b"\n".join(all_lines(gateway.audit))
    return log.count(b'"event":"intent"') - log.count(b'"event":"outcome"')


class Load:
    """Requests one after another until it is told to stop; each must be answered well."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.count = 0
        self.fault = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def _run(self):
        try:
            with self.gateway.caller() as caller:
                while not self._stop.is_set():
                    status = caller.request("DELETE", DELETE).status
                    assert status == 200, status
                    self.count += 1
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault

    def wait_for_more(self, count):
        goal = self.count + count
        until(lambda: self.fault or self.count >= goal, lambda: f"{goal} requests: {self.count}")
        assert self.fault is None, self.fault

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(LIMIT_SECONDS)


# --- syslog


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_every_record_reaches_rsyslog_once_and_exactly(new_gateway, cloud, new_rsyslog, authority,
                                                       tls):
    rsyslog = new_rsyslog(tls)
    more = {"ca_file": str(authority.certificate)} if tls else {}
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog, **more)).start()
    ask_some(gateway)
    assert gateway.ask("DELETE", DELETE, source=DASHBOARD).status == 403
    ask_some(gateway, 1, LONG)
    wait_for_all(gateway.audit, rsyslog)
    wait_until_acknowledged(gateway, "rsyslog")
    until(lambda: sink_metric(gateway, "lag_bytes", "rsyslog") == 0, "no lag")
    assert sink_metric(gateway, "connected", "rsyslog") == 1
    assert sink_metric(gateway, "records_total", "rsyslog") == len(all_lines(gateway.audit))
    assert sink_metric(gateway, "failures_total", "rsyslog") == 0
    assert_well_formed(gateway)
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)  # stop included, nothing twice
    for message in rsyslog.messages():
        record = json.loads(message["message"])
        assert message["msgid"].decode() == record["event"]
        assert message["pri"] == (b"108" if record["event"] == "denied" else b"109")
        assert message["time"].decode() == record["time"]
        assert message["app"] == b"signgate"
        assert message["data"].decode() == (
            f'[signgate@32473 stream="{record["stream"]}" epoch="{record["epoch"]}" '
            f'seq="{record["seq"]}"]')
    rsyslog.stop()
    assert "error" not in rsyslog.said().lower(), rsyslog.said()  # TLS was closed in order


def test_after_an_orderly_stop_nothing_is_sent_twice(new_gateway, cloud, new_rsyslog):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    ask_some(gateway)
    assert gateway.stop() == 0
    gateway.again()
    ask_some(gateway)
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_rsyslog_is_restarted_under_load(new_gateway, cloud, new_rsyslog, number):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    with Load(gateway) as load:
        for _ in range(4):
            load.wait_for_more(50)
            rsyslog.stop(number)
            load.wait_for_more(50)
            rsyslog.start()
            before = len(rsyslog.lines())
            until(lambda n=before: load.fault or len(rsyslog.lines()) > n, "lines after a restart")
    assert load.fault is None, load.fault
    wait_for_all(gateway.audit, rsyslog)
    assert gateway.stop() == 0
    assert_all_arrived(gateway.audit, rsyslog.lines())
    assert gateway.find_records(event="outcome", outcome="success")


def test_a_receiver_that_is_stopped_costs_its_lag_alone(new_gateway, cloud, new_rsyslog):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    ask_some(gateway)
    wait_for_all(gateway.audit, rsyslog)
    rsyslog.send_signal(signal.SIGSTOP)
    while True:  # more than all buffers between hold
        ask_some(gateway, 100, LONG)
        if sink_metric(gateway, "lag_bytes", "rsyslog") > 1 << 20:
            break
    assert gateway.admin("/readyz").status == 200
    rsyslog.send_signal(signal.SIGCONT)
    wait_for_all(gateway.audit, rsyslog)
    assert sink_metric(gateway, "failures_total", "rsyslog") == 0
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)  # it was never given up


def test_the_gateway_is_killed_and_started_again(new_gateway, cloud, new_rsyslog, receiver):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog), http(receiver.url + "/x")).start()
    for _ in range(3):
        ask_some(gateway, 30)
        with Load(gateway) as load:
            load.wait_for_more(20)
            gateway.kill()
        gateway.again()
    ask_some(gateway)
    assert gateway.stop() == 0
    assert_all_arrived(gateway.audit, rsyslog.lines())
    assert_all_arrived(gateway.audit, http_lines(receiver))


def test_a_receiver_that_comes_late_gets_everything(new_gateway, cloud, new_rsyslog):
    rsyslog = new_rsyslog()
    rsyslog.stop()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    ask_some(gateway)
    line = gateway.wait_log("an audit sink fails; it is tried until it works, and loses nothing")
    assert line["sink"] == "rsyslog" and "refused" in line["error"]
    until(lambda: sink_metric(gateway, "failures_total", "rsyslog") >= 2, "another try")
    assert sink_metric(gateway, "connected", "rsyslog") == 0
    assert sink_metric(gateway, "lag_bytes", "rsyslog") > 0
    assert len([line for line in gateway.log if "audit sink fails" in line["message"]]) == 1
    rsyslog.start()
    gateway.wait_log("an audit sink works", sink="rsyslog")
    wait_for_all(gateway.audit, rsyslog)
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)


def test_a_receiver_that_is_not_trusted_gets_nothing(new_gateway, cloud, new_rsyslog, authority,
                                                     other_authority):
    stranger = new_rsyslog(tls=True, issuer=other_authority)
    renamed = new_rsyslog(tls=True, name="other.example")
    plain = new_rsyslog()
    trust = {"ca_file": str(authority.certificate)}
    gateway = with_sinks(
        new_gateway, cloud, syslog(stranger, "stranger", **trust),
        syslog(renamed, "renamed", **trust), syslog(plain, "good"),
        {"name": "notls", "type": "syslog", "url": f"tls://localhost:{plain.port}", **trust},
    ).start()
    ask_some(gateway)
    wait_for_all(gateway.audit, plain)
    for name, word in (("stranger", "certificate"), ("renamed", "certificate"), ("notls", "did not end in time")):
        line = gateway.wait_log(
            "an audit sink fails; it is tried until it works, and loses nothing", sink=name)
        assert word in line["error"], line
        assert sink_metric(gateway, "records_total", name) == 0
    assert gateway.stop() == 0
    assert stranger.lines() == renamed.lines() == []


def test_a_position_that_was_changed_is_told_and_everything_sent_again(new_gateway, cloud,
                                                                       new_rsyslog):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    ask_some(gateway)
    assert gateway.stop() == 0
    before = all_lines(gateway.audit)
    assert rsyslog.lines() == before
    cursor = gateway.audit / "cursor-rsyslog"
    assert cursor.stat().st_mode & 0o777 == 0o640
    cursor.write_text(cursor.read_text().replace("offset ", "offset 1"))
    gateway.again()
    line = gateway.wait_log("the position of an audit sink is lost: it gets the whole log again")
    assert line["level"] == "error" and "torn or changed" in line["error"]
    assert gateway.stop() == 0
    assert rsyslog.lines() == before + all_lines(gateway.audit)


def test_the_documented_rsyslog_takes_the_largest_records(new_gateway, cloud, work, authority):
    text = (SOURCE / "docs" / "shipping.md").read_text()
    sample, = [part for part in text.split("```\n") if part.startswith("# /etc/rsyslog.d")]
    rsyslog = Rsyslog(work / "documented", *authority.issue("localhost"), authority.certificate)
    rsyslog.start_documented(sample)
    try:
        gateway = with_sinks(new_gateway, cloud,
                             syslog(rsyslog, ca_file=str(authority.certificate))).start()
        # Each byte of a target that can triple does so, and stands in two members.
        longest = f"{OUTPUTS}?flow_id=f1&output_name=playout-" + "%3C" * 2690
        ask_some(gateway, 2, longest)
        assert max(map(len, all_lines(gateway.audit))) > 16000
        assert gateway.stop() == 0
        until(lambda: rsyslog.file.exists() and
              rsyslog.file.read_bytes().split(b"\n")[:-1] == all_lines(gateway.audit),
              lambda: "all lines in rsyslog's file: " + rsyslog.said())
    finally:
        rsyslog.stop()


# --- http


def http_lines(receiver):
    found = []
    for request in receiver.requests:
        assert request.method == "POST"
        assert request.header("Content-Type") == "application/x-ndjson"
        assert request.body.endswith(b"\n")
        found += request.body.split(b"\n")[:-1]
    return found


def test_every_record_reaches_nginx_once_and_exactly(new_gateway, cloud, new_nginx, authority):
    nginx = new_nginx(tls=True, token=TOKEN)
    gateway = with_sinks(new_gateway, cloud,
                         http(nginx.url, ca_file=str(authority.certificate),
                              token_file="sink.token"))
    write_token(gateway)
    gateway.start()
    ask_some(gateway, 300)
    ask_some(gateway, 50, LONG)
    wait_for_all(gateway.audit, nginx)
    wait_until_acknowledged(gateway, "siem")
    until(lambda: sink_metric(gateway, "lag_bytes", "siem") == 0, "no lag")
    assert sink_metric(gateway, "records_total", "siem") == len(all_lines(gateway.audit))
    assert sink_metric(gateway, "connected", "siem") == 1
    assert gateway.stop() == 0
    assert nginx.lines() == all_lines(gateway.audit)
    assert TOKEN not in gateway.said()
    assert all(TOKEN.encode() not in line for line in all_lines(gateway.audit))


def test_a_wrong_token_is_told_and_put_right_by_a_reload(new_gateway, cloud, new_nginx):
    nginx = new_nginx(token=TOKEN)
    gateway = with_sinks(new_gateway, cloud, http(nginx.url, token_file="sink.token"))
    write_token(gateway, "wrong")
    gateway.start()
    ask_some(gateway)
    line = gateway.wait_log("an audit sink fails; it is tried until it works, and loses nothing")
    assert line["error"] == "the receiver answered 401: it does not accept the token"
    write_token(gateway)
    assert gateway.reload()["message"] == "reloaded"
    gateway.wait_log("an audit sink works", sink="siem")
    wait_for_all(gateway.audit, nginx)
    # One that others may read is refused, and the one before stays in use.
    write_token(gateway, mode=0o644)
    assert "others can get at the secret in it" in gateway.reload()["error"]
    ask_some(gateway)
    wait_for_all(gateway.audit, nginx)
    assert gateway.stop() == 0
    assert nginx.lines() == all_lines(gateway.audit)
    assert "wrong" not in gateway.said() and TOKEN not in gateway.said()


def test_answers_that_are_none_are_no_acknowledgement(new_gateway, cloud, new_receiver):
    receiver = new_receiver()
    receiver.script(
        clouds.reset, clouds.close, clouds.answer(500), clouds.answer(302, headers=[
            ("Location", "http://127.0.0.1:1/")]),
        clouds.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), clouds.raw(b"\x00" * 64),
        clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"),
        clouds.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"),
        *[clouds.answer(200)] * 100)
    gateway = with_sinks(new_gateway, cloud, http(receiver.url + "/")).start()
    ask_some(gateway, 5)
    # Each reload tries at once: the waits of a minute are tested in the unit tests.
    for count in range(1, 9):
        receiver.wait_for(count)
        until(lambda n=count: sink_metric(gateway, "failures_total", "siem") >= n, "a failure told")
        assert sink_metric(gateway, "records_total", "siem") == 0
        assert gateway.reload()["message"] == "reloaded"
    wait_until_acknowledged(gateway, "siem")
    assert gateway.stop() == 0
    assert_all_arrived(gateway.audit, http_lines(receiver))
    errors = {line["error"] for line in gateway.log if "audit sink fails" in line["message"]}
    assert {"the receiver answered 500", "the receiver answered 302"} <= errors, errors


def test_a_position_that_cannot_be_saved_is_told_and_saved_later(new_gateway, cloud, receiver):
    gateway = with_sinks(new_gateway, cloud, http(receiver.url + "/"))
    disk = Disk(gateway)
    disk.rule("create:.cursor-siem * ENOSPC")
    gateway.start()
    ask_some(gateway)
    gateway.wait_log("the position of an audit sink cannot be saved; a restart sends lines again")
    wait_until_acknowledged(gateway, "siem")
    assert not (gateway.audit / "cursor-siem").exists()
    disk.heal()
    assert gateway.stop() == 0
    assert (gateway.audit / "cursor-siem").exists()
    assert http_lines(receiver) == all_lines(gateway.audit)


def wait_until_acknowledged(gateway, sink):
    last = gateway.records()[-1]["seq"]
    until(lambda: sink_metric(gateway, "position_seq", sink) >= last, gateway.said)


def test_retry_after_is_honoured(new_gateway, cloud, receiver, new_receiver):
    busy = new_receiver()
    busy.script(clouds.answer(503, headers=[("Retry-After", "3600")]), clouds.answer(204))
    gateway = with_sinks(new_gateway, cloud, http(busy.url + "/", "busy"),
                         http(receiver.url + "/", "free")).start()
    ask_some(gateway)
    busy.wait_for(1)
    # Five batches of the other sink later it has not been asked again.
    for count in range(1, 6):
        ask_some(gateway, 2)
        receiver.wait_for(count)
        wait_until_acknowledged(gateway, "free")
    assert len(busy.requests) == 1
    assert sink_metric(gateway, "failures_total", "busy") == 1
    assert gateway.stop() == 0  # the last chance, at the end
    assert len(busy.requests) == 2
    assert_all_arrived(gateway.audit, http_lines(receiver))


def test_what_is_too_large_comes_in_halves(new_gateway, cloud, receiver):
    sizes = []

    def at_most_7(exchange):
        lines = exchange.request.body.count(b"\n")
        sizes.append(lines)
        return clouds.answer(413 if lines > 7 else 204)(exchange)
    receiver._behaviours[:] = [at_most_7] * 1000  # pylint: disable=protected-access
    gateway = with_sinks(new_gateway, cloud, http(receiver.url + "/")).start()
    ask_some(gateway, 60)
    wait_until_acknowledged(gateway, "siem")
    assert gateway.stop() == 0
    assert max(sizes) > 7
    good = [request.body for request, size in zip(receiver.requests, sizes) if size <= 7]
    assert b"".join(good).split(b"\n")[:-1] == all_lines(gateway.audit)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_line_that_is_refused_is_told_and_never_left_out(new_gateway, cloud, receiver, status):
    good = []
    refusing = threading.Event()
    refusing.set()

    def judge(exchange):
        bad = refusing.is_set() and b"poisoned" in exchange.request.body
        if not bad:
            good.append(exchange.request.body)
        return clouds.answer(status if bad else 200)(exchange)
    receiver._behaviours[:] = [judge] * 10000  # pylint: disable=protected-access
    gateway = with_sinks(new_gateway, cloud, http(receiver.url + "/")).start()
    ask_some(gateway, 10)
    ask_some(gateway, 1, f"{OUTPUTS}?flow_id=f1&output_name=playout-poisoned")
    ask_some(gateway, 10)
    line = gateway.wait_log("an audit sink refuses a line: nothing behind it can be handed on")
    assert line["level"] == "error" and line["status"] == status
    poisoned = [record for record in gateway.records()
                if "poisoned" in record.get("query", "")]
    assert line["seq"] == poisoned[0]["seq"]
    # All before it has come, nothing behind it.
    assert sink_metric(gateway, "position_seq", "siem") == line["seq"] - 1
    refusing.clear()
    assert gateway.reload()["message"] == "reloaded"
    wait_until_acknowledged(gateway, "siem")
    assert gateway.stop() == 0
    assert b"".join(good).split(b"\n")[:-1] == all_lines(gateway.audit)


def test_receivers_that_hang_hold_up_nobody(new_gateway, cloud, new_receiver, receiver):
    silent = new_receiver()
    silent.script(*[clouds.hang] * 100)
    deaf = socket.create_server(("127.0.0.1", 0))  # takes connections, and never shakes hands
    authority = f"127.0.0.1:{deaf.getsockname()[1]}"
    gateway = with_sinks(
        new_gateway, cloud, http(silent.url + "/", "silent"),
        http(f"https://{authority}/", "deaf"),
        {"name": "nobody", "type": "syslog", "url": f"tls://{authority}"},
        {"name": "noname", "type": "syslog", "url": "tcp://nowhere.invalid:514"},
        http(receiver.url + "/", "good")).start()
    ask_some(gateway)
    silent.wait_for(1)
    wait_until_acknowledged(gateway, "good")
    gateway.wait_log("an audit sink fails; it is tried until it works, and loses nothing",
                     sink="noname")
    ask_some(gateway)
    wait_until_acknowledged(gateway, "good")
    assert gateway.stop() == 0
    deaf.close()
    assert_all_arrived(gateway.audit, http_lines(receiver))


def test_a_directory_that_is_made_anew_is_followed(new_gateway, cloud, new_rsyslog, receiver):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog), http(receiver.url + "/")).start()
    ask_some(gateway)
    wait_for_all(gateway.audit, rsyslog)
    wait_until_acknowledged(gateway, "siem")
    shutil.rmtree(gateway.audit)
    until(lambda: gateway.ask("DELETE", DELETE).status == 200, "a log again")
    ask_some(gateway)
    assert gateway.stop() == 0
    written = [line for line in all_lines(gateway.audit) if b'"event":"replay"' not in line]
    assert set(written) <= set(rsyslog.lines())
    assert set(written) <= set(http_lines(receiver))


# --- reload


def test_a_reload_adds_changes_and_removes_sinks(new_gateway, cloud, new_rsyslog, receiver):
    first, second = new_rsyslog(), new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(first)).start()
    ask_some(gateway)
    wait_for_all(gateway.audit, first)
    # One more: it gets everything from the beginning; the other one is not disturbed.
    gateway.configuration["audit"]["sinks"] = [syslog(first), http(receiver.url + "/")]
    assert gateway.reload()["message"] == "reloaded"
    ask_some(gateway)
    wait_until_acknowledged(gateway, "siem")
    wait_for_all(gateway.audit, first)
    assert first.lines() == all_lines(gateway.audit)  # nothing twice
    # Another receiver under the same name goes on where the first one was.
    gateway.configuration["audit"]["sinks"] = [syslog(second), http(receiver.url + "/")]
    assert gateway.reload()["message"] == "reloaded"
    while not second.lines():  # the first one gets what there is until it has closed
        ask_some(gateway, 2)
    until(lambda: first.lines() + second.lines() == all_lines(gateway.audit),
          lambda: f"the rest at the second receiver: {len(first.lines())} lines, "
                  f"{len(second.lines())} lines of {len(all_lines(gateway.audit))}")
    # None at all.
    gateway.configuration["audit"]["sinks"] = []
    assert gateway.reload()["message"] == "reloaded"
    assert "signgate_audit_sink" not in gateway.admin("/metrics").body.decode()
    ask_some(gateway)
    # And again: it has missed nothing.
    gateway.configuration["audit"]["sinks"] = [syslog(second), http(receiver.url + "/")]
    assert gateway.reload()["message"] == "reloaded"
    assert gateway.stop() == 0
    assert first.lines() + second.lines() == all_lines(gateway.audit)
    assert http_lines(receiver) == all_lines(gateway.audit)


def test_a_reload_with_a_bad_sink_changes_nothing(new_gateway, cloud, new_rsyslog):
    rsyslog = new_rsyslog()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog)).start()
    gateway.configuration["audit"]["sinks"] = [syslog(rsyslog), syslog(rsyslog)]
    assert "stands twice" in gateway.reload()["error"]
    ask_some(gateway)
    wait_for_all(gateway.audit, rsyslog)
    gateway.configuration["audit"]["sinks"] = [syslog(rsyslog)]
    assert gateway.reload()["message"] == "reloaded"
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)


# --- retain


def make_old(path, days):
    stamp = path.stat().st_mtime - days * 86400
    os.utime(path, (stamp, stamp))


def test_old_segments_go_when_everybody_has_them(new_gateway, cloud, new_rsyslog):
    rsyslog = new_rsyslog()
    rsyslog.stop()
    gateway = with_sinks(new_gateway, cloud, syslog(rsyslog), retain="30d")
    for start in (gateway.start, gateway.again, gateway.again):  # a segment each
        start()
        ask_some(gateway, 5)
        assert gateway.stop() == 0
    oldest, middle, newest = sorted(gateway.audit.glob("audit-*.jsonl"))
    written = all_lines(gateway.audit)
    make_old(oldest, 31)
    make_old(middle, 29)
    make_old(newest, 31)
    gateway.again()
    gateway.wait_log("an audit sink fails; it is tried until it works, and loses nothing")
    assert gateway.reload()["message"] == "reloaded"
    assert oldest.exists()  # nobody has it yet
    rsyslog.start()
    until(lambda: set(written) <= set(rsyslog.lines()), "all at the receiver")
    assert gateway.stop() == 0
    gateway.again()
    line = gateway.wait_log("an old audit segment was deleted")
    assert line["segment"] == oldest.name
    assert not oldest.exists() and middle.exists() and newest.exists()
    ask_some(gateway, 5)
    assert gateway.stop() == 0
    assert rsyslog.lines()[-len(all_lines(gateway.audit)):] == all_lines(gateway.audit)


def test_old_segments_go_where_nobody_follows(new_gateway, cloud):
    gateway = with_sinks(new_gateway, cloud, retain="1d")
    gateway.start()
    assert gateway.stop() == 0
    oldest, = gateway.audit.glob("audit-*.jsonl")
    make_old(oldest, 2)
    gateway.again()
    gateway.wait_log("an old audit segment was deleted", segment=oldest.name)
    assert not oldest.exists()


# --- anchor


def note(stream, seq, epoch=1):
    return (f"audit.signgate/{stream}\n{epoch} {seq}\nbm90\n1700000000\n{'0' * 64}\n\n"
            f"\u2014 audit.signgate/{stream} AAAA{seq}\n").encode()


class Anchor:
    """The folder, and notes made by hand in the audit directory."""

    def __init__(self, gateway, work):
        self.gateway = gateway
        self.folder = work / "anchor"
        self.made = []

    @property
    def file(self):
        return self.folder / f"{self.stream}.note"

    @property
    def stream(self):
        return (self.gateway.audit / "STREAM").read_text().strip()

    def add(self, seq):
        """One more note, beside the newest segment."""
        path = sorted(self.gateway.audit.glob("audit-*.jsonl"))[-1].with_suffix(".note")
        self.made.append(note(self.stream, seq))
        with open(path, "ab") as file:
            file.write((b"\n" if path.stat().st_size else b"") + self.made[-1])

    def wait(self):
        def whole():
            return self.file.exists() and self.file.read_bytes() == b"\n".join(self.made)
        until(whole, lambda: f"{self.made} in the anchor: {self.gateway.said()}")
        until(lambda: self.gateway.metric("signgate_audit_anchor_lag_notes") == 0, "no lag")


@pytest.fixture
def anchored(new_gateway, cloud, work):
    gateway = with_sinks(new_gateway, cloud, anchor=str(work / "anchor"))
    yield gateway, Anchor(gateway, work)
    if gateway.process.poll() is None:
        assert gateway.stop() == 0
    for path in gateway.audit.glob("audit-*.note"):
        path.unlink()  # they are no notes of this log, and verify would say so


def test_notes_are_copied_to_the_anchor(anchored):
    gateway, anchor = anchored
    anchor.folder.mkdir()
    gateway.start()
    gateway.wait_log("the audit anchor works")
    for seq in range(1, 5):
        anchor.add(seq)
        if seq % 2:
            anchor.wait()
    anchor.wait()
    assert_well_formed(gateway)
    anchor.add(5)
    assert gateway.stop() == 0  # what is left is copied at the end
    assert anchor.file.read_bytes() == b"\n".join(anchor.made)
    # A restart goes on behind the last one; what a crash left of a copy is cut away.
    with open(anchor.file, "ab") as file:
        file.write(b"\n" + note(anchor.stream, 6)[:-3])
    gateway.again()
    anchor.wait()
    anchor.add(6)
    anchor.wait()
    assert gateway.metric("signgate_audit_anchor_failures_total") == 0


def test_an_anchor_that_comes_and_goes(anchored):
    gateway, anchor = anchored
    gateway.start()
    line = gateway.wait_log("the audit anchor fails; it is tried until it works")
    assert str(anchor.folder) in line["detail"]
    anchor.add(1)
    anchor.add(2)
    until(lambda: gateway.metric("signgate_audit_anchor_lag_notes") == 2, "lag")
    assert gateway.metric("signgate_audit_anchor_failures_total") >= 1
    ask_some(gateway)
    anchor.folder.mkdir()
    anchor.wait()
    # Removed behind its back: made again from the notes that are here.
    anchor.file.unlink()
    gateway.wait_log("the audit anchor works", start=len(gateway.log))
    anchor.wait()
    assert gateway.stop() == 0


def test_an_anchor_that_hangs_holds_up_nobody(anchored, new_rsyslog):
    gateway, anchor = anchored
    rsyslog = new_rsyslog()
    anchor.folder.mkdir()
    gateway.configuration["audit"]["sinks"] = [syslog(rsyslog)]
    disk = Disk(gateway)
    gateway.environment["SG_DISK_DIRECTORY"] = str(anchor.folder.resolve())
    gateway.start()
    anchor.add(1)
    anchor.wait()
    disk.rule("fsync * hang")
    anchor.add(2)
    until(lambda: disk.used() > 0, "the anchor to hang")
    anchor.add(3)
    until(lambda: gateway.metric("signgate_audit_anchor_lag_notes") == 2, "lag")
    ask_some(gateway)
    wait_for_all(gateway.audit, rsyslog)
    assert gateway.stop() == 0
    assert rsyslog.lines() == all_lines(gateway.audit)
    disk.heal()
    gateway.again()
    anchor.wait()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_anchor_whose_disk_fails_gets_everything_in_the_end(anchored, call):
    gateway, anchor = anchored
    anchor.folder.mkdir()
    disk = Disk(gateway)
    gateway.environment["SG_DISK_DIRECTORY"] = str(anchor.folder.resolve())
    gateway.start()
    anchor.add(1)
    anchor.wait()
    disk.rule("write 1 short 20" if call == "write" else "fsync 1 EIO")
    anchor.add(2)
    gateway.wait_log("the audit anchor fails; it is tried until it works")
    anchor.wait()
    assert gateway.metric("signgate_audit_anchor_failures_total") == 1
    gateway.wait_log("the audit anchor works", start=len(gateway.log) - 1)


def test_real_checkpoints_are_anchored(new_gateway, cloud, work):
    key, _ = make_key(work, "checkpoint")
    gateway = with_sinks(new_gateway, cloud, anchor=str(work / "anchor"), checkpoint_key=str(key))
    anchor = Anchor(gateway, work)
    anchor.folder.mkdir()
    for start in (gateway.start, gateway.again):
        start()
        ask_some(gateway)
        assert gateway.stop() == 0
        notes = b"\n".join(path.read_bytes()
                           for path in sorted(gateway.audit.glob("audit-*.note")))
        assert anchor.file.read_bytes() == notes != b""


def test_an_anchor_that_is_ahead_of_the_log_is_told(anchored):
    gateway, anchor = anchored
    anchor.folder.mkdir()
    gateway.start()
    anchor.add(1)
    anchor.wait()
    assert gateway.stop() == 0
    anchor.file.write_bytes(anchor.file.read_bytes() + b"\n" + note(anchor.stream, 1000))
    gateway.again()
    line = gateway.wait_log("the audit anchor and the audit log do not agree")
    assert line["level"] == "error" and "1000" in line["detail"]
    assert gateway.stop() == 0


def test_an_anchor_keeps_old_segments_until_it_has_their_notes(anchored):
    gateway, anchor = anchored
    gateway.configuration["audit"]["retain"] = "30d"
    gateway.start()
    anchor.add(1)
    assert gateway.stop() == 0
    oldest, = gateway.audit.glob("audit-*.jsonl")
    make_old(oldest, 31)
    gateway.again()
    gateway.wait_log("the audit anchor fails; it is tried until it works")
    assert gateway.reload()["message"] == "reloaded"
    assert oldest.exists()
    anchor.folder.mkdir()
    anchor.wait()
    start = len(gateway.log)
    assert gateway.reload()["message"] == "reloaded"
    assert gateway.wait_log("an old audit segment was deleted", start)["segment"] == oldest.name
    assert not oldest.with_suffix(".note").exists()
    assert gateway.stop() == 0


# --- check


def test_check_counts_sinks_and_reads_their_tokens(new_gateway, cloud, program):
    gateway = with_sinks(new_gateway, cloud,
                         http("https://siem.example.com/in", token_file="sink.token"))
    write_token(gateway)
    gateway.write()

    def check():
        return subprocess.run([program, "check", "-c", gateway.file], capture_output=True,
                              text=True, timeout=LIMIT_SECONDS, check=False)
    done = check()
    assert done.returncode == 0, done.stderr
    assert "1 audit sink" in done.stdout
    for text, mode, word in ((TOKEN, 0o644, "others can get at the secret in it"),
                             (TOKEN, 0o660, "its group can change it"),
                             ("two words", 0o600, "holds no bearer token"),
                             ("", 0o600, "holds no bearer token"),
                             ("a\nb", 0o600, "holds no bearer token")):
        write_token(gateway, text, mode)
        done = check()
        assert done.returncode == 1 and word in done.stderr, done.stderr
        assert TOKEN not in done.stderr and "two words" not in done.stderr
