"""What of a directory would be there after the power has gone: what was synced, and of the rest
whatever chance leaves."""
import os
import shutil

PAGE_BYTES = 4096


class Durable:
    def __init__(self, disk):
        """All that is there now has been there for long."""
        self.disk = disk
        self._begin()

    def _begin(self):
        audit = self.disk.audit
        self.has_directory = audit.exists()
        self.names = {}
        self.sizes = {}
        for path in audit.iterdir() if self.has_directory else ():
            about = path.stat()
            self.names[path.name] = about.st_ino
            self.sizes[about.st_ino] = about.st_size
        self.taken = len(self.disk.trace())

    def follow(self):
        """Take what the trace has said since."""
        news = self.disk.trace(self.taken)
        self.taken += len(news)
        for words in news:
            if words[0] == "sync":
                self.sizes[int(words[1])] = int(words[2])
            elif words[0] == "truncate":
                self.sizes[int(words[1])] = min(self.sizes.get(int(words[1]), 0), int(words[2]))
            elif words[0] == "dir":
                self.names = {name: int(inode) for name, _, inode in
                              (word.rpartition(":") for word in words[1:])}
            elif words[0] == "parent":
                self.has_directory = True

    def cut(self, chance):
        """Make the directory what it may be after a power cut; return what was done, as texts."""
        self.follow()
        audit, done = self.disk.audit, []
        if audit.exists() and not self.has_directory and chance.random() < 0.5:
            shutil.rmtree(audit)
            done.append("the directory is gone")
        for path in sorted(audit.iterdir()) if audit.exists() else ():
            about = path.stat()
            if self.names.get(path.name) != about.st_ino and chance.random() < 0.7:
                path.unlink()
                done.append(f"{path.name} is gone")
                continue
            durable = min(self.sizes.get(about.st_ino, 0), about.st_size)
            if durable < about.st_size:
                done.append(f"{path.name}: of {about.st_size} bytes {durable} are durable, "
                            + _lose(path, durable, about.st_size, chance))
        self._begin()
        return done


def _lose(path, durable, size, chance):
    """Lose something of the bytes behind durable."""
    kind = chance.choice(["nothing", "all", "cut", "zeros"])
    at = chance.randint(durable, size)
    if kind == "all":
        os.truncate(path, durable)
    elif kind == "cut":
        os.truncate(path, at)
    elif kind == "zeros":
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes(size - at))
    return kind if kind in ("nothing", "all") else f"{kind} from {at}"
