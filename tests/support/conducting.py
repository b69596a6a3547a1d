"""Cities that answer a conductor in memory, with real keys, masks and signatures, or misbehave.

Lives here: a carrier whose cities can be told to be silent, forget their keys or send what a test
makes. Sums are small integers known in advance, so that every recorded sum can be checked.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import digest
from federation.crypto.masking import MaskContext, apply_masks, encode
from federation.documents.charter import Charter, TrainingTerms
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    RoundRequest,
    Vote,
)
from federation.documents.runs import Closure, Roster
from federation.errors import Reason
from federation.exchange.blobs import BlobStore
from federation.exchange.database import open_database
from federation.rounds.conductor import Conductor
from federation.rounds.desk import Desk, Stop
from federation.rounds.events import RunEvent
from federation.rounds.store import open_run_store
from federation.rounds.terms import mask_context
from federation.wire.codec import decode_body, decode_document, decode_envelope, encode_body
from support.federation import Federation
from support.runs import agreement_key

INITIAL = np.zeros(6, dtype="<i8").tobytes()
Request = ConsentRequest | RoundRequest
# What a city does instead of answering: its answer's bytes, or None to stay silent.
Fault = Callable[[str, Request], bytes | None]


def value_of(city: str, round_number: int, length: int) -> NDArray[np.int64]:
    """What a city puts into a round."""
    return np.arange(length, dtype=np.int64) * int(city[:2]) - round_number


def training_terms(federation: Federation, **changes: object) -> TrainingTerms:
    """Terms of a charter that begins with INITIAL."""
    terms = federation.charter().training
    assert terms is not None
    values = {name: getattr(terms, name) for name in terms.__dataclass_fields__}
    values["initial_parameters_digest"] = digest(INITIAL)
    return TrainingTerms(**{**values, **changes})


@dataclass
class ScriptedCities:
    """A :class:`federation.rounds.desk.Carrier`: every city answers, unless ``faults`` say other.

    ``faults`` maps (city, round) to what it does then, round 0 being a consent; each is used once.
    """

    federation: Federation
    charter: Accepted[Charter]
    faults: dict[tuple[str, int], Fault] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    not_worse: dict[str, bool] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    before_asking: Callable[[Request], None] = lambda _request: None

    def present(self) -> frozenset[str]:
        return frozenset(self.federation.cities) - self.away

    def ask(
        self, bodies: Mapping[str, bytes], message_type: str, timeout_s: float
    ) -> Iterator[tuple[str, bytes]]:
        if not bodies:
            return
        self.bodies.append(next(iter(bodies.values())))
        request = self._opened(self.bodies[-1])
        self.requests.append(request)
        self.before_asking(request)
        number = request.round if isinstance(request, RoundRequest) else 0
        for city in bodies:
            fault = self.faults.pop((city, number), None)
            answer = fault(city, request) if fault else self.honest(city, request)
            if answer is not None and city not in self.away:
                yield city, answer

    def honest(self, city: str, request: Request) -> bytes:
        """Return what an honest city answers."""
        if isinstance(request, ConsentRequest):
            return self.consent(city, request)
        return self.contribution(city, request)

    def consent(self, city: str, request: ConsentRequest) -> bytes:
        """Return a city's consent to a request."""
        consent = Consent(
            charter_digest=request.charter_digest,
            attempt_nonce=request.attempt_nonce,
            membership_digest=request.membership_digest,
            city=city,
            agreement_key=agreement_key(city, request.attempt_nonce).public,
            consented_ms=self.federation.clock(),
        )
        return self.federation.by_city(consent, city)

    def contribution(self, city: str, request: RoundRequest) -> bytes:
        """Return a city's really masked contribution to a request."""
        roster = self.federation.publisher.find(request.roster_digest).of(Roster).document
        context = mask_context(request, self.charter.document)
        others = [self._city_of(raw) for raw in roster.consents]
        peers = {o: agreement_key(o, roster.attempt_nonce).public for o in others if o != city}
        key = agreement_key(city, roster.attempt_nonce)
        values = value_of(city, request.round, context.length)
        vector = encode(apply_masks(values, city, key, peers, context))
        contribution = Contribution(
            **vars(context),
            city=city,
            masked_digest=digest(vector),
            vote=self.vote(city, context) if request.kind == "evaluation" else b"",
        )
        return encode_body(Body(self.federation.by_city(contribution, city), vector))

    def vote(self, city: str, context: MaskContext) -> bytes:
        """Return a city's vote, in favour unless ``not_worse`` says otherwise."""
        vote = Vote(
            charter_digest=context.charter_digest,
            attempt_nonce=context.attempt_nonce,
            roster_digest=context.roster_digest,
            candidate_digest=context.parameters_digest,
            city=city,
            not_worse=self.not_worse.get(city, True),
        )
        return self.federation.by_city(vote, city)

    def refusal(self, city: str, request: Request, reason: Reason) -> bytes:
        """Return a city's refusal of a request."""
        refusal = Refusal(
            charter_digest=request.charter_digest,
            attempt_nonce=request.attempt_nonce,
            city=city,
            reason=reason,
            message="no",
        )
        return self.federation.by_city(refusal, city)

    def _opened(self, body: bytes) -> Request:
        envelope = decode_envelope(decode_body(body).envelope)
        document = decode_document(envelope.payload_type, envelope.payload)
        assert isinstance(document, ConsentRequest | RoundRequest)
        return document

    def _city_of(self, raw: bytes) -> str:
        envelope = decode_envelope(raw)
        document = decode_document(envelope.payload_type, envelope.payload)
        assert isinstance(document, Consent)
        return document.city


@dataclass
class Office:
    """A coordinator's stores beside its log, and the runs conducted from them."""

    federation: Federation
    folder: Path
    events: list[RunEvent] = field(default_factory=list)
    stop: "Future[Stop]" = field(default_factory=Future)
    returning: bool = False
    told: Callable[[RunEvent], None] = lambda _event: None

    def __post_init__(self) -> None:
        self.runs = open_run_store(self.folder / "runs.sqlite")
        self.blobs = BlobStore(open_database(self.folder / "exchange.sqlite"), self.runs.sum_of)
        self.blobs.put(INITIAL)

    def conduct(self, cities: ScriptedCities) -> Closure | None:
        """Conduct the run of the cities' charter, from where it stands, to its end."""
        desk = Desk(
            carrier=cities,
            publisher=self.federation.publisher,
            runs=self.runs,
            key=self.federation.coordinator,
            clock_ms=self.federation.clock,
            report=self._report,
            stop=self.stop,
            turn_s=0.0,
            returning=self.returning,
        )
        return Conductor(cities.charter, desk, self.blobs).conduct()

    def _report(self, event: RunEvent) -> None:
        self.events.append(event)
        self.told(event)
