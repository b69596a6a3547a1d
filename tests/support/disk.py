"""A disk that is full, as the system itself says it: files of this process cannot grow any more.

Lives here: the limit (RLIMIT_FSIZE, setrlimit(2)) and lifting it again. Nothing is replaced.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

FULL_BYTES = 1_024  # a database's write-ahead log begins beyond it with its first page


def fill() -> None:
    """Let no file of this process grow beyond a few bytes."""
    _limit(FULL_BYTES)


def free() -> None:
    """Let files grow again."""
    _limit(resource.RLIM_INFINITY)


@contextmanager
def full() -> Iterator[None]:
    """Have the disk full inside the block."""
    fill()
    try:
        yield
    finally:
        free()


def _limit(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else hard, hard))
