"""Charters put before a person: what each asks for, what it costs, what approval would do.

Lives here: gathering the facts and recording the answer. Must not know: how they are shown, or the
run that follows.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from federation.documents import rules
from federation.documents.charter import Charter
from federation.documents.runs import Closure
from federation.documents.types import PayloadType
from federation.errors import Reason, Refused, StorageFault
from federation.privacy.accounting import compose
from federation.rounds.terms import charter_events
from node.policy import Case, Decision, Policy, Verdict, decide
from node.privacy import ledger
from node.status import document_of
from node.store import documents, feed, runs
from node.store.runs import DecisionState, PersonDecision


@dataclass(frozen=True)
class Awaiting:
    """A charter that awaits a person. ``approved``: what the policy says once a person approves.

    case: the charter and its costs (ε); closed: its run has ended meanwhile.
    """

    digest: bytes
    asked_ms: int
    case: Case
    approved: Decision
    closed: bool

    @property
    def charter(self) -> Charter:
        """The charter itself."""
        return self.case.charter


def awaiting(connection: Connection, policy: Policy, now_ms: int) -> list[Awaiting]:
    """Every charter that awaits a person, oldest first."""
    closed = _closed(connection)
    return [
        _awaiting(connection, policy, asked, now_ms, asked.charter_digest in closed)
        for asked in runs.pending_decisions(connection)
    ]


def approve(connection: Connection, asked: Awaiting, person: str, now_ms: int) -> PersonDecision:
    """Record a person's approval.

    Raises Refused(CHARTER_CLOSED) once the run has ended and Refused with the policy's reason when
    a rule forbids the charter whatever a person says; nothing is recorded then.
    """
    if asked.closed:
        raise Refused(Reason.CHARTER_CLOSED, "the run of this charter has ended")
    if asked.approved.verdict is not Verdict.ACCEPT:
        raise Refused(
            asked.approved.reason or Reason.POLICY,
            f"the policy forbids it, approval changes nothing: {asked.approved.sentence}",
        )
    return _decide(connection, asked, True, person, now_ms)


def refuse(connection: Connection, asked: Awaiting, person: str, now_ms: int) -> PersonDecision:
    """Record a person's refusal, which is final."""
    return _decide(connection, asked, False, person, now_ms)


def _decide(
    connection: Connection, asked: Awaiting, approved: bool, person: str, now_ms: int
) -> PersonDecision:
    rules.check_text("person", person, 100)
    return runs.decide(connection, asked.digest, approved, person, now_ms)


def _awaiting(
    connection: Connection, policy: Policy, asked: PersonDecision, now_ms: int, closed: bool
) -> Awaiting:
    stored = feed.by_identity(connection, asked.charter_digest)
    charter = None if stored is None else document_of(stored)
    if not isinstance(charter, Charter):
        raise StorageFault(Reason.STORAGE, "a charter put before a person is not in the store")
    events = charter_events(charter)
    after = ledger.year_after(
        connection,
        asked.charter_digest,
        year=ledger.year_of(now_ms),
        events=events,
        delta=policy.budget.delta,
    )
    cost = compose(events.values(), charter.privacy.delta)
    case = Case(charter, cost, after, now_ms, asked.state)
    approved = decide(policy, replace(case, person=DecisionState.APPROVED))
    return Awaiting(asked.charter_digest, asked.asked_ms, case, approved, closed)


def _closed(connection: Connection) -> frozenset[bytes]:
    ended = (document_of(stored) for stored in documents.of_type(connection, PayloadType.CLOSURE))
    return frozenset(d.charter_digest for d in ended if isinstance(d, Closure))
