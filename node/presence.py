"""How this node stands with its coordinator, as the serving process last wrote it down.

A value and its cell in the store; must not know the connection or who reads it.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import Connection

from node.store import cells

CELL = "serve/presence"


class State(StrEnum):
    """Connected, unreachable, or cut by this node because the log is broken."""

    CONNECTED = "connected"
    AWAY = "away"
    DISTRUSTED = "distrusted"


@dataclass(frozen=True)
class Presence:
    """A state, and for all but CONNECTED the stable reason and a sentence."""

    state: State
    reason: str = ""
    sentence: str = ""


def keep_presence(connection: Connection, presence: Presence, at_ms: int) -> None:
    """Write down how the node stands since ``at_ms``."""
    cells.put(connection, CELL, json.dumps({**asdict(presence), "at_ms": at_ms}).encode())


def last_presence(connection: Connection) -> tuple[Presence, int] | None:
    """What was written last and when, None before the first time."""
    raw = cells.get(connection, CELL)
    if raw is None:
        return None
    told = json.loads(raw)
    return Presence(State(told["state"]), told["reason"], told["sentence"]), told["at_ms"]
