"""Gateways whose audit directory lies on a disk of our making: tests/fault/disk.c, loaded before the
C library."""
import os
import re
import subprocess


class Disk:
    """One gateway's disk. rules say how it misbehaves, the trace what it did."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.audit = gateway.audit.resolve()
        self.rules_file = gateway.directory / "disk.rules"
        self.trace_file = gateway.directory / "disk.trace"
        self.generation = 0
        library = os.path.join(os.path.dirname(gateway.program), "tests", "fault", "disk.so")
        assert os.access(library, os.R_OK), f"{library} is not there: make check makes it"
        gateway.environment.update({
            "LD_PRELOAD": " ".join(_runtimes(gateway.program) + [library]),
            "SG_DISK_DIRECTORY": str(self.audit),
            "SG_DISK_RULES": str(self.rules_file),
            "SG_DISK_TRACE": str(self.trace_file)})
        self.rule()

    def rule(self, *rules):
        """These rules hold from now on, and no others; counting begins anew."""
        self.generation += 1
        new = self.rules_file.with_suffix(".new")
        new.write_text("\n".join([f"generation {self.generation}", *rules]) + "\n")
        new.rename(self.rules_file)

    def heal(self):
        self.rule()

    def trace(self, start=0):
        """The whole lines of the trace, split into words."""
        if not self.trace_file.exists():
            return []
        return [line.split() for line in self.trace_file.read_text().split("\n")[:-1][start:]]

    def used(self):
        """How often a rule of this generation was used."""
        return sum(words[:2] == ["rule", str(self.generation)] for words in self.trace())


def _runtimes(program):
    """A sanitizer's runtime must come first."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"=> (\S+/lib(?:a|t)san\.so\S*)", said)
