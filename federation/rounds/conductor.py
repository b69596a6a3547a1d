"""One run, conducted: stage by stage as the table of ``stages`` says.

Lives here: what the coordinator does in each stage. Must not know: Flower, transport, how its
statements are worded, or anything of a city but its signed answers.
"""

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import cast

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.masking import MaskContext
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, RoundRequest
from federation.documents.rules import NONCE_BYTES
from federation.documents.runs import Closure
from federation.documents.types import Document
from federation.errors import LaborfedError, Malformed, Reason, Refused
from federation.exchange.blobs import BlobStore
from federation.rounds import judging, results, statements, terms
from federation.rounds.aggregate import sum_contributions, sum_to_bytes
from federation.rounds.desk import Collected, Desk
from federation.rounds.events import RunEvent
from federation.rounds.position import Position, following, resume
from federation.rounds.spending import Spending
from federation.rounds.stages import ENDS, Outcome, Stage, after
from federation.rounds.statements import Attempt
from federation.rounds.store import Summed
from federation.vectors import Place

# Who is asked first after a restart has this much longer, seconds: a city that lost its coordinator
# tries again every 30 s at most, and is to find it before it is missed.
RETURN_S = 45.0


@dataclass(frozen=True)
class _Asked:
    """The round under way and what came of asking for it.

    ``begun_ms``: when it was asked for; ``before``: cities that had lost their keys in this round's
    attempts before; ``spare``: how many cities the roster has beyond what the charter needs.
    """

    begun_ms: int
    request: RoundRequest
    context: MaskContext
    collected: Collected
    before: frozenset[str]
    spare: int

    @property
    def restarted(self) -> frozenset[str]:
        """Cities that lost their keys in a restart."""
        faults = self.collected.faults
        return frozenset(c for c, fault in faults.items() if fault.reason is Reason.KEYS_LOST)

    @property
    def missing(self) -> dict[str, LaborfedError]:
        """Cities to drop: who lost its keys in a restart may join again (design §7.4), but once.

        A city that a round kills each time would use up every repeat of the others. Where too few
        would be left without it, the repeats alone bound how often: dropping it would end the run.
        """
        faults, again = self.collected.faults, self.restarted - self.before
        out = {city: fault for city, fault in faults.items() if city not in again}
        if len(out) <= self.spare:
            return out
        return {city: fault for city, fault in out.items() if city not in self.restarted}


class Conductor:
    """Conducts the run of one accepted charter, from where it stands. Used once, by one thread."""

    def __init__(self, charter: Accepted[Charter], desk: Desk, blobs: BlobStore) -> None:
        self._accepted = charter
        self._charter = charter.document
        self._needed = max(self._charter.min_roster, self._charter.collusion_bound + 2)
        self._desk = desk
        self._blobs = blobs
        self._spending = Spending(self._charter, desk.clock_ms)
        self._stage = Stage.GATHERING
        self._position: Position
        self._attempt: Attempt
        self._asked: _Asked
        self._laid: dict[str, Future[Place]] = {}
        self._restarted: frozenset[str] = frozenset()
        self._extra_s = 0.0
        self._verdict = ("failed", "")
        self._do: dict[Stage, Callable[[], Outcome]] = {
            Stage.GATHERING: self._gather,
            Stage.ROSTERING: self._make_roster,
            Stage.ASKING: self._ask,
            Stage.DROPPING: self._drop,
            Stage.REPEATING: self._may_repeat,
            Stage.RECORDING: self._record,
            Stage.RELEASING: self._release,
            Stage.CLOSING: self._close,
        }

    def conduct(self) -> Closure | None:
        """Conduct the run to its end; None when it was paused or not started and stays open.

        Raises Refused(CHARTER_CLOSED) after its end, Refused(CHARTER_WINDOW) when it never ran and
        its window is not open, StorageFault when what is kept of it does not hold.
        """
        try:
            self._stage = self._begin()
            while self._stage not in ENDS:
                self._stage = after(self._stage, self._do[self._stage]())
        finally:
            self._spending.close()
        return self._position.closure

    def _begin(self) -> Stage:
        kept = self._desk.settle(self._accepted.digest)
        position = self._position = resume(self._charter, kept, self._blobs)
        if position.closure is not None:
            raise Refused(Reason.CHARTER_CLOSED, "the run of this charter is closed")
        self._attempt = statements.standing_attempt(self._accepted.digest, position)
        self._extra_s = RETURN_S if position.attempts or self._desk.returning else 0.0
        now_ms = self._desk.clock_ms()
        open_now = self._charter.not_before_ms <= now_ms < self._charter.not_after_ms
        if not position.attempts:
            if not open_now:
                raise Refused(Reason.CHARTER_WINDOW, "the charter's window is not open")
            return Stage.GATHERING
        self._tell(f"taken up again after round {position.completed}")
        if position.released:
            self._verdict = ("released", "")
            return Stage.CLOSING
        if position.completed == terms.last_round(self._charter):
            return Stage.RELEASING
        if not open_now:
            self._verdict = ("failed", "the charter's window is over")
            return Stage.CLOSING
        return Stage.ASKING if position.standing and self._same_key() else Stage.REPEATING

    def _same_key(self) -> bool:
        """Whether the roster's membership names the key that signs requests now.

        Under another key the same request has other bytes, which no city answers twice.
        """
        trust = self._desk.publisher.trust
        named = trust.named(self._attempt.membership_digest).coordinator_key
        return named == self._desk.key.public.raw

    def _patience_s(self) -> float:
        """How long the question asked now may take, seconds."""
        extra_s, self._extra_s = self._extra_s, 0.0
        return self._charter.round_deadline_s + extra_s

    def _gather(self) -> Outcome:
        if self._desk.stopped:
            return self._stopped()
        # a city of the last roster that comes back, from its own restart or to a coordinator that
        # was restarted, is waited for: it is asked once it attends again
        before = frozenset((*self._attempt.consents, *self._position.consents))
        before -= self._position.dropped
        asked = self._desk.reachable(self._position.dropped) | before
        self._attempt = Attempt(
            self._accepted.digest,
            self._position.attempts + 1,
            secrets.token_bytes(NONCE_BYTES),
            self._desk.membership_digest,
        )
        self._tell(f"asking {len(asked)} cities for consent")
        request = statements.consent_request(self._attempt, self._desk.clock_ms())
        found = self._desk.collect(
            sorted(asked),
            Body(self._desk.sign(request)),
            terms.QUERY,
            timeout_s=self._patience_s(),
            judge=lambda body, city: judging.consent(body, city, request, self._desk.in_run),
            tell=self._tell_city,
        )
        self._attempt = replace(self._attempt, consents=self._usable(found))
        if self._desk.stopped:
            return self._stopped()
        if len(self._attempt.consents) >= self._needed:
            return Outcome.ENOUGH
        self._verdict = (
            "failed",
            f"{len(self._attempt.consents)} cities consented, {self._needed} are needed",
        )
        self._tell(self._verdict[1])
        return Outcome.TOO_FEW if self._position.attempts else Outcome.TOO_FEW_AT_START

    def _usable(self, found: Collected) -> dict[str, bytes]:
        """Consents' bytes by city, without those whose key another city gave as well."""
        consents = {city: cast(Consent, a.document) for city, a in found.answers.items()}
        shared = judging.shared_keys(consents)
        for city in sorted(shared):
            error = Refused(Reason.ROSTER_CONSENT, "left out: another city gave the same key")
            self._tell_city(city, str(error))
        return {c: body.envelope for c, body in found.bodies.items() if c not in shared}

    def _make_roster(self) -> Outcome:
        if self._attempt.membership_digest != self._desk.membership_digest:
            return Outcome.OUTDATED
        kind = terms.kind_of_round(self._charter, self._position.completed + 1)
        # a roster too large for the charter's modulus must not be logged
        terms.contribution_bound(self._charter, kind, len(self._attempt.consents))
        roster = statements.roster(self._attempt, self._position, self._desk.clock_ms())
        digest = self._publish(roster)
        self._attempt = replace(self._attempt, roster_digest=digest)
        self._position = self._position.noted(roster, digest)
        self._tell(f"roster of {len(self._attempt.consents)}: {', '.join(self._attempt.consents)}")
        return Outcome.ROSTERED

    def _ask(self) -> Outcome:
        if self._desk.stopped:
            return self._stopped()
        begun_ms, self._laid = self._desk.clock_ms(), {}
        request = statements.round_request(self._attempt, self._position, self._charter)
        context = terms.mask_context(request, self._charter)
        collected = self._desk.collect(
            self._attempt.consents,
            Body(self._desk.sign(request), self._position.last_sum),
            terms.message_type(request.kind),
            timeout_s=self._patience_s(),
            judge=lambda body, city: self._judged(body, city, context),
            tell=self._tell_city,
        )
        spare = len(self._attempt.consents) - self._needed
        self._asked = _Asked(begun_ms, request, context, collected, self._restarted, spare)
        self._restarted |= self._asked.restarted
        if not collected.faults:
            return Outcome.COMPLETE
        if self._desk.stopped:
            return self._stopped()
        return Outcome.MISSING if self._asked.missing else Outcome.KEYS_LOST

    def _judged(self, body: Body, city: str, context: MaskContext) -> Contribution:
        document = judging.contribution(body, city, context, self._desk.in_run)
        # on disk by the time the last city has answered
        self._laid[city] = self._desk.runs.lay_down(body.vector)
        return document

    def _drop(self) -> Outcome:
        number, missing = self._asked.request.round, self._asked.missing
        now_ms = self._desk.clock_ms()
        for drop in statements.drop_records(self._attempt, number, missing, now_ms):
            digest = self._publish(drop)
            self._position = self._position.noted(drop, digest)
            self._tell(f"dropped {', '.join(drop.cities)}: {drop.reason}")
        return Outcome.DROPPED

    def _may_repeat(self) -> Outcome:
        if self._position.attempts <= self._charter.max_repeats:
            return Outcome.ALLOWED
        self._verdict = ("failed", f"all {self._charter.max_repeats} repeats are used")
        return Outcome.EXHAUSTED

    def _record(self) -> Outcome:
        request, context = self._asked.request, self._asked.context
        # every answer was judged to be a contribution to this very round
        bodies = self._asked.collected.bodies
        total = sum_contributions([body.vector for body in bodies.values()], context)
        try:
            state = following(self._position.state, total, self._charter, request.kind)
        except Malformed as error:
            self._verdict = ("failed", f"round {request.round}: {error.message}")
            return Outcome.OUT_OF_BOUND
        now_ms = self._desk.clock_ms()
        summed = Summed(bodies, sum_to_bytes(total, context.modulus_bits), self._laid)
        record = statements.round_record(request, summed, state, now_ms)
        self._restarted = frozenset()
        digest = self._publish(record, summed)
        self._position = self._position.recorded(record, digest, summed.total, state)
        self._tell("recorded", seconds=(now_ms - self._asked.begun_ms) / 1000)
        return Outcome.LAST if record.round == terms.last_round(self._charter) else Outcome.MORE

    def _release(self) -> Outcome:
        released = results.of_run(
            self._accepted,
            self._position,
            self._desk.runs,
            self._desk.publisher.latest_release,
            self._desk.clock_ms(),
        )
        if released is None:
            self._verdict = ("voted_down", "too few cities found the candidate not worse")
        else:
            digest = self._publish(released)
            self._position = self._position.noted(released, digest)
            self._verdict = ("released", "")
        return Outcome.DECIDED

    def _close(self) -> Outcome:
        closure = statements.closure(
            self._accepted.digest, self._position, self._verdict, self._desk.clock_ms()
        )
        digest = self._publish(closure)
        self._position = self._position.noted(closure, digest)
        cost = results.cost(self._charter, self._position)
        self._tell(f"{closure.outcome} {closure.reason}".strip(), epsilon=cost)
        return Outcome.DONE

    def _publish(self, document: Document, round_: Summed | None = None) -> bytes:
        charter = self._accepted.digest
        return self._desk.keep_and_publish(charter, document, round_, waiting=self._tell)

    def _stopped(self) -> Outcome:
        if self._desk.paused:
            self._tell("paused by an operator; cities keep what they reserved")
            return Outcome.PAUSED
        self._verdict = ("stopped", "an operator stopped the run")
        # where nothing was logged yet there is no run to close
        return Outcome.STOPPED if self._position.attempts else Outcome.TOO_FEW_AT_START

    def _tell_city(self, city: str, text: str) -> None:
        self._tell(text, city=city)

    def _tell(
        self, text: str, *, city: str = "", seconds: float = 0.0, epsilon: float | None = None
    ) -> None:
        position, last = self._position, terms.last_round(self._charter)
        number = position.completed + (self._stage in (Stage.ASKING, Stage.DROPPING))
        self._desk.tell(
            RunEvent(
                at_ms=self._desk.clock_ms(),
                stage=self._stage,
                attempt=self._attempt.number,
                round=min(number, last),
                rounds=last,
                city=city,
                text=text,
                epsilon=self._so_far() if epsilon is None else epsilon,
                seconds=seconds,
            )
        )

    def _so_far(self) -> float:
        return self._spending.so_far(results.rounds_asked(self._charter, self._position))
