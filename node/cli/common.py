"""What every command shares: the home option, an open home, the clock, digests typed by people.

Must not know: what any command does.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from federation.errors import Misconfigured, Reason, Refused
from federation.terminal import say
from node.identity import Home, open_home
from node.lock import claimed
from node.policy import Policy, load_policy
from node.store.engine import Store, open_store
from node.store.migrations import is_current, migrate

# Digits of a digest that a person must at least type.
FEWEST_DIGITS = 8
SHOWN_DIGITS = 16

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="LABORNODE_HOME", help="The node's folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]


@dataclass(frozen=True)
class Office:
    """An open home and its store. Everything here may be used beside a serving process."""

    home: Home
    store: Store

    @property
    def policy(self) -> Policy:
        """The policy as its file says now."""
        return load_policy(self.home.policy)


@contextmanager
def opened(path: Path) -> Iterator[Office]:
    """Open a home and its store; an older schema is brought up to date first.

    Raises Misconfigured when there is no home, it is open to others or its store is missing,
    IN_USE when an older schema is being served, StorageFault when the store cannot be read.
    """
    home = open_home(path)
    if not home.database.is_file():
        raise Misconfigured(
            Reason.CONFIGURATION, f"{home.database} is missing: restore it from a backup"
        )
    store = open_store(home.database)
    try:
        with store.read() as connection:
            current = is_current(connection)
        if not current:
            with claimed(home.lock):
                migrate(store.engine)
        yield Office(home, store)
    finally:
        store.close()


def now_ms() -> int:
    """The system's clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def today() -> date:
    """The date on this machine's clock, in its time zone."""
    return datetime.now(UTC).astimezone().date()


def say_json(value: Any) -> None:
    """Print one JSON object; bytes are written in hexadecimal."""
    say(json.dumps(value, ensure_ascii=False, indent=2, default=bytes.hex))


def chosen(typed: str, digests: Sequence[bytes], what: str) -> bytes:
    """Return the one digest that begins with the hexadecimal digits a person typed.

    Raises Refused(NOT_FOUND) when none does, Misconfigured for fewer than 8 digits or several.
    """
    digits = typed.strip().lower()
    if len(digits) < FEWEST_DIGITS or set(digits) - set("0123456789abcdef"):
        raise Misconfigured(
            Reason.CONFIGURATION,
            f"{typed!r} is no digest: give at least its first {FEWEST_DIGITS} digits",
        )
    found = sorted({digest for digest in digests if digest.hex().startswith(digits)})
    if not found:
        raise Refused(Reason.NOT_FOUND, f"there is no {what} {digits}")
    if len(found) > 1:
        raise Misconfigured(Reason.CONFIGURATION, f"several begin with {digits}: give more digits")
    return found[0]
