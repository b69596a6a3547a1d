"""The form of both programs' event log, and the only keys that an event can carry.

Lives here: the list of keys with each one's rule, and what is said of an exception. Must not know:
which events there are. What is not on the list is left out before anything is written.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog

from federation.errors import LaborfedError, Reason

MOST_CHARACTERS = 1024  # of a sentence
MOST_FRAMES = 32  # of a trace, the innermost ones

Event = MutableMapping[str, Any]


class LogFormat(StrEnum):
    """How events are written."""

    JSON = "json"
    CONSOLE = "console"


class Sentence(str):
    """A sentence of this program's own making; only :func:`said_of` and :func:`told` make one."""

    __slots__ = ()


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _matching(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _places(value: object) -> bool:
    return isinstance(value, tuple) and all(_PLACE(place) for place in value)


_PLACE = _matching(r"[\w./<>-]{1,200}:\d{1,7}")

#: Every key an event can have, and what its value must look like. None of them holds anything of a
#: record: they name documents, cities, places in the source, and reasons.
FIELDS: Final[Mapping[str, Callable[[object], bool]]] = {
    "event": _matching(r"[a-z][a-z_]{2,39}"),
    # which document, run and city an event is about: the keys to follow one thing by
    "charter": _matching(r"(?:[0-9a-f]{2}){0,32}"),
    "attempt": _whole,
    "round": _whole,
    "city": _matching(r"\d{6}"),
    "leaf_index": _whole,
    "stage": _matching(r"[a-z_]{1,20}"),
    # what happened
    "reason": lambda value: isinstance(value, Reason),
    "sentence": lambda value: isinstance(value, Sentence),
    "fault": _matching(r"\w{1,80}"),
    "at": _PLACE,
    "trace": _places,
    "library": _matching(r"[\w.]{1,80}"),
    "address": _matching(r"[\w.:\[\]-]{1,120}"),
    "file": _matching(r"[\w-]{1,40}\.(?:sqlite|db)"),
    "condition": _matching(r"[a-z_]{1,40}"),
    "seconds": lambda value: isinstance(value, float),
}
WITHHELD: Final = "withheld"


def said_of(error: BaseException) -> dict[str, Any]:
    """Return what may be told of an exception: its kind, where it came from, and no words but ours.

    What an exception from elsewhere says may quote what is stored, so it is never written.
    """
    fields: dict[str, Any] = {"fault": type(error.__cause__ or error).__name__}
    if isinstance(error, LaborfedError):
        fields |= {"reason": error.reason, "sentence": told(error.message)}
    trace = tuple(_frames(error))
    return fields | ({"at": trace[-1]} if trace else {})


def traced(error: BaseException) -> dict[str, Any]:
    """Return :func:`said_of` and every place the exception passed, innermost last."""
    return said_of(error) | {"trace": tuple(_frames(error))[-MOST_FRAMES:]}


def told(text: str) -> Sentence:
    """Return a text of ours, cut and made printable, as one that an event may carry."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return Sentence(printable[:MOST_CHARACTERS])


def only_listed(_logger: object, _method: str, event: Event) -> Event:
    """Processor: leave out every key not in FIELDS and every value that breaks its key's rule.

    The names of what was left out, which stand in the source, are told under ``withheld``.
    """
    kept = {key: value for key, value in event.items() if key in FIELDS and FIELDS[key](value)}
    withheld = sorted(key for key in event if key not in kept)
    kept.setdefault("event", "unnamed")
    return kept | ({WITHHELD: withheld} if withheld else {})


def without_words(_logger: object, _method: str, event: Event) -> Event:
    """Processor: put ``fault`` and ``trace`` in place of an exception, whose words are not ours."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exception()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(traced(error))
    return event


def configure(level: str, log_format: LogFormat | None = None, file: TextIO | None = None) -> None:
    """Write events from ``level`` on to ``file`` (standard error), one line each.

    JSON, or plain columns on a terminal, unless told. Libraries' messages and exceptions nobody
    caught become events too, since what they say may quote what is stored.
    """
    stream = file or sys.stderr
    chosen = log_format or (LogFormat.CONSOLE if stream.isatty() else LogFormat.JSON)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            without_words,
            only_listed,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _renderer(chosen),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Unfailing(stream))),
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Libraries)]:
        root.removeHandler(handler)
    root.addHandler(_Libraries(max(logging.WARNING, getattr(logging, level.upper()))))
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


class _Unfailing:
    """A stream that a full disk makes silent: what works does not end for want of a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Libraries(logging.Handler):
    """Tells that a library logged something, and where, but not what."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {
            "library": record.name,
            "at": _place(record.pathname, record.lineno),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields |= said_of(record.exc_info[1])
        log = structlog.get_logger()
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell("library_message", **fields)


def _uncaught(
    kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    structlog.get_logger().critical("crashed", exc_info=error)


def _frames(error: BaseException) -> Iterator[str]:
    """Where an exception and its cause came from, outermost first, innermost last."""
    for one in (error, error.__cause__):
        if one is not None:
            for frame in traceback.extract_tb(one.__traceback__):
                yield _place(frame.filename, frame.lineno or 0)


def _place(path: str, line: int) -> str:
    """``package/file.py:line``, without the folders of this installation."""
    return f"{'/'.join(Path(path).parts[-3:])}:{line}".replace(" ", "_")


def _renderer(log_format: LogFormat) -> structlog.typing.Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer()
