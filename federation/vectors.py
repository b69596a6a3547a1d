"""Large vectors beside a database: appended to one file, on disk before a row names their place.

Lives here: appending and reading back. Must not know: what a vector is, who names it, or which rows
do. In a database each would be written twice, into the write-ahead log and from there; here what no
row names, as after a kill in between, is never read.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from federation.errors import Reason, StorageFault

SUFFIX = "-vectors"


@dataclass(frozen=True)
class Place:
    """Where a vector lies: ``start`` and ``size`` in bytes."""

    start: int
    size: int


class VectorFile:
    """The vectors of the database at ``path``. Threads may share it; one process appends.

    Every method raises StorageFault(STORAGE) when the file fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + SUFFIX)
        self._appending = threading.Lock()
        self._named = False

    def append(self, vectors: Sequence[bytes]) -> list[Place]:
        """Put vectors on disk, all or none, and return their places; made with mode 0600."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with self._appending, self._faults(), _opened(self._path, flags) as file:
            start = os.fstat(file).st_size
            try:
                for vector in vectors:
                    _write(file, vector)
                os.fdatasync(file)
            except OSError:
                os.ftruncate(file, start)
                raise
            if not self._named:
                self._keep_name()
        places = []
        for vector in vectors:
            places.append(Place(start, len(vector)))
            start += len(vector)
        return places

    def read(self, place: Place) -> bytes:
        """Return a vector, or what is left of it in a file that was cut short.

        Whether it is the one that was put there is for its digest to say.
        """
        with self._faults(), _opened(self._path, os.O_RDONLY | os.O_CLOEXEC) as file:
            return os.pread(file, place.size, place.start)

    def _keep_name(self) -> None:
        """A file is on disk only once its folder is: whoever made it may have died before that."""
        with _opened(self._path.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
            os.fsync(folder)
        self._named = True

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageFault(Reason.STORAGE, f"{self._path.name}: {error.strerror}") from error


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
