"""What must be seen nowhere: the secrets that a test uses, looked for in everything that its gateways
leave behind. Clouds, callers and gateways tell what they send and get; when the test is over no
artefact may hold any of it, neither as it is nor escaped as in JSON or in a URL."""
import json
import re
from urllib.parse import quote_from_bytes

LEAST = 8          # shorter ones stand in any text by chance
BODY_LEAST = 16
BODY_PIECE = 64
HEX_LONG = 64      # signatures: there are thousands of them, so they are looked up, not searched
RUN = re.compile(rb"[0-9a-f]{64,}")
HEX = re.compile(rb"[0-9a-f]{64}")
FIELDS = re.compile(rb"(?im)^(authorization|proxy-authorization|cookie|x-auth-token|"
                    rb"x-security-token|x-subject-token):[ \t]*([^\r\n]*)")
SIGNATURE = re.compile(rb"Signature=([0-9A-Za-z+/=]+)")
HEAD_BYTES = 65536
FEW = 200          # forms are searched one by one; more are looked up, position by position
LARGE = 65536      # in artefacts of this size
KEY_MARK = b"PRIVATE KEY-----"


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _forms(secret):
    """How it may stand in an artefact."""
    forms = {secret, quote_from_bytes(secret, safe="").encode()}
    text = secret.decode("latin-1")
    forms.add(json.dumps(text, ensure_ascii=False)[1:-1].encode("latin-1"))
    try:
        forms.add(json.dumps(secret.decode())[1:-1].encode())
    except ValueError:
        pass
    return forms


class Leaks:
    def __init__(self):
        self._forms = {}      # form: what it is
        self._hex = {}        # the same, of 64 digits
        self._known = set()
        self._artefacts = []  # (name, bytes)
        self._clean = None    # how much of both there was when nothing was found

    def reset(self):
        self.__init__()

    # --- what is secret

    def use(self, what, value, least=LEAST):
        """This value is a secret; what: words for it."""
        secret = _bytes(value).strip()
        if len(secret) < least or secret in self._known:
            return
        self._known.add(secret)
        if len(secret) == HEX_LONG and HEX.fullmatch(secret):
            self._hex[secret] = what
            return
        for form in _forms(secret):
            self._forms[form] = what

    def use_body(self, what, body):
        """The content of a body: its beginning, its middle and its end."""
        body = _bytes(body)
        for at in {0, max(0, (len(body) - BODY_PIECE) // 2), max(0, len(body) - BODY_PIECE)}:
            piece = body[at:at + BODY_PIECE].strip()
            if len(set(piece)) >= LEAST:  # "aaaa" may stand anywhere
                self.use(what, piece, BODY_LEAST)

    def use_token(self, what, token):
        """A token, and of one in three parts its claims and its signature alone."""
        self.use(what, token)
        parts = _bytes(token).split(b".")
        for part in parts[1:] if len(parts) == 3 else ():
            self.use(f"a part of {what}", part, BODY_LEAST)

    def use_head(self, who, data):
        """The credentials in the bytes of a request's head."""
        for name, value in FIELDS.findall(data[:HEAD_BYTES]):
            name = f"{who}'s {name.decode().title()}"
            scheme, _, rest = value.strip().partition(b" ")
            signatures = SIGNATURE.findall(value)
            for signature in signatures:
                self.use(f"the signature of {name}", signature)
            if not signatures:
                self.use_token(name, rest.strip() if scheme.lower() in (b"bearer", b"basic")
                               else value)

    def use_request(self, who, request):
        """The credentials and the body of a request as it came over the wire."""
        self.use_head(who, request.raw_head)
        self.use_body(f"{who}'s body", request.body)

    def use_key_file(self, path):
        """The content of a private key, PEM."""
        with open(path, "rb") as file:
            lines = [line.strip() for line in file if line.strip() and b"-----" not in line]
        for piece in lines + [b"".join(lines)]:
            self.use("a private key", piece, BODY_LEAST)

    def kinds(self):
        """Words for the kinds of secrets that were used."""
        return set(self._forms.values()) | set(self._hex.values())

    # --- where they must not be

    def keep(self, name, data):
        """An artefact, to be looked through."""
        self._artefacts.append((name, _bytes(data)))

    def find(self):
        """What stands where: a list of texts, without the secrets themselves."""
        found = []
        together = {}
        for name, data in self._artefacts:
            together.setdefault(name, []).append(data)
        for name, pieces in together.items():
            data = b"\n".join(pieces)
            told = {self._forms[form] for form in self._forms_in(data)}
            told |= {self._hex[piece] for piece in self._long_hex(data) if piece in self._hex}
            if KEY_MARK in data:
                told.add("a private key")
            found += [f"{what} is in {name}" for what in sorted(told)]
        return found

    def _forms_in(self, data):
        if len(self._forms) <= FEW or len(data) < LARGE:
            return {form for form in self._forms if form in data}
        starts = {}
        for form in self._forms:
            starts.setdefault(form[:LEAST], []).append(form)
        return {form for at in range(len(data) - LEAST + 1) if data[at:at + LEAST] in starts
                for form in starts[data[at:at + LEAST]] if data.startswith(form, at)}

    @staticmethod
    def _long_hex(data):
        for match in RUN.finditer(data):
            run = match.group()
            for at in range(len(run) - HEX_LONG + 1):
                yield run[at:at + HEX_LONG]

    def check(self):
        """Fail when a secret stands anywhere, once."""
        much = (len(self._known), len(self._artefacts))
        found = self.find() if much != self._clean else []
        self._clean = much
        if found:
            self.forget()
        assert not found, "a secret is where it must not be: " + "; ".join(found)

    def forget(self):
        """Let go of the artefacts; the secrets stay what they are."""
        self._artefacts.clear()
        self._clean = None


leaks = Leaks()
