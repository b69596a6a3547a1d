"""The egress ledger: one entry for everything that left, written before it leaves.

Entries are only added. This file must not know why something may leave: that is the gate's.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from node.records import Grade
from node.store.schema import egress

_RECORD = insert(egress)


@dataclass(frozen=True)
class Departure:
    """One envelope that left; ``budget_touch`` names the budget event it was charged to."""

    at_ms: int
    payload_type: str
    envelope_digest: bytes
    charter_digest: bytes | None
    grade: Grade
    bytes: int
    destination: str
    budget_touch: int | None


def record(connection: Connection, departure: Departure) -> int:
    """Add an entry and return its number; numbers only grow."""
    result = connection.execute(_RECORD, vars(departure))
    return int(result.lastrowid)


def entries(
    connection: Connection, after: int = 0, limit: int = 100
) -> list[tuple[int, Departure]]:
    """Up to ``limit`` entries with numbers above ``after``, oldest first."""
    query = (
        select(egress).where(egress.c.egress_id > after).order_by(egress.c.egress_id).limit(limit)
    )
    return [(row.egress_id, _departure(row._asdict())) for row in connection.execute(query)]


def count(connection: Connection) -> int:
    """How many entries there are, which is also the last one's number."""
    return connection.scalar(select(func.count()).select_from(egress)) or 0


def totals(connection: Connection) -> dict[str, tuple[int, int]]:
    """How many envelopes left and their bytes, by payload type."""
    query = select(egress.c.payload_type, func.count(), func.sum(egress.c.bytes))
    rows = connection.execute(query.group_by(egress.c.payload_type))
    return {str(kind): (int(count), int(size)) for kind, count, size in rows}


def of_charter(connection: Connection, charter_digest: bytes) -> list[Departure]:
    """Everything that left for one charter, oldest first."""
    query = select(egress).where(egress.c.charter_digest == charter_digest)
    ordered = query.order_by(egress.c.egress_id)
    return [_departure(row._asdict()) for row in connection.execute(ordered)]


def _departure(values: dict[str, object]) -> Departure:
    values.pop("egress_id")
    return Departure(**{**values, "grade": Grade(values["grade"])})  # type: ignore[arg-type]
