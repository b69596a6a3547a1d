"""What this city publishes: signed bytes, kept from the gate on until the log is seen to hold them.

This file must not know what a document says, who carries it, or when it is sent.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from federation.log.bundle import Bundle
from node.store import feed
from node.store.schema import outbox


class State(StrEnum):
    """Where an envelope is on its way into the log."""

    WAITING = "waiting"  # not sent, or no receipt came
    RECEIPTED = "receipted"  # the coordinator gave a receipt, the feed has not come to it
    DELIVERED = "delivered"  # accepted from the log's feed
    REFUSED = "refused"  # the coordinator will never take it
    LOST = "lost"  # the log does not hold what the receipt said


@dataclass(frozen=True)
class Item:
    """One envelope. ``leaf_index``: where the receipt says it is logged; ``reason``, ``sentence``:
    why it was refused or counts as lost.
    """

    outbox_id: int
    payload_type: str
    document_digest: bytes
    envelope: bytes
    queued_ms: int
    state: State
    leaf_index: int | None
    reason: str | None
    sentence: str | None
    changed_ms: int


_SHOWN = [outbox.c[name] for name in Item.__dataclass_fields__]


def add(
    connection: Connection, payload_type: str, document_digest: bytes, envelope: bytes, now_ms: int
) -> int:
    """Put signed bytes at the end and return their number."""
    result = connection.execute(
        insert(outbox).values(
            payload_type=payload_type,
            document_digest=document_digest,
            envelope=envelope,
            queued_ms=now_ms,
            state=State.WAITING.value,
            changed_ms=now_ms,
        )
    )
    return int(result.lastrowid)


def items(connection: Connection, *states: State) -> list[Item]:
    """The envelopes in these states (none named: in any), oldest first."""
    query = select(*_SHOWN).order_by(outbox.c.outbox_id)
    if states:
        query = query.where(outbox.c.state.in_([state.value for state in states]))
    rows = connection.execute(query).mappings()
    return [Item(**{**row, "state": State(row["state"])}) for row in rows]


def keep_receipt(connection: Connection, item: Item, receipt: Bundle, now_ms: int) -> None:
    """Keep the proof that the coordinator gave: the evidence should the log not hold it."""
    _change(
        connection,
        item,
        state=State.RECEIPTED.value,
        leaf_index=receipt.leaf_index,
        checkpoint=receipt.checkpoint,
        inclusion_path=b"".join(receipt.inclusion_path),
        changed_ms=now_ms,
    )


def refuse(connection: Connection, item: Item, reason: str, sentence: str, now_ms: int) -> None:
    """Keep why the coordinator will never take it."""
    why = {"reason": reason, "sentence": sentence}
    _change(connection, item, state=State.REFUSED.value, changed_ms=now_ms, **why)


def deliver(connection: Connection, item: Item, now_ms: int) -> None:
    """The log's feed brought it and it was accepted."""
    _change(connection, item, state=State.DELIVERED.value, changed_ms=now_ms)


def lose(connection: Connection, item: Item, reason: str, sentence: str, now_ms: int) -> None:
    """The feed went past the receipt's place without it."""
    why = {"reason": reason, "sentence": sentence}
    _change(connection, item, state=State.LOST.value, changed_ms=now_ms, **why)


def is_in_the_log(connection: Connection, item: Item) -> bool:
    """Whether these very bytes were accepted from the feed, at the receipt's place."""
    found = feed.by_identity(connection, item.document_digest)
    return (
        found is not None
        and found.envelope == item.envelope
        and found.leaf_index == item.leaf_index
    )


def _change(connection: Connection, item: Item, **values: object) -> None:
    connection.execute(update(outbox).where(outbox.c.outbox_id == item.outbox_id).values(**values))
