"""WrittenLog: an audit directory written by hand, so that a test says exactly what is in it."""
import hashlib
import json
import pathlib

from audit_lines import crc32c


class WrittenLog:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.stream = "0123456789abcdef0123456789abcdef"
        self.epoch, self.seq, self.prev = 1, 0, "0" * 64
        self.path = None

    def begin(self, epoch=1, ended=None, time="2026-01-31T00:00:00.000000Z"):
        """Begin a segment where the chain stands."""
        self.epoch = epoch
        self.path = self.directory / f"audit-{epoch:06}-{self.seq + 1:020}.jsonl"
        self.path.touch()
        more = {} if ended is None else {"ended": ended}
        self.add("segment", time, version="test", **more)
        return self

    def line(self, event, time, **members):
        text = json.dumps({"time": time, "event": event, **members}, separators=(",", ":"),
                          ensure_ascii=False)[1:-1]
        self.seq += 1
        before = (f'{{"schema":1,"stream":"{self.stream}","epoch":{self.epoch},"seq":{self.seq},'
                  f'"prev":"{self.prev}",{text}').encode()
        line = before + f',"crc":"{crc32c(before):08x}"}}'.encode()
        self.prev = hashlib.sha256(line).hexdigest()
        return line

    def add(self, event, time, **members):
        line = self.line(event, time, **members)
        with open(self.path, "ab") as file:
            file.write(line + b"\n")
        return line

    def call(self, time, request_id, outcome="success", status=200, ended=None, **members):
        """An intent with its outcome; outcome None: none."""
        common = {"request_id": request_id, "caller": "playout-scheduler", "team": "playout",
                  "method": "DELETE", "path": "/v1/p/flows", "query": "flow_id=f1",
                  "action": "live:ott:deleteFlow", "access_level": "Write", "decision": "allow",
                  **members}
        self.add("intent", time, **common)
        if outcome is not None:
            self.add("outcome", ended or time, **common, status=status, outcome=outcome, sent=True,
                     duration_us=1500)
