"""A real file system of a few MiB, where mounting is permitted."""
import subprocess

MIB = 1 << 20


class SmallDisk:
    def __init__(self, path):
        self.path = path
        self.filler = path / "filler"

    @classmethod
    def mount(cls, path, mib=24):
        """None: it is not permitted here."""
        path.mkdir()
        try:
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path],
                                  capture_output=True, check=False)
        except FileNotFoundError:
            return None
        return cls(path) if done.returncode == 0 else None

    def unmount(self):
        done = subprocess.run(["umount", self.path], capture_output=True, check=False)
        if done.returncode != 0:  # something still has a file open there
            subprocess.run(["umount", "--lazy", self.path], check=True)

    def fill(self):
        """Take all the room that is left."""
        with self.filler.open("ab", buffering=0) as file:
            for size in (MIB, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == 28, error

    def free(self):
        self.filler.unlink()
