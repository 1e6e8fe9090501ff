"""An audit directory, read without the program: an independent judge of what the program says of it.

Each segment is read as far as its lines follow one another. Its first line says behind which line of
all that was before it goes on, and how many bytes lie between: that must be so to the byte. What the
log says is its records in order, each replayed line in its original's form."""
import hashlib
import json
import re

from audit_lines import crc32c

NAME = re.compile(r"audit-(\d{6})-(\d{20})\.jsonl")
LINE = re.compile(rb'\{"schema":1,"stream":"([0-9a-f]{32})","epoch":(\d+),"seq":(\d+),'
                  rb'"prev":"([0-9a-f]{64})",.*,"crc":"([0-9a-f]{8})"\}', re.S)
NEW_EPOCH = ("torn", "failed", "damaged")
SAME_EPOCH = ("clean", "rotated")
GONE = ("unlinked", "replaced")  # of these the previous segment need not be there



class Line:
    def __init__(self, raw):
        """raw: without its LF. ValueError when it is no line of a log, or its checksum is wrong."""
        match = LINE.fullmatch(raw)
        if not match:
            raise ValueError("form")
        if int(match.group(5), 16) != crc32c(raw[:-len(b',"crc":"00000000"}')]):
            raise ValueError("crc")
        self.raw = raw
        self.stream = match.group(1).decode()
        self.epoch, self.seq = int(match.group(2)), int(match.group(3))
        self.prev = match.group(4).decode()
        self.record = json.loads(raw)
        self.hash = hashlib.sha256(raw).hexdigest()


_lines = {}  # raw: Line; a log is read many times while it grows


def parse(raw):
    if raw not in _lines:
        if len(_lines) > 200000:
            _lines.clear()
        _lines[raw] = Line(raw)
    return _lines[raw]


class Segment:
    def __init__(self, path):
        match = NAME.fullmatch(path.name)
        self.name = path.name
        self.epoch, self.first_seq = int(match.group(1)), int(match.group(2))
        # What took its place is not it.
        self.data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        self.lines = []      # that follow one another within this file
        self.good_bytes = 0  # up to their end
        self.ends = [0]      # byte offsets behind 0, 1, 2 ... lines
        self.fault = None
        self._read()
        self.good_behind = self._look_behind()

    def _read(self):
        while True:
            end = self.data.find(b"\n", self.good_bytes)
            if end < 0:
                self.fault = "torn" if self.good_bytes < len(self.data) or not self.lines else None
                return
            try:
                line = parse(self.data[self.good_bytes:end])
            except ValueError as error:
                self.fault = str(error)
                return
            if self.lines:
                last = self.lines[-1]
                if (line.stream, line.epoch, line.seq, line.prev) != (
                        last.stream, last.epoch, last.seq + 1, last.hash):
                    self.fault = "chain"
                    return
            if (line.record["event"] == "segment") != (not self.lines):
                self.fault = "segment"
                return
            self.lines.append(line)
            self.good_bytes = end + 1
            self.ends.append(self.good_bytes)

    def _look_behind(self):
        """Whether behind the first bad byte stands a line that is good by itself."""
        for raw in self.data[self.good_bytes:].split(b"\n")[:-1]:
            try:
                parse(raw)
            except ValueError:
                continue
            return True
        return False

    @property
    def declaration(self):
        return self.lines[0].record if self.lines else None


class Log:
    def __init__(self, directory):
        self.segments = [Segment(path) for path in sorted(directory.glob("audit-*.jsonl"))
                         if NAME.fullmatch(path.name)]
        self.problems = []
        self.torn = False  # there are bytes behind the last line, and nothing says so yet
        self.lines = []
        self._judge()
        self.records = [self._original(line) for line in self.lines]
        self._pair()

    def _bad(self, segment, text):
        self.problems.append(f"{segment.name}: {text}")

    def _judge(self):
        """Join the segments by what each says of what was before it."""
        chain = []  # (line, number of its segment, its number there)
        for index, segment in enumerate(self.segments):
            if not segment.lines:
                continue  # a later one declares its bytes, or it is the end
            first = segment.lines[0]
            if (segment.epoch, segment.first_seq) != (first.epoch, first.seq):
                self._bad(segment, "its name does not fit its first line")
            if first.record["event"] != "segment":
                self._bad(segment, "it does not begin with a line of its own")
            if "ended" in first.record:
                self._judge_join(chain, index)
            elif index > 0 or (first.seq, first.prev) != (1, "0" * 64):
                self._bad(segment, "it does not say how what was before it ended")
            chain += [(line, index, number) for number, line in enumerate(segment.lines)]
        self.lines = [line for line, _, _ in chain]
        at, number = chain[-1][1:] if chain else (0, -1)
        self.torn = bool(self._behind(at, number, len(self.segments))) or (
            at < len(self.segments) - 1) or (bool(self.segments) and not chain)
        for segment in self.segments[at:]:
            if segment.good_behind:
                self._bad(segment, f"{segment.fault}, with good lines behind")

    def _behind(self, index, number, end):
        """The bytes behind a line, up to the segment number end."""
        data = b"".join(segment.data for segment in self.segments[index + 1:end])
        return self.segments[index].data[self.segments[index].ends[number + 1]:] + data \
            if index < end else b""

    def _judge_join(self, chain, index):
        segment = self.segments[index]
        first, said = segment.lines[0], segment.declaration
        before = self.segments[:index]
        if (said["last_good_seq"], said["last_good_hash"]) != (first.seq - 1, first.prev):
            self._bad(segment, "it does not follow the line that it calls the last good one")
        if before and said["previous"] != before[-1].name and said.get("op") not in GONE:
            self._bad(segment, f"previous is {said['previous']}, not {before[-1].name}")
        while chain and chain[-1][0].hash != first.prev:
            chain.pop()
        if before and not chain and first.seq > 1:
            self._bad(segment, f"no line is the one that it follows, {first.seq - 1}")
            return
        last, at, number = chain[-1] if chain else (None, 0, -1)
        extra = self._behind(at, number, index)
        if said["extra_bytes"] != len(extra):
            self._bad(segment, f"extra_bytes is {said['extra_bytes']}, there are {len(extra)}")
        elif extra and said["extra_sha256"] != hashlib.sha256(extra).hexdigest():
            self._bad(segment, "extra_sha256 does not fit")
        if last is not None and first.stream != last.stream:
            self._bad(segment, "it is of another stream")
        self._judge_epoch(segment, last, before, extra)

    def _judge_epoch(self, segment, last, before, extra):
        ended, epoch = segment.declaration["ended"], segment.lines[0].epoch
        used = max((one.epoch for one in before), default=0)
        if ended in SAME_EPOCH:
            if extra:
                self._bad(segment, f"it says {ended} of one with bytes behind its last line")
            if last is not None and epoch != last.epoch:
                self._bad(segment, f"epoch {epoch} behind {last.epoch}, and {ended}")
            if last is not None and ended == "clean" and last.record["event"] != "stop":
                self._bad(segment, "it says clean of one that does not end with stop")
        elif ended not in NEW_EPOCH:
            self._bad(segment, f"ended is {ended!r}")
        elif epoch <= used or (ended != "failed" and before and epoch != used + 1):
            self._bad(segment, f"epoch {epoch} behind {used}, and {ended}")

    @staticmethod
    def _original(line):
        if line.record["event"] != "replay":
            return line.record
        return parse(line.record["original"].encode()).record

    def _pair(self):
        """Intents and their outcomes, by request id."""
        self.intents, self.outcomes = {}, {}
        for record in self.records:
            if record["event"] == "intent":
                if record["request_id"] in self.intents:
                    self.problems.append(f"two intents: {record['request_id']}")
                self.intents[record["request_id"]] = record
            elif record["event"] == "outcome":
                if record["request_id"] in self.outcomes:
                    self.problems.append(f"two outcomes: {record['request_id']}")
                if record["request_id"] not in self.intents:
                    self.problems.append(f"an outcome without an intent: {record['request_id']}")
                self.outcomes[record["request_id"]] = record

    @property
    def open_intents(self):
        """Request ids of intents without an outcome."""
        return set(self.intents) - set(self.outcomes)

    @property
    def in_doubt(self):
        """Request ids of the calls whose fate nobody knows."""
        return self.open_intents | {request_id for request_id, record in self.outcomes.items()
                                    if record["outcome"] == "unknown"}

    def find(self, **fields):
        return [record for record in self.records
                if all(record.get(key) == value for key, value in fields.items())]
