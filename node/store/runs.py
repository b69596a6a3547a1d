"""What this node knows of runs: decisions of persons, attempts seen, alarms, optimiser state.

This file must not know policy or the order of a run.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.errors import Reason, Refused, StorageFault
from node.store.schema import alarms, attempts, decisions, run_states

_ATTEMPTS = (
    select(attempts.c.attempt)
    .where(attempts.c.charter_digest == bindparam("charter"))
    .order_by(attempts.c.seen_ms, attempts.c.attempt)
)


class DecisionState(StrEnum):
    """Where a charter stands that a person must decide on."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True)
class PersonDecision:
    """A charter put before a person."""

    charter_digest: bytes
    state: DecisionState
    asked_ms: int
    decided_ms: int | None
    person: str | None


@dataclass(frozen=True)
class Alarm:
    """Something a person must look at, such as being named as dropped with a receipt in hand."""

    at_ms: int
    charter_digest: bytes
    attempt: bytes
    round: int
    sentence: str


@dataclass(frozen=True)
class RunState:
    """Optimiser state after ``round`` rounds, int64 little-endian."""

    round: int
    parameters: bytes
    velocity: bytes


def ask_person(connection: Connection, charter_digest: bytes, at_ms: int) -> PersonDecision:
    """Put a charter before a person, once; returns how it stands."""
    row = sqlite_insert(decisions).values(
        charter_digest=charter_digest, state=DecisionState.PENDING, asked_ms=at_ms
    )
    connection.execute(row.on_conflict_do_nothing())
    found = person_decision(connection, charter_digest)
    if found is None:
        raise StorageFault(Reason.STORAGE, "a decision that was just written is missing")
    return found


def decide(
    connection: Connection, charter_digest: bytes, approve: bool, person: str, at_ms: int
) -> PersonDecision:
    """Record a person's decision on a pending charter.

    Raises Refused(NOT_FOUND) when nobody was asked, Refused(POLICY) when it was decided before.
    """
    held = person_decision(connection, charter_digest)
    if held is None:
        raise Refused(Reason.NOT_FOUND, "this charter awaits no decision")
    if held.state is not DecisionState.PENDING:
        raise Refused(Reason.POLICY, f"this charter was {held.state} by {held.person} already")
    state = DecisionState.APPROVED if approve else DecisionState.REFUSED
    connection.execute(
        update(decisions)
        .where(decisions.c.charter_digest == charter_digest)
        .values(state=state, decided_ms=at_ms, person=person)
    )
    return PersonDecision(charter_digest, state, held.asked_ms, at_ms, person)


def person_decision(connection: Connection, charter_digest: bytes) -> PersonDecision | None:
    """How a charter stands, None when no person was asked."""
    query = select(decisions).where(decisions.c.charter_digest == charter_digest)
    row = connection.execute(query).one_or_none()
    return None if row is None else _decision(row._asdict())


def pending_decisions(connection: Connection) -> list[PersonDecision]:
    """Charters that await a person, oldest first."""
    query = select(decisions).where(decisions.c.state == DecisionState.PENDING)
    return [
        _decision(r._asdict()) for r in connection.execute(query.order_by(decisions.c.asked_ms))
    ]


def see_attempt(connection: Connection, charter_digest: bytes, attempt: bytes, at_ms: int) -> int:
    """Note an attempt (idempotent); returns how many attempts of the charter were seen."""
    row = sqlite_insert(attempts).values(
        attempt=attempt, charter_digest=charter_digest, seen_ms=at_ms
    )
    connection.execute(row.on_conflict_do_nothing())
    return len(attempts_seen(connection, charter_digest))


def attempts_seen(connection: Connection, charter_digest: bytes) -> list[bytes]:
    """Nonces of the attempts seen of a charter, oldest first."""
    return list(connection.scalars(_ATTEMPTS, {"charter": charter_digest}))


def raise_alarm(connection: Connection, alarm: Alarm) -> None:
    """Keep an alarm; the same one twice is one."""
    connection.execute(sqlite_insert(alarms).values(**vars(alarm)).on_conflict_do_nothing())


def alarms_raised(connection: Connection) -> list[Alarm]:
    """All alarms, oldest first."""
    query = select(*(alarms.c[name] for name in Alarm.__dataclass_fields__))
    ordered = query.order_by(alarms.c.alarm_id)
    return [Alarm(**row._mapping) for row in connection.execute(ordered)]


def keep_state(connection: Connection, charter_digest: bytes, state: RunState) -> None:
    """Keep the state after a round; the same round again must be the same bytes or it replaces."""
    row = sqlite_insert(run_states).values(charter_digest=charter_digest, **vars(state))
    changed = {"parameters": state.parameters, "velocity": state.velocity}
    key = ["charter_digest", "round"]
    connection.execute(row.on_conflict_do_update(index_elements=key, set_=changed))


def latest_state(connection: Connection, charter_digest: bytes) -> RunState | None:
    """The state after the highest round kept."""
    query = (
        select(run_states.c.round, run_states.c.parameters, run_states.c.velocity)
        .where(run_states.c.charter_digest == charter_digest)
        .order_by(run_states.c.round.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else RunState(**row._mapping)


def forget_states(connection: Connection, charter_digest: bytes, before: int) -> None:
    """Delete states of rounds below ``before``; they can be replayed from the log."""
    old = (run_states.c.charter_digest == charter_digest) & (run_states.c.round < before)
    connection.execute(delete(run_states).where(old))


def _decision(values: dict[str, object]) -> PersonDecision:
    return PersonDecision(**{**values, "state": DecisionState(values["state"])})  # type: ignore[arg-type]
