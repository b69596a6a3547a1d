"""Who else on this machine may touch a file: asked of every file of a home before one is opened.

Lives here: the rule for files that are secret and for files that are trusted. Must not know: what a
file is for. A link is judged by where it leads, and by whoever put it there.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from federation.errors import Misconfigured, Reason
from federation.vectors import SUFFIX

_ANY = 0o077  # reading, writing and entering, by group and others
_WRITING = 0o022


def check(private: Iterable[Path], trusted: Iterable[Path]) -> None:
    """Raise as :func:`require_private` and :func:`require_trusted` for the first that is wrong."""
    for path in private:
        require_private(path)
    for path in trusted:
        require_trusted(path)


def require_private(path: Path) -> None:
    """Raise Misconfigured(PERMISSIONS) unless this account owns ``path`` and it alone may use it.

    What does not exist is nobody's: whoever needs it says that it is missing.
    """
    _require(path, _ANY, "go=", "this account alone may use it")


def require_trusted(path: Path) -> None:
    """Raise Misconfigured(PERMISSIONS) unless this account owns ``path`` and it alone may write."""
    _require(path, _WRITING, "go-w", "this account alone may change it")


def require_private_open(path: Path, descriptor: int) -> None:
    """As :func:`require_private`, of a file that is open already: nobody can swap it in between."""
    _judge(path, os.fstat(descriptor), _ANY, "go=", "this account alone may use it")


def with_side_files(database: Path) -> tuple[Path, ...]:
    """Return an SQLite file and what may lie beside it.

    SQLite's own files (sqlite.org/wal.html, section 2.2) and the vectors its rows name.
    """
    ends = ("-wal", "-shm", SUFFIX)
    return database, *(database.with_name(database.name + end) for end in ends)


def _require(path: Path, forbidden: int, chmod: str, rule: str) -> None:
    try:
        itself = path.lstat()
        if not stat.S_ISLNK(itself.st_mode):
            return _judge(path, itself, forbidden, chmod, rule)
        _judge_owner(path, itself)
        return _judge(path, path.stat(), forbidden, chmod, rule)
    except FileNotFoundError:
        # opened for writing, a link to nothing would make a file where it points
        if path.is_symlink():
            raise Misconfigured(Reason.PERMISSIONS, f"{path} is a link to nothing") from None
    except OSError as error:
        raise Misconfigured(
            Reason.PERMISSIONS, f"{path} cannot be looked at: {error.strerror}"
        ) from None


def _judge(path: Path, found: os.stat_result, forbidden: int, chmod: str, rule: str) -> None:
    _judge_owner(path, found)
    mode = stat.S_IMODE(found.st_mode)
    if mode & forbidden:
        raise Misconfigured(
            Reason.PERMISSIONS, f"{path} has mode {mode:04o}; {rule} (chmod {chmod} {path})"
        )


def _judge_owner(path: Path, found: os.stat_result) -> None:
    own = os.geteuid()
    if found.st_uid != own:
        raise Misconfigured(
            Reason.PERMISSIONS,
            f"{path} belongs to account {found.st_uid}, this process is account {own} (chown {own}"
            f" {path}, or run it as the other)",
        )
