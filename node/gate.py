"""The only way out: the only holder of the city's signing key, and what may pass under it.

Lives here: policy → budget → egress entry → signature → stored answer, in that order, and the
table of what may leave. Must not know: how an answer is computed, or who carries it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.crypto.envelope import Body, replay_identity, sign
from federation.crypto.keys import SigningKey, digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, Refusal, Vote
from federation.documents.notices import PolicyNotice
from federation.documents.types import LOGGED, TYPE_OF, Document
from federation.errors import Reason, Refused, StorageFault
from federation.log.checkpoint import Checkpoint, cosignature
from federation.privacy.accounting import compose
from federation.privacy.events import EVALUATION
from federation.rounds.terms import budget_kind, charter_events, check_vector
from federation.wire.codec import (
    decode_document,
    decode_envelope,
    encode_document,
    encode_envelope,
)
from node.policy import Case, Decision, Policy, Verdict, decide
from node.privacy import ledger
from node.records import Grade
from node.store import answers, documents, egress, outbox, runs
from node.store.answers import Answer, Question
from node.store.egress import Departure
from node.store.engine import Store

COORDINATOR = "coordinator"
COSIGNATURE = "laborfed/cosignature/v1"  # what the ledger calls a line under a log's head
CONSENT_ROUND = 0  # consents are answered once per attempt, before its first round

Step = Callable[[Connection], None]
Judge = Callable[[Connection], Checkpoint]


@dataclass(frozen=True)
class Passage:
    """How something may leave: its grade, and whether it must be charged to the budget."""

    grade: Grade
    charged: bool


# Whatever is not here does not leave. Charged documents carry noised sums of records, the others
# carry nothing that depends on a record; of a log's checkpoint only the co-signature leaves.
PASSAGES: Mapping[type[Document] | type[Checkpoint], Passage] = MappingProxyType(
    {
        Checkpoint: Passage(Grade.PUBLIC, charged=False),
        Consent: Passage(Grade.PUBLIC, charged=False),
        Refusal: Passage(Grade.PUBLIC, charged=False),
        Contribution: Passage(Grade.PUBLIC, charged=True),
        Vote: Passage(Grade.PUBLIC, charged=True),
        PolicyNotice: Passage(Grade.PUBLIC, charged=False),
    }
)


@dataclass(frozen=True)
class Charge:
    """A touched budget event, made by :meth:`Gate.charge`; ``touch`` is its number in the ledger.

    ``key``: 32 bytes, the attempt's nonce; in an evaluation the candidate's digest, as its one
    noised value serves every attempt.
    """

    charter_digest: bytes
    kind: str
    key: bytes
    round: int
    touch: int


class Gate:
    """Lets envelopes of one city out. Nothing it returns exists before its entry is committed.

    ``policy`` is asked anew for every consent, so that a change counts from the next one on; a
    policy that cannot be read lets none out.
    """

    def __init__(
        self,
        store: Store,
        key: SigningKey,
        city: str,
        policy: Callable[[], Policy],
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._key = key
        self._city = city
        self._policy = policy
        self._clock_ms = clock_ms

    def answered(self, question: Question, request_digest: bytes) -> Body | None:
        """What answered this request before, None when nothing did.

        Raises Refused(ANSWERED) when the question was answered to another request.
        """
        with self._store.read() as connection:
            answer = answers.committed_answer(connection, question, request_digest)
        if answer is None:
            return None
        if not answer.vector.size:
            return Body(answer.envelope)
        return Body(answer.envelope, self._vector_of(answer))

    def foresee(self, charter: Accepted[Charter]) -> None:
        """Compose what a charter would cost, so that its consent finds it composed already.

        Loading the accountant and composing take seconds at first; a charter is logged before its
        run begins. Changes nothing; raises StorageFault and what reading the policy raises.
        """
        _cost(charter.document)
        with self._store.read() as connection:
            self._year_after(connection, self._policy(), charter)

    def consent(self, charter: Accepted[Charter], consent: Consent, request_digest: bytes) -> bytes:
        """Ask policy, reserve the whole charter's budget and let the consent out.

        Raises Refused with the policy's reason, AWAITING_PERSON, BUDGET, CHARTER_CLOSED or
        ANSWERED, and what reading the policy raises; the question to a person is kept.
        """
        policy = self._policy()
        # composing takes most of a second the first time: not under the store's write lock
        cost = _cost(charter.document)
        with self._store.write() as connection:
            decision = self._decide(connection, policy, charter, cost)
            if decision.verdict is Verdict.ACCEPT:
                self._reserve(connection, policy, charter)
                runs.see_attempt(
                    connection, charter.digest, consent.attempt_nonce, self._clock_ms()
                )
                question = Question(consent.attempt_nonce, CONSENT_ROUND, "consent")
                answer = Answer(self._out(connection, consent, charter.digest, None))
                self._once(connection, question, request_digest, answer)
                return answer.envelope
        raise Refused(decision.reason or Reason.POLICY, decision.sentence)

    def charge(
        self, charter_digest: bytes, kind: str, key: bytes, round_number: int, also: Step
    ) -> Charge:
        """Spend one reserved event, durably, before records are read; ``also`` commits with it.

        The same (kind, key, round) is spent once. Raises what :func:`node.privacy.ledger.touch`
        raises.
        """
        with self._store.write() as connection:
            touch = ledger.touch(connection, charter_digest, kind, key, round_number)
            also(connection)
        return Charge(charter_digest, kind, key, round_number, touch)

    def vote(self, vote: Vote, charge: Charge, also: Step) -> bytes:
        """Let a vote out; ``also`` commits with it.

        Raises Refused(BUDGET) unless ``charge`` pays for its candidate.
        """
        with self._store.write() as connection:
            also(connection)
            if charge.kind != EVALUATION:
                raise _unpaid()
            self._check_paid(connection, charge, vote.charter_digest, vote.candidate_digest)
            return self._out(connection, vote, vote.charter_digest, charge)

    def contribute(
        self, contribution: Contribution, vector: bytes, charge: Charge, request_digest: bytes
    ) -> Body:
        """Let a contribution and its vector out, once.

        Raises Refused(BUDGET) unless ``charge`` pays for exactly this attempt and round,
        Refused(ANSWERED) when another answer to the round exists, Malformed(WRONG_BINDING) when the
        vector is another than the contribution names.
        """
        check_vector(contribution, vector)
        # half a megabyte on its way to disk does not hold the store's write lock
        place = self._store.vectors.append([vector])[0]
        evaluated = contribution.kind == "evaluation"
        key = contribution.parameters_digest if evaluated else contribution.attempt_nonce
        question = Question(contribution.attempt_nonce, contribution.round, contribution.kind)
        with self._store.write() as connection:
            if charge.kind != budget_kind(contribution.kind) or charge.round != contribution.round:
                raise _unpaid()
            self._check_paid(connection, charge, contribution.charter_digest, key)
            charter_digest = contribution.charter_digest
            envelope = self._out(connection, contribution, charter_digest, charge, vector)
            self._once(connection, question, request_digest, Answer(envelope, place))
        return Body(envelope, vector)

    def post(self, compose: Callable[[Connection, Policy], Document]) -> bytes:
        """Put a document into the outbox, to be logged; return its envelope.

        ``compose`` makes it from the policy in force, in the transaction that holds its entry, its
        signature and its place in the outbox. Raises Refused(POLICY) for what may not be published.
        """
        policy = self._policy()
        with self._store.write() as connection:
            document = compose(connection, policy)
            kind = TYPE_OF[type(document)]
            if kind not in LOGGED:
                raise Refused(Reason.POLICY, f"no {type(document).__name__} is published")
            envelope = self._out(connection, document, None, None)
            identity = replay_identity(decode_envelope(envelope))
            outbox.add(connection, kind, identity, envelope, self._clock_ms())
        return envelope

    def refuse(self, refusal: Refusal) -> bytes:
        """Let a refusal out and count it; it is not kept, as the next answer may be another."""
        with self._store.write() as connection:
            envelope = self._out(connection, refusal, refusal.charter_digest or None, None)
            documents.count_refusal(connection, refusal.reason)
            return envelope

    def cosign(self, judge: Judge) -> bytes:
        """Let the co-signature of a head out: the signature line of a note (C2SP).

        ``judge`` returns the head that may be signed and keeps it, in the transaction that holds
        the ledger's entry; what it raises lets nothing out. The same head gives the same bytes.
        """
        with self._store.write() as connection:
            head = judge(connection)
            line = cosignature(head.text, self._city, self._key)
            self._note_departure(connection, COSIGNATURE, Body(line), PASSAGES[Checkpoint])
            return line

    def _decide(
        self, connection: Connection, policy: Policy, charter: Accepted[Charter], cost: float
    ) -> Decision:
        now_ms = self._clock_ms()
        person = runs.person_decision(connection, charter.digest)
        after = self._year_after(connection, policy, charter)
        state = None if person is None else person.state
        decision = decide(policy, Case(charter.document, cost, after, now_ms, state))
        if decision.verdict is Verdict.ASK:
            runs.ask_person(connection, charter.digest, now_ms)
        return decision

    def _year_after(
        self, connection: Connection, policy: Policy, charter: Accepted[Charter]
    ) -> float:
        return ledger.year_after(
            connection,
            charter.digest,
            year=ledger.year_of(self._clock_ms()),
            events=charter_events(charter.document),
            delta=policy.budget.delta,
        )

    def _reserve(self, connection: Connection, policy: Policy, charter: Accepted[Charter]) -> None:
        ledger.reserve(
            connection,
            charter.digest,
            purpose=charter.document.purpose,
            year=ledger.year_of(self._clock_ms()),
            events=charter_events(charter.document),
            allowance=policy.allowance,
        )

    def _check_paid(
        self, connection: Connection, charge: Charge, charter_digest: bytes, key: bytes
    ) -> None:
        touch = ledger.touch_of(connection, charter_digest, charge.kind, key, charge.round)
        if touch != charge.touch:
            raise _unpaid()

    def _out(
        self,
        connection: Connection,
        document: Document,
        charter_digest: bytes | None,
        charge: Charge | None,
        vector: bytes = b"",
    ) -> bytes:
        passage = PASSAGES.get(type(document))
        if passage is None:
            raise Refused(Reason.POLICY, f"no {type(document).__name__} leaves this city")
        if passage.charged != (charge is not None):
            raise _unpaid()
        # the entry names the digest of what is signed, so the signature is made first; no byte of
        # it is returned before the transaction that holds the entry has committed
        payload_type, payload = encode_document(document)
        envelope = encode_envelope(sign(payload_type, payload, self._key))
        sent = Body(envelope, vector)
        self._note_departure(connection, payload_type, sent, passage, charter_digest, charge)
        return envelope

    def _note_departure(
        self,
        connection: Connection,
        kind: str,
        sent: Body,
        passage: Passage,
        charter_digest: bytes | None = None,
        charge: Charge | None = None,
    ) -> None:
        departure = Departure(
            at_ms=self._clock_ms(),
            payload_type=kind,
            envelope_digest=digest(sent.envelope),
            charter_digest=charter_digest,
            grade=passage.grade,
            bytes=len(sent.envelope) + len(sent.vector),
            destination=COORDINATOR,
            budget_touch=None if charge is None else charge.touch,
        )
        egress.record(connection, departure)

    def _vector_of(self, answer: Answer) -> bytes:
        vector = self._store.vectors.read(answer.vector)
        opened = decode_envelope(answer.envelope)
        document = decode_document(opened.payload_type, opened.payload)
        if not isinstance(document, Contribution) or digest(vector) != document.masked_digest:
            raise StorageFault(Reason.STORAGE, "the vector of an answer is damaged on disk")
        return vector

    def _once(
        self, connection: Connection, question: Question, request_digest: bytes, answer: Answer
    ) -> None:
        committed = answers.commit_answer(
            connection, question, request_digest, answer, at_ms=self._clock_ms()
        )
        if committed is not answer:
            raise Refused(Reason.ANSWERED, "this request was answered meanwhile")


def _cost(charter: Charter) -> float:
    return compose(charter_events(charter).values(), charter.privacy.delta)


def _unpaid() -> Refused:
    return Refused(Reason.BUDGET, "the gate: no budget event was spent for this answer")
