"""A city's side of a run: what is asked, checked in order, and answered once.

Lives here: the order of checks of design §7 before a consent or a contribution. Must not know:
transport, queries of records, or how a document was accepted.
"""

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import AgreementKey, digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, ConsentRequest, Refusal, RoundRequest
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.documents.types import TYPE_OF, Document, PayloadType
from federation.errors import (
    CallerError,
    LaborfedError,
    LocalError,
    Malformed,
    PeerError,
    Reason,
    Refused,
)
from federation.rounds import terms
from federation.rounds.aggregate import State, from_bytes, to_bytes
from federation.wire.codec import decode_body, decode_envelope, encode_body
from node.attempts import Attempt, Rostered
from node.contradiction import exchanged
from node.contribution import Figures, keep_evaluation, masked, vote_on
from node.documents import AcceptedDocuments
from node.faults import OWN_FAULT, log_fault, sentence_for_peer
from node.gate import CONSENT_ROUND, Charge, Gate
from node.replay import FetchBlob, Reached, state_before
from node.store import runs
from node.store.answers import Question
from node.store.engine import Store
from node.store.runs import RunState

# How far a request may run ahead of the log's feed, seconds.
MOST_WAIT_S = 30.0
# A restarted node replays at most this many rounds from recorded sums; written each time, two
# int64 vectors would be the largest thing a round commits.
STATE_EVERY = 16

Request = ConsentRequest | RoundRequest


class Participant:
    """Answers the conductor's requests for one city; threads take turns.

    ``fetch_blob`` returns public bytes by their SHA-256; ``wait_s``: how long a document may take
    to arrive by the feed.
    """

    def __init__(
        self,
        *,
        city: str,
        store: Store,
        documents: AcceptedDocuments,
        gate: Gate,
        figures: Figures,
        fetch_blob: FetchBlob,
        clock_ms: Callable[[], int],
        wait_s: float = MOST_WAIT_S,
    ) -> None:
        self._city = city
        self._store = store
        self._documents = documents
        self._gate = gate
        self._figures = figures
        self._fetch_blob = fetch_blob
        self._clock_ms = clock_ms
        self._wait_s = wait_s
        self._turn = threading.Lock()
        self._attempts: dict[bytes, Attempt] = {}
        self._closed: set[bytes] = set()
        self._dropped: set[bytes] = set()
        documents.subscribe(self._note)
        for closure in documents.of_type(Closure):
            self._leave(closure.document.charter_digest, self._closed)
        for drop in documents.of_type(DropRecord):
            if city in drop.document.cities:
                self._leave(drop.document.charter_digest, self._dropped)

    def answer(self, body: bytes) -> bytes:
        """Return the signed answer to a signed request: consent, contribution or refusal.

        A contribution's vector is attached, as the sum is that the request builds on.

        Raises StorageFault when not even a refusal could be written down.
        """
        request: Request | None = None
        try:
            came = decode_body(body)
            asked = self._open(came.envelope)
            request = asked.document
            if not (isinstance(request, RoundRequest) and request.previous_record_digest):
                terms.check_bare(came)
            if isinstance(request, ConsentRequest):
                return self._consent(request, asked.digest)
            return self._contribute(request, asked.digest, came.vector)
        except (CallerError, PeerError) as error:
            return self._refuse(request, error)
        except Exception as error:  # noqa: BLE001 the boundary: no request ends this process
            log_fault(error, request)
            ours = LocalError(Reason.STORAGE, OWN_FAULT)
            return self._refuse(request, error if isinstance(error, LaborfedError) else ours)

    def _open(self, raw: bytes) -> Accepted[Request]:
        asked = decode_envelope(raw).payload_type
        kind: type[ConsentRequest] | type[RoundRequest] = RoundRequest
        if asked == PayloadType.CONSENT_REQUEST:
            kind = ConsentRequest
        return self._documents.in_run(raw, TYPE_OF[kind]).of(kind)

    def _refuse(self, request: Request | None, error: LaborfedError) -> bytes:
        return self._gate.refuse(
            Refusal(
                charter_digest=request.charter_digest if request else b"",
                attempt_nonce=request.attempt_nonce if request else b"",
                city=self._city,
                reason=error.reason,
                message=sentence_for_peer(error),
            )
        )

    def _note(self, accepted: Accepted[Document]) -> None:
        match accepted.document:
            case Closure(charter_digest=charter_digest):
                self._leave(charter_digest, self._closed)
            case DropRecord(charter_digest=charter_digest, cities=cities) if self._city in cities:
                self._leave(charter_digest, self._dropped)

    def _leave(self, charter_digest: bytes, why: set[bytes]) -> None:
        why.add(charter_digest)
        self._attempts.pop(charter_digest, None)
        self._figures.work.forget(charter_digest)

    def _check_open(self, charter: Accepted[Charter]) -> None:
        if charter.digest in self._closed:
            raise Refused(Reason.CHARTER_CLOSED, "this charter's run is closed")
        if charter.digest in self._dropped:
            raise Refused(Reason.DROPPED, "this city was dropped from the run")
        bounds = charter.document
        if not bounds.not_before_ms <= self._clock_ms() < bounds.not_after_ms:
            raise Refused(Reason.CHARTER_WINDOW, "the charter's window is not open")

    def _consent(self, request: ConsentRequest, request_digest: bytes) -> bytes:
        charter = self._charter(request.charter_digest)
        self._documents.wait_for(request.membership_digest, self._wait_s)
        with self._turn:
            self._check_open(charter)
            if request.membership_digest != self._documents.trust.current_digest:
                raise Refused(Reason.WRONG_BINDING, "the membership named is not in force")
            question = Question(request.attempt_nonce, CONSENT_ROUND, "consent")
            given = self._gate.answered(question, request_digest)
            if given is not None:
                self._attempt(request)
                return given.envelope
            self._figures.work.supports(charter.document)
            return self._join(request, charter, request_digest)

    def _charter(self, charter_digest: bytes) -> Accepted[Charter]:
        try:
            return self._documents.wait_for(charter_digest, self._wait_s).of(Charter)
        except PeerError:
            raise Refused(Reason.CHARTER_UNKNOWN, "this city knows no such charter") from None

    def _join(
        self, request: ConsentRequest, charter: Accepted[Charter], request_digest: bytes
    ) -> bytes:
        key = AgreementKey.generate()
        consent = Consent(
            charter_digest=request.charter_digest,
            attempt_nonce=request.attempt_nonce,
            membership_digest=request.membership_digest,
            city=self._city,
            agreement_key=key.public,
            consented_ms=self._clock_ms(),
        )
        envelope = self._gate.consent(charter, consent, request_digest)
        before = self._attempts.get(charter.digest)
        self._attempts[charter.digest] = Attempt(
            city=self._city,
            nonce=request.attempt_nonce,
            charter=charter,
            membership_digest=request.membership_digest,
            key=key,
            consent=envelope,
            state=before.state if before else None,
        )
        return envelope

    def _attempt(self, request: Request) -> Attempt:
        attempt = self._attempts.get(request.charter_digest)
        if attempt is None:
            raise Refused(Reason.KEYS_LOST, "this city holds no key of this attempt")
        attempt.check_own(request)
        return attempt

    def _contribute(self, request: RoundRequest, request_digest: bytes, last_sum: bytes) -> bytes:
        charter = self._charter(request.charter_digest)
        roster, record = self._awaited(request)
        with self._turn:
            self._check_open(charter)
            question = Question(request.attempt_nonce, request.round, request.kind)
            given = self._gate.answered(question, request_digest)
            if given is not None:
                return encode_body(given)
            attempt = self._attempt(request)
            rostered = self._enter(attempt, roster)
            attempt.check_order(rostered.roster, request)
            if record is not None:
                self._check_recorded(attempt, record)
            state = attempt.state = self._state(attempt, request, last_sum)
            charge = self._charge(charter.digest, request, state)
            answer = self._answer(attempt, rostered, request, charge, request_digest)
            attempt.answered, attempt.sent = request.round, digest(answer.envelope)
            return encode_body(answer)

    def _enter(self, attempt: Attempt, roster: Accepted[Roster]) -> Rostered:
        if attempt.rostered is None:
            charter = attempt.charter
            logged = self._documents.of_type(Roster, charter.leaf_index or 0)
            same_run = [r.digest for r in logged if r.document.charter_digest == charter.digest]
            # a roster of another run is refused when it is verified
            if roster.digest in same_run:
                attempt.check_repeats(roster.document, same_run.index(roster.digest))
        return attempt.enter(roster, self._documents.trust)

    def _check_recorded(self, attempt: Attempt, record: RoundRecord) -> None:
        if attempt.answered:
            attempt.check_recorded(record)
            return
        # a new attempt begins on the record of the one before, whose answers are in the store
        with self._store.read() as connection:
            if exchanged(connection, self._city, record):
                raise Refused(
                    Reason.WRONG_SUM, "the record holds another contribution of this city"
                )

    def _awaited(self, request: RoundRequest) -> tuple[Accepted[Roster], RoundRecord | None]:
        """What the request names, once the feed has it: waited for outside the turn."""
        roster = self._documents.wait_for(request.roster_digest, self._wait_s).of(Roster)
        if not request.previous_record_digest:
            return roster, None
        found = self._documents.wait_for(request.previous_record_digest, self._wait_s)
        return roster, found.of(RoundRecord).document

    def _state(self, attempt: Attempt, request: RoundRequest, last_sum: bytes) -> Reached | None:
        charter = attempt.charter
        if charter.document.training is None:
            if request.parameters_digest != terms.NO_PARAMETERS:
                raise Malformed(Reason.WRONG_SUM, "a statistics round has no parameters")
            return None
        held = attempt.state or self._stored_state(charter)
        return state_before(
            charter,
            charter.document.training,
            request,
            held,
            last_sum=last_sum,
            find=self._documents.get,
            fetch=self._fetch_blob,
        )

    def _stored_state(self, charter: Accepted[Charter]) -> Reached | None:
        with self._store.read() as connection:
            kept = runs.latest_state(connection, charter.digest)
        if kept is None:
            return None
        length = charter.document.length
        state = State(from_bytes(kept.parameters, length), from_bytes(kept.velocity, length))
        return Reached(kept.round, state, digest(kept.parameters))

    def _charge(
        self, charter_digest: bytes, request: RoundRequest, reached: Reached | None
    ) -> Charge:
        def keep(connection: Connection) -> None:
            if reached is not None and reached.round and reached.round % STATE_EVERY == 0:
                kept = RunState(
                    reached.round,
                    to_bytes(reached.state.parameters),
                    to_bytes(reached.state.velocity),
                )
                runs.keep_state(connection, charter_digest, kept)
                runs.forget_states(connection, charter_digest, reached.round)

        evaluated = request.kind == "evaluation"
        key = request.parameters_digest if evaluated else request.attempt_nonce
        kind = terms.budget_kind(request.kind)
        return self._gate.charge(charter_digest, kind, key, request.round, keep)

    def _answer(
        self,
        attempt: Attempt,
        rostered: Rostered,
        request: RoundRequest,
        charge: Charge,
        request_digest: bytes,
    ) -> Body:
        charter, context = attempt.charter, terms.mask_context(request, attempt.charter.document)
        values = self._figures.noised(charter, attempt.state, context, rostered.peers.roster)
        vote = b""
        if request.kind == "evaluation":
            said = vote_on(values, context, self._city)
            vote = self._gate.vote(said, charge, lambda c: keep_evaluation(c, context, values))
        contribution, vector = masked(values, attempt.key, rostered.peers, context, vote)
        return self._gate.contribute(contribution, vector, charge, request_digest)
