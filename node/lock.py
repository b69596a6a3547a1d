"""One serving process to a home: a lock that the operating system lets go when the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.errors import Misconfigured, Reason


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``. Raises Misconfigured(IN_USE) when another process holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                Reason.IN_USE, f"another process serves {path.parent}; it must stop first"
            ) from None
        yield
    finally:
        os.close(descriptor)


def is_claimed(path: Path) -> bool:
    """Whether some process holds the lock now."""
    try:
        with claimed(path):
            return False
    except Misconfigured:
        return True
