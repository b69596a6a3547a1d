"""Cities that take part in runs: real stores, gates and participants; the test is the coordinator.

Lives here: four nodes without a network, what they compute replaced by figures a test hands in, and
the coordinator's honest moves, each of which a test may change. Nothing here checks anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from federation.acceptance import Accepted, Limits
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    RoundRequest,
    Vote,
)
from federation.documents.runs import RecordedContribution, Roster, RoundRecord
from federation.documents.types import Document, PayloadType
from federation.errors import Reason, Refused
from federation.rounds import terms
from federation.rounds.aggregate import (
    State,
    initial_state,
    next_state,
    sum_contributions,
    sum_from_bytes,
    sum_to_bytes,
    to_bytes,
)
from federation.wire.codec import decode_body, decode_document, decode_envelope, encode_body
from node.consequences import Consequences
from node.contribution import Figures, Peers, masked
from node.documents import AcceptedDocuments
from node.gate import Gate
from node.identity import OwnKeys
from node.participant import Participant
from node.policy import Budget, KindRules, Mode, Policy
from node.store import documents, schema
from node.store.engine import Store, open_store
from node.witness import Witness
from support.federation import Charters, Federation
from support.runs import agreement_key

Integers = NDArray[np.int64]

START = np.arange(6, dtype=np.int64) * 1_000
_WILLING = KindRules(mode=Mode.AUTO, max_epsilon=8.0, min_roster=3)
WILLING = Policy(budget=Budget(epsilon=8.0), training=_WILLING, statistics=_WILLING)


def charter_of(charters: Charters, **changes: Any) -> Charter:
    """Return a training charter that starts at START: 2 rounds, 1 repeat, little to compose."""
    plain = charters.charter()
    assert plain.training is not None
    privacy = replace(
        plain.privacy, sampling_rate=1.0, noise_multiplier=4.0, evaluation_noise_multiplier=4.0
    )
    training = replace(plain.training, initial_parameters_digest=digest(to_bytes(START)))
    return replace(plain, **{"privacy": privacy, "training": training, **changes})


def statistics_charter_of(charters: Charters, **changes: Any) -> Charter:
    """Return a statistics charter of 6 counts."""
    plain = charters.statistics_charter()
    return replace(plain, **{"privacy": replace(plain.privacy, noise_multiplier=4.0), **changes})


@dataclass
class GivenWork:
    """A city's computations, handed in: ``figures`` by kind of round; ``done`` tells which ran."""

    figures: dict[str, Integers]
    supported: bool = True
    done: list[str] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    parameters: list[bytes] = field(default_factory=list)

    def supports(self, charter: Charter) -> None:
        if not self.supported:
            raise Refused(Reason.CHARTER_UNSUPPORTED, "this city's model is not the charter's")

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        return self._do("training", parameters)

    def evaluation(
        self, charter_digest: bytes, charter: Charter, candidate: Integers, current: Integers
    ) -> Integers:
        return self._do("evaluation", candidate)

    def statistics(self, charter: Charter) -> Integers:
        return self._do("statistics", np.zeros(0, dtype=np.int64))

    def forget(self, charter_digest: bytes) -> None:
        self.forgotten.append(charter_digest)

    def _do(self, kind: str, parameters: Integers) -> Integers:
        self.done.append(kind)
        self.parameters.append(to_bytes(parameters))
        return self.figures[kind].copy()


@dataclass
class TellingNoise:
    """Adds 1, 2, 3 … at each draw, so that a second draw shows; keeps the widths asked for."""

    widths: list[float] = field(default_factory=list)

    def __call__(self, values: Integers, sd: float) -> Integers:
        self.widths.append(sd)
        return values + len(self.widths)


def figures_of(number: int) -> dict[str, Integers]:
    """Return distinct figures for the city with this number, counted from 1."""
    return {
        "training": np.array([-5, 0, 7, 100, -100, 1], dtype=np.int64) * number,
        "evaluation": np.array([300, 4_000], dtype=np.int64) * number,
        "statistics": np.arange(6, dtype=np.int64) * number,
    }


class CitySide:
    """One city's node: its store, documents, gate and participant."""

    def __init__(
        self,
        federation: Federation,
        division: str,
        store: Store,
        *,
        blobs: Mapping[bytes, bytes],
        work: GivenWork,
        policy: Policy = WILLING,
    ) -> None:
        self.federation = federation
        self.division = division
        self.blobs = blobs
        self.work = work
        self.noise = TellingNoise()
        self.policy = policy
        self.fault: Exception | None = None
        self._boot(store)

    def _boot(self, store: Store) -> None:
        federation, division = self.federation, self.division
        self.store = store
        keys = federation.cities[division]
        entry = keys.entry
        own = OwnKeys(division, entry.signing_key, entry.sealing_key, entry.tls_key_digest)
        self.documents = AcceptedDocuments(
            store,
            federation.pin,
            Limits(),
            Consequences(own, federation.clock),
            federation.clock,
        )
        self.gate = Gate(store, keys.signing, division, lambda: self.policy, federation.clock)
        self.witness = Witness(self.documents, self.gate, Limits(), federation.clock)
        self.participant = Participant(
            city=division,
            store=store,
            documents=self.documents,
            gate=self.gate,
            figures=Figures(store, self.work, self.noise, self.fetch_blob),
            fetch_blob=self.fetch_blob,
            clock_ms=federation.clock,
            wait_s=0.0,
        )

    def fetch_blob(self, wanted: bytes) -> bytes:
        """Return public bytes as the exchange would."""
        if self.fault is not None:
            raise self.fault
        if wanted not in self.blobs:
            raise Refused(Reason.NOT_FOUND, "no such blob is kept")
        return self.blobs[wanted]

    def catch_up(self) -> None:
        """Absorb the log's entries up to its head."""
        publisher = self.federation.publisher
        while self.documents.next_index < publisher.size:
            at, kept = self.documents.next_index, self.documents.kept_size
            self.documents.absorb(publisher.bundle_for(at, kept))

    def restart(self) -> None:
        """Come back as after a kill: the same files, nothing of what was in memory."""
        path = Path(str(self.store.engine.url.database))
        self.store.close()
        self._boot(open_store(path))

    def answer(self, body: bytes) -> Document:
        """Return what the participant's answer says."""
        return opened(self.participant.answer(body))

    @property
    def footprint(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that answering may leave behind, refusals excepted."""
        with self.store.read() as connection:
            rows = {
                table.name: [tuple(row) for row in connection.execute(select(table))]
                for table in (
                    schema.answers,
                    schema.attempts,
                    schema.budget_reservations,
                    schema.budget_events,
                    schema.budget_touches,
                    schema.decisions,
                    schema.run_states,
                    schema.models,
                    schema.cells,
                )
            }
            left = schema.egress.c.payload_type != PayloadType.REFUSAL
            departures = select(schema.egress.c.envelope_digest).where(left)
            rows["egress"] = [tuple(row) for row in connection.execute(departures)]
        return rows

    @property
    def refusals(self) -> dict[str, int]:
        """How many were refused, by reason."""
        with self.store.read() as connection:
            return documents.refusals_by_reason(connection)


class PaperCity:
    """A city without a node: it answers by the book, from keys that the test can derive.

    As quick as its signatures; for tests about one real city that needs company.
    """

    def __init__(self, federation: Federation, division: str, number: int) -> None:
        self.federation = federation
        self.division = division
        self.figures = figures_of(number)
        self.participant = self

    def catch_up(self) -> None:
        """Read nothing."""

    def answer(self, body: bytes) -> bytes:
        """Return a consent or a contribution to the training round asked for."""
        request = opened(body)
        if isinstance(request, ConsentRequest):
            return self.federation.by_city(self._consent(request), self.division)
        assert isinstance(request, RoundRequest)
        contribution, vector = self._contribution(request)
        return encode_body(Body(self.federation.by_city(contribution, self.division), vector))

    def _consent(self, request: ConsentRequest) -> Consent:
        return Consent(
            charter_digest=request.charter_digest,
            attempt_nonce=request.attempt_nonce,
            membership_digest=request.membership_digest,
            city=self.division,
            agreement_key=agreement_key(self.division, request.attempt_nonce).public,
            consented_ms=self.federation.clock(),
        )

    def _contribution(self, request: RoundRequest) -> tuple[Contribution, bytes]:
        find = self.federation.publisher.find
        charter = find(request.charter_digest).of(Charter).document
        consents = [opened(raw) for raw in find(request.roster_digest).of(Roster).document.consents]
        keys = {c.city: c.agreement_key for c in consents if isinstance(c, Consent)}
        del keys[self.division]
        own = agreement_key(self.division, request.attempt_nonce)
        context = terms.mask_context(request, charter)
        return masked(self.figures[request.kind], own, Peers(self.division, keys), context)


def opened(raw: bytes) -> Document:
    """Return the document in envelope bytes, with or without a vector attached."""
    envelope = decode_envelope(decode_body(raw).envelope)
    return decode_document(envelope.payload_type, envelope.payload)


class Coordinator:
    """The coordinator as a test plays it, for one charter: honest unless told otherwise."""

    def __init__(
        self,
        federation: Federation,
        charter: Charter,
        cities: Mapping[str, CitySide | PaperCity],
        blobs: dict[bytes, bytes],
    ) -> None:
        self.federation = federation
        self.cities = dict(cities)
        self.blobs = blobs
        self.charter = federation.publish(federation.by_administrators(charter)).of(Charter)
        self.attempt = 0
        self.nonce = bytes(32)
        self.roster: Accepted[Roster]
        self.records: list[Accepted[RoundRecord]] = []
        self.sums: list[bytes] = []
        self.consents: dict[str, bytes] = {}
        self.tell()

    def tell(self) -> None:
        """Let every city read the log."""
        for city in self.cities.values():
            city.catch_up()

    @property
    def state(self) -> State:
        """The optimiser's state after the recorded training rounds."""
        charter = self.charter.document
        assert charter.training is not None
        state = initial_state(to_bytes(START), charter.length, charter.training)
        for total in self.sums[: charter.rounds]:
            values = sum_from_bytes(total, charter.length, charter.privacy.modulus_bits)
            state = next_state(state, values, charter.training)
        return state

    @property
    def parameters(self) -> bytes:
        """The parameters the next round is about."""
        return to_bytes(self.state.parameters) if self.charter.document.training else b""

    def sign(self, document: Document) -> bytes:
        """Return a request's body."""
        return self.federation.by_coordinator(document)

    def consent_request(self, **changes: Any) -> ConsentRequest:
        """Return the request for the next attempt."""
        number = self.attempt + 1
        request = ConsentRequest(
            charter_digest=self.charter.digest,
            attempt=number,
            attempt_nonce=digest(b"nonce" + bytes([number])),
            membership_digest=self.federation.trust.current_digest,
            issued_ms=self.federation.clock(),
        )
        return replace(request, **changes)

    def gather(self, **changes: Any) -> dict[str, bytes]:
        """Begin a new attempt: ask every city, return the consents by city."""
        request = self.consent_request(**changes)
        self.attempt, self.nonce = request.attempt, request.attempt_nonce
        body = self.sign(request)
        self.consents = {c: side.participant.answer(body) for c, side in self.cities.items()}
        return self.consents

    def roster_of(self, **changes: Any) -> Roster:
        """Return the attempt's unsigned roster."""
        roster = Roster(
            charter_digest=self.charter.digest,
            attempt=self.attempt,
            attempt_nonce=self.nonce,
            membership_digest=self.federation.trust.current_digest,
            first_round=len(self.records) + 1,
            previous_record_digest=self._last_digest,
            consents=tuple(self.consents[city] for city in sorted(self.consents)),
            rostered_ms=self.federation.clock(),
        )
        return replace(roster, **changes)

    def publish_roster(self, **changes: Any) -> Accepted[Roster]:
        """Log the attempt's roster and let the cities read it."""
        self.roster = self.publish(self.roster_of(**changes)).of(Roster)
        return self.roster

    def publish(self, document: Document) -> Accepted[Document]:
        """Sign and log a document as the coordinator and let the cities read it."""
        accepted = self.federation.publish(self.federation.by_coordinator(document))
        self.tell()
        return accepted

    def start(self) -> None:
        """Gather consents and publish their roster."""
        self.gather()
        self.publish_roster()

    def round_request(self, **changes: Any) -> RoundRequest:
        """Return the next round's request."""
        number = len(self.records) + 1
        request = RoundRequest(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            membership_digest=self.roster.document.membership_digest,
            roster_digest=self.roster.digest,
            round=number,
            kind=terms.kind_of_round(self.charter.document, number),
            parameters_digest=digest(self.parameters),
            previous_record_digest=self._last_digest,
            issued_ms=self.federation.clock(),
        )
        return replace(request, **changes)

    def round_body(self, last_sum: bytes | None = None, **changes: Any) -> bytes:
        """Return the next round's request with the last sum, or another, attached."""
        last = self.sums[-1] if self.sums else b""
        request = self.sign(self.round_request(**changes))
        return encode_body(Body(request, last if last_sum is None else last_sum))

    def ask(self, last_sum: bytes | None = None, **changes: Any) -> dict[str, bytes]:
        """Ask every city of the roster for the next round; return the answers' bytes."""
        body = self.round_body(last_sum, **changes)
        return {city: side.participant.answer(body) for city, side in self.cities.items()}

    def record_of(self, answers: Mapping[str, bytes], **changes: Any) -> RoundRecord:
        """Return the unsigned record of the round that ``answers`` answered; keeps the sum."""
        request = self.round_request()
        total = sum_to_bytes(self.total(answers), self.charter.document.privacy.modulus_bits)
        self.blobs[digest(total)] = total
        self.sums.append(total)
        record = RoundRecord(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            roster_digest=self.roster.digest,
            round=request.round,
            kind=request.kind,
            parameters_digest=request.parameters_digest,
            contributions=tuple(
                RecordedContribution(city=city, digest=digest(decode_body(raw).envelope))
                for city, raw in sorted(answers.items())
            ),
            sum_digest=digest(total),
            next_parameters_digest=digest(self.parameters),
            previous_record_digest=self._last_digest,
            closed_ms=self.federation.clock(),
        )
        return replace(record, **changes)

    def total(self, answers: Mapping[str, bytes]) -> Integers:
        """Return the sum of contributions."""
        context = terms.mask_context(self.round_request(), self.charter.document)
        return sum_contributions([vector_in(raw) for raw in answers.values()], context)

    def publish_record(self, record: RoundRecord) -> None:
        """Log a record; the next round follows it."""
        self.records.append(self.publish(record).of(RoundRecord))

    def complete_round(self) -> dict[str, bytes]:
        """Ask for the next round, record it, and return the answers."""
        answers = self.ask()
        self.publish_record(self.record_of(answers))
        return answers

    @property
    def _last_digest(self) -> bytes:
        return self.records[-1].digest if self.records else b""


def contribution_in(raw: bytes) -> Contribution:
    """Return the contribution in an answer; AssertionError tells the refusal otherwise."""
    document = opened(raw)
    assert isinstance(document, Contribution), document
    return document


def vector_in(raw: bytes) -> bytes:
    """Return the vector of a contribution; AssertionError tells the refusal otherwise."""
    contribution_in(raw)
    return decode_body(raw).vector


def vote_in(raw: bytes) -> Vote:
    """Return the vote inside an evaluation's contribution."""
    vote = opened(contribution_in(raw).vote)
    assert isinstance(vote, Vote)
    return vote


def reason_in(raw: bytes) -> str:
    """Return the reason of a refusal."""
    document = opened(raw)
    assert isinstance(document, Refusal), document
    return document.reason


def found_city(
    federation: Federation, number: int, database: Path, blobs: Mapping[bytes, bytes]
) -> CitySide:
    """Return the node of the ``number``-th city, counted from 1, on a migrated ``database``."""
    division = sorted(federation.cities)[number - 1]
    work = GivenWork(figures_of(number))
    return CitySide(federation, division, open_store(database), blobs=blobs, work=work)
