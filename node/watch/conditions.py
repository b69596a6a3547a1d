"""What must hold for a node to do its part, whether or not the coordinator is there.

Lives here: the conditions and the one write that proves the store. Must not know: HTTP, or what
follows when one does not hold.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from federation.crypto import certificates
from federation.watch.readiness import Condition, Readiness
from node.documents import AcceptedDocuments
from node.identity import Home
from node.policy import load_policy
from node.presence import last_presence
from node.store import cells
from node.store.engine import Store

CELL = "watch/probe"
NEVER = "never reached"


@dataclass(frozen=True, eq=False)
class Subject:
    """The parts of an open node that are watched."""

    home: Home
    store: Store
    documents: AcceptedDocuments
    clock_ms: Callable[[], int]


def readiness(subject: Subject) -> Readiness:
    """Return a node's conditions; how it stands with the coordinator is told beside them."""
    return Readiness(
        (
            Condition("enrolled", lambda: _enrolled(subject)),
            Condition("certificate_valid", lambda: _valid(subject)),
            Condition("store_writable", lambda: prove_writable(subject.store)),
            Condition("log_trusted", lambda: _trusted(subject)),
            Condition("policy_readable", lambda: _policy(subject)),
        ),
        {"coordinator": lambda: standing(subject.store)},
    )


def prove_writable(store: Store) -> None:
    """Commit a change that says nothing; StorageFault(STORAGE) when the disk does not take it."""
    with store.write() as connection:
        cells.put(connection, CELL, secrets.token_bytes(8))


def standing(store: Store) -> str:
    """Return how the node stands with its coordinator."""
    with store.read() as connection:
        seen = last_presence(connection)
    return NEVER if seen is None else str(seen[0].state)


def _enrolled(subject: Subject) -> str | None:
    return None if subject.home.certificate() else "no certificate yet: labor-node enrol"


def _valid(subject: Subject) -> str | None:
    pem = subject.home.certificate()
    if pem is None:
        return "no certificate yet: labor-node enrol"
    ends = certificates.expires_ms(certificates.load_certificate(pem))
    return None if ends > subject.clock_ms() else "the node's certificate has expired"


def _trusted(subject: Subject) -> str | None:
    broken = subject.documents.distrust is not None
    return "the log contradicts itself: labor-node alarms" if broken else None


def _policy(subject: Subject) -> None:
    load_policy(subject.home.policy)
