"""What the operating system is told about this process: no image of its memory, room for files.

Lives here: the few calls, made once, before a key is read. Must not know: which keys, or which
program.

A core dump holds every key and record in memory, and lies about in folders that nobody guards. Two
locks, since either can be without effect: with a core limit of 0 no core file is written, but a
handler that the machine's ``core_pattern`` pipes to may be started all the same (core(5)); one that
is not dumpable (prctl(2), PR_SET_DUMPABLE) gives it nothing, and other processes of the same
account cannot attach to it or read its memory either.
"""

import ctypes
import resource
import sys

_PR_GET_DUMPABLE = 3  # linux/prctl.h
_PR_SET_DUMPABLE = 4


def keep_secrets_in() -> None:
    """Forbid core dumps of this process and its children, and attaching to it (Linux only)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)


def is_dumpable() -> bool:
    """Tell whether the operating system would hand out this process's memory."""
    return sys.platform != "linux" or _prctl(_PR_GET_DUMPABLE) != 0


def room_for_files(wanted: int) -> int:
    """Raise this process's bound of open files towards ``wanted``; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
        soft = ceiling
    return wanted if soft == resource.RLIM_INFINITY else soft


def _prctl(option: int, value: int = 0) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.prctl(option, value, 0, 0, 0)
    if result < 0:
        raise OSError(ctypes.get_errno(), "prctl")
    return result
