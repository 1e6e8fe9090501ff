"""Certificates for upstreams, gateways and callers, made with the openssl command."""
import pathlib
import ssl
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.certificate = self.directory / "ca.crt"
        self._key = self.directory / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self._key, "-out", self.certificate, "-days", 2,
                 "-subj", "/CN=Test authority", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, names=None, days=2, usage=None):
        """A certificate and its key as files; names: its subject alternative names."""
        stem = self.directory / f"{name}.{days}"
        key, request, extensions, certificate = (
            stem.with_name(stem.name + end) for end in (".key", ".csr", ".ext", ".crt"))
        if not certificate.exists():
            _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", key, "-out", request, "-subj", f"/CN={name}")
            extensions.write_text(f"subjectAltName={names or 'DNS:' + name}\n"
                                  "basicConstraints=CA:FALSE\n"
                                  + (f"extendedKeyUsage={usage}\n" if usage else ""))
            _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key

    def server_context(self, name="localhost", days=2):
        """A server's TLS context with a certificate for name; days=-1: it has expired."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, days=days))
        return context

    def client_context(self, name=None, names=None):
        """A client's context that trusts this authority; with a name it has a certificate."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if name is not None:
            context.load_cert_chain(*self.issue(name, names))
        return context

    def revocations(self, *names):
        """A list of the certificates that were issued under these names and are revoked."""
        home = self.directory / "ca"
        home.mkdir(exist_ok=True)
        (home / "index.txt").write_text("")
        (home / "crlnumber").write_text("01\n")
        configuration = home / "ca.cnf"
        configuration.write_text(
            "[ca]\ndefault_ca = it\n[it]\n"
            f"database = {home}/index.txt\ncrlnumber = {home}/crlnumber\n"
            "default_md = sha256\ndefault_crl_days = 2\n")
        common = ("ca", "-config", configuration, "-cert", self.certificate, "-keyfile", self._key)
        for name in names:
            _openssl(*common, "-revoke", self.issue(name)[0])
        crl = home / ("-".join(names) or "nobody")
        _openssl(*common, "-gencrl", "-out", crl)
        return crl


def make_key(directory, name):
    """An Ed25519 key pair as openssl makes it: private, public."""
    private, public = directory / f"{name}.pem", directory / f"{name}.pub"
    _openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    private.chmod(0o600)
    _openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public
