"""Waiting on conditions. A limit only says when to give up; nothing here waits for time to pass."""
import time

LIMIT_SECONDS = 30.0


def until(condition, what, limit=LIMIT_SECONDS):
    """Return the first true value of condition(); fail with what (a text or a function) else."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain: " + (what() if callable(what) else what))
        time.sleep(0.01)
