"""The budget of a city: what charters reserved, what they spent, what a year has left.

Each function works inside the write transaction it is handed, so a touch and the answer it pays
for are committed together. This file must not know charters' contents or why something is sent.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, RowMapping, bindparam, func, insert, select, update

from federation.errors import Reason, Refused
from federation.privacy.accounting import compose
from federation.privacy.events import Event, MechanismEvent, PureEvent
from node.store.schema import budget_events, budget_reservations, budget_touches

# What events are spent on whose attempt nobody remembers.
FORGOTTEN = bytes(32)

# Built once: every answer of a round passes here, and building a statement costs more than running
# it.
_touched_so_far = (
    select(func.count())
    .where(
        budget_touches.c.charter_digest == budget_events.c.charter_digest,
        budget_touches.c.kind == budget_events.c.kind,
    )
    .scalar_subquery()
)
_SPENDING = select(
    budget_events, budget_reservations.c.closed, _touched_so_far.label("touched")
).join(budget_reservations)
_STANDING = select(
    budget_events.c["count"], budget_reservations.c.closed, _touched_so_far.label("touched")
).where(
    budget_events.c.charter_digest == budget_reservations.c.charter_digest,
    budget_events.c.charter_digest == bindparam("charter_digest"),
    budget_events.c.kind == bindparam("kind"),
)
_TOUCH = insert(budget_touches)
_TOUCH_OF = select(budget_touches.c.touch_id).where(
    *(
        budget_touches.c[name] == bindparam(name)
        for name in ("charter_digest", "kind", "attempt", "round")
    )
)


def year_of(at_ms: int) -> int:
    """The calendar year, in UTC, whose budget a time (Unix ms) belongs to."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).year


@dataclass(frozen=True)
class Allowance:
    """What one worker's records may cost in one year: ε at δ."""

    epsilon: float
    delta: float


@dataclass(frozen=True)
class Reservation:
    """A charter's claim on the year's budget. ``left``: ε the year has after it."""

    charter_digest: bytes
    year: int
    left: float


@dataclass(frozen=True)
class Statement:
    """ε of one year: spent, spent or still claimed, and what is left of the allowance."""

    year: int
    used: float
    reserved: float
    left: float
    allowance: Allowance


def reserve(
    connection: Connection,
    charter_digest: bytes,
    *,
    purpose: str,
    year: int,
    events: Mapping[str, Event],
    allowance: Allowance,
) -> Reservation:
    """Claim everything a charter may cost, by kind of answer; the same charter again is one claim.

    All events of the year that were not returned are composed with the new ones. Raises
    Refused(BUDGET) before anything is written, Refused(CHARTER_CLOSED) for a closed charter.
    """
    held = _reservation(connection, charter_digest)
    if held is not None:
        if held.closed:
            raise Refused(Reason.CHARTER_CLOSED, "this charter's budget was closed")
        return Reservation(charter_digest, held.year, _left(connection, held.year, allowance))
    charged = _charged(connection, year)
    total = compose([*charged, *events.values()], allowance.delta)
    if total > allowance.epsilon:
        left = max(0.0, allowance.epsilon - compose(charged, allowance.delta))
        raise Refused(
            Reason.BUDGET,
            f"needs ε {compose(events.values(), allowance.delta):.2f}, "
            f"{math.floor(left * 100) / 100:.2f} left of {allowance.epsilon:.2f} in {year}",
        )
    _claim(connection, charter_digest, purpose, year, events)
    return Reservation(charter_digest, year, allowance.epsilon - total)


def exhaust(
    connection: Connection,
    charter_digest: bytes,
    *,
    purpose: str,
    year: int,
    events: Mapping[str, Event],
) -> None:
    """Count everything a charter may cost as spent, whatever the year allows; again is once.

    For a charter under which more was answered than is remembered here, as after a restore.
    """
    if _reservation(connection, charter_digest) is None:
        _claim(connection, charter_digest, purpose, year, events)
    touched = _touched(connection, charter_digest)
    rows = [
        {"charter_digest": charter_digest, "kind": kind, "attempt": FORGOTTEN, "round": number}
        for kind, event in events.items()
        for number in range(touched.get(kind, 0), event.count)
    ]
    if rows:
        connection.execute(insert(budget_touches), rows)


def touch(
    connection: Connection, charter_digest: bytes, kind: str, attempt: bytes, round_number: int
) -> int:
    """Spend one reserved event of ``kind`` on (attempt, round); returns the touch's number.

    The same (attempt, round) is spent once. Raises Refused(CHARTER_UNKNOWN) without a reservation
    of this kind, Refused(CHARTER_CLOSED) after closing, Refused(REPEATS_EXHAUSTED) when all are
    spent.
    """
    found = touch_of(connection, charter_digest, kind, attempt, round_number)
    if found is not None:
        return found
    wanted = {"charter_digest": charter_digest, "kind": kind}
    standing = connection.execute(_STANDING, wanted).one_or_none()
    if standing is None:
        raise Refused(Reason.CHARTER_UNKNOWN, f"no budget is reserved for {kind} of this charter")
    if standing.closed:
        raise Refused(Reason.CHARTER_CLOSED, "this charter's budget was closed")
    if standing.touched >= standing.count:
        raise Refused(
            Reason.REPEATS_EXHAUSTED,
            f"all {standing.count} reserved answers of kind {kind} are spent",
        )
    row = {**wanted, "attempt": attempt, "round": round_number}
    return int(connection.execute(_TOUCH, row).lastrowid)


def touch_of(
    connection: Connection, charter_digest: bytes, kind: str, attempt: bytes, round_number: int
) -> int | None:
    """The number of the touch that paid for (attempt, round), None when nothing was spent on it."""
    number: int | None = connection.scalar(
        _TOUCH_OF,
        {
            "charter_digest": charter_digest,
            "kind": kind,
            "attempt": attempt,
            "round": round_number,
        },
    )
    return number


def close(connection: Connection, charter_digest: bytes) -> None:
    """Return what was not touched. Final; nothing happens when the charter never reserved.

    To be called after the logged closure of the run, or once the charter's window and the allowed
    clock skew are over: nothing may be answered for it after that.
    """
    connection.execute(
        update(budget_reservations)
        .where(budget_reservations.c.charter_digest == charter_digest)
        .values(closed=True)
    )


def year_after(
    connection: Connection,
    charter_digest: bytes,
    *,
    year: int,
    events: Mapping[str, Event],
    delta: float,
) -> float:
    """ε of the year once this charter is reserved (as it stands, when it is already)."""
    charged = _charged(connection, year)
    if _reservation(connection, charter_digest) is None:
        charged.extend(events.values())
    return compose(charged, delta)


def statement(connection: Connection, year: int, allowance: Allowance) -> Statement:
    """What a year's budget stands at, for consoles and policy."""
    reserved = compose(_charged(connection, year), allowance.delta)
    used = compose(_spent(connection, year), allowance.delta)
    return Statement(year, used, reserved, max(0.0, allowance.epsilon - reserved), allowance)


def overdrawn(connection: Connection) -> list[tuple[bytes, str]]:
    """Charters and kinds of which more was spent than reserved: none, unless the store was changed.

    A closed charter keeps what was spent, so it is compared as well.
    """
    touched = (
        select(budget_touches.c.charter_digest, budget_touches.c.kind, func.count().label("spent"))
        .group_by(budget_touches.c.charter_digest, budget_touches.c.kind)
        .subquery()
    )
    query = select(touched.c.charter_digest, touched.c.kind).outerjoin(
        budget_events,
        (budget_events.c.charter_digest == touched.c.charter_digest)
        & (budget_events.c.kind == touched.c.kind),
    )
    over = touched.c.spent > func.coalesce(budget_events.c["count"], 0)
    return [(bytes(digest), str(kind)) for digest, kind in connection.execute(query.where(over))]


def _claim(
    connection: Connection,
    charter_digest: bytes,
    purpose: str,
    year: int,
    events: Mapping[str, Event],
) -> None:
    connection.execute(
        insert(budget_reservations).values(
            charter_digest=charter_digest, purpose=purpose, year=year, closed=False
        )
    )
    for kind, event in events.items():
        connection.execute(
            insert(budget_events).values(charter_digest=charter_digest, kind=kind, **vars(event))
        )


def _left(connection: Connection, year: int, allowance: Allowance) -> float:
    return statement(connection, year, allowance).left


def _reservation(connection: Connection, charter_digest: bytes) -> Row[int, bool] | None:
    query = select(budget_reservations.c.year, budget_reservations.c.closed)
    return connection.execute(
        query.where(budget_reservations.c.charter_digest == charter_digest)
    ).one_or_none()


def _touched(connection: Connection, charter_digest: bytes) -> dict[str, int]:
    rows = connection.execute(
        select(budget_touches.c.kind, func.count())
        .where(budget_touches.c.charter_digest == charter_digest)
        .group_by(budget_touches.c.kind)
    )
    return {str(kind): int(count) for kind, count in rows}


def _charged(connection: Connection, year: int) -> list[Event]:
    """Events of the year that are spent or may still be."""
    return _events(connection, year, only_spent=False)


def _spent(connection: Connection, year: int) -> list[Event]:
    return _events(connection, year, only_spent=True)


def _events(connection: Connection, year: int, *, only_spent: bool) -> list[Event]:
    rows = connection.execute(_SPENDING.where(budget_reservations.c.year == year))
    return list(_counted(rows.mappings(), only_spent))


def _counted(rows: Iterable[RowMapping], only_spent: bool) -> Iterator[Event]:
    for row in rows:
        count = row["touched"] if only_spent or row["closed"] else row["count"]
        if count and row["epsilon"] is not None:
            yield PureEvent(row["epsilon"], count)
        elif count:
            yield MechanismEvent(row["sampling"], row["sigma_eff"], count, row["log_ratio"])
