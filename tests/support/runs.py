"""Runs of a test federation, from consents to release, with real masks and real signatures.

Lives here: the documents of a run and what the coordinator keeps of them. Rounds are not conducted
here: sums are made up, masked, added and recorded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.acceptance import Accepted
from federation.crypto.envelope import Body
from federation.crypto.keys import AgreementKey, digest
from federation.crypto.masking import MaskContext, apply_masks, encode
from federation.documents.charter import Charter
from federation.documents.exchanged import Consent, Contribution, Vote
from federation.documents.releases import Cell, ModelCard, ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, RecordedContribution, Roster, RoundRecord
from federation.rounds.aggregate import sum_to_bytes
from support.federation import Federation


def agreement_key(division: str, nonce: bytes) -> AgreementKey:
    """Return a city's key of one attempt."""
    return AgreementKey.from_seed(digest(b"agreement " + division.encode() + nonce))


@dataclass
class Kept:
    """The contributions that the coordinator keeps, by SHA-256 of their envelopes."""

    contributions: dict[bytes, Body] = field(default_factory=dict)

    def contribution(self, wanted: bytes) -> Body | None:
        return self.contributions.get(wanted)


@dataclass
class Run:
    """One run under an accepted charter; every method signs, and most log, one document."""

    federation: Federation
    charter: Accepted[Charter]
    nonce: bytes = digest(b"attempt 1")
    attempt: int = 1
    kept: Kept = field(default_factory=Kept)
    rosters: list[Accepted[Roster]] = field(default_factory=list)
    records: list[Accepted[RoundRecord]] = field(default_factory=list)
    totals: dict[bytes, NDArray[np.int64]] = field(default_factory=dict)

    def consent(self, division: str, **changes: Any) -> bytes:
        """Return a city's consent envelope."""
        consent = Consent(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            membership_digest=self.federation.trust.current_digest,
            city=division,
            agreement_key=agreement_key(division, self.nonce).public,
            consented_ms=self.federation.clock(),
        )
        return self.federation.by_city(replace(consent, **changes), division)

    def roster(self, cities: Iterable[str] | None = None, **changes: Any) -> Roster:
        """Return an unsigned roster of ``cities`` (default: every active one)."""
        listed = self.federation.membership.active_cities if cities is None else cities
        roster = Roster(
            charter_digest=self.charter.digest,
            attempt=self.attempt,
            attempt_nonce=self.nonce,
            membership_digest=self.federation.trust.current_digest,
            first_round=len(self.records) + 1,
            previous_record_digest=self._last_digest,
            consents=tuple(self.consent(city) for city in listed),
            rostered_ms=self.federation.clock(),
        )
        return replace(roster, **changes)

    def publish_roster(
        self, cities: Iterable[str] | None = None, **changes: Any
    ) -> Accepted[Roster]:
        """Sign and log a roster."""
        signed = self.federation.by_coordinator(self.roster(cities, **changes))
        accepted = self.federation.publish(signed).of(Roster)
        self.rosters.append(accepted)
        return accepted

    def contributions(
        self,
        roster: Accepted[Roster],
        values: Mapping[str, NDArray[np.int64]],
        *,
        kind: str = "training",
        parameters: bytes = b"parameters 1",
        votes: Mapping[str, bytes] | None = None,
    ) -> dict[str, Body]:
        """Return every city's contribution to the next round, really masked."""
        context = MaskContext(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            membership_digest=roster.document.membership_digest,
            roster_digest=roster.digest,
            round=len(self.records) + 1,
            parameters_digest=digest(parameters),
            kind=kind,
            modulus_bits=self.charter.document.privacy.modulus_bits,
            length=len(next(iter(values.values()))),
        )
        return {
            city: self._contribution(city, values, context, (votes or {}).get(city, b""))
            for city in values
        }

    def _contribution(
        self,
        city: str,
        values: Mapping[str, NDArray[np.int64]],
        context: MaskContext,
        vote: bytes,
    ) -> Body:
        keys = {other: agreement_key(other, self.nonce) for other in values}
        peers = {other: key.public for other, key in keys.items() if other != city}
        vector = encode(apply_masks(values[city], city, keys[city], peers, context))
        contribution = Contribution(
            **vars(context), city=city, masked_digest=digest(vector), vote=vote
        )
        return Body(self.federation.by_city(contribution, city), vector)

    def record(
        self,
        roster: Accepted[Roster],
        contributions: Mapping[str, Body],
        total: NDArray[np.int64],
        *,
        kind: str = "training",
        parameters: bytes = b"parameters 1",
        following: bytes | None = None,
    ) -> RoundRecord:
        """Return an unsigned record of the next round; keeps the contributions."""
        self.kept.contributions |= {digest(b.envelope): b for b in contributions.values()}
        return RoundRecord(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            roster_digest=roster.digest,
            round=len(self.records) + 1,
            kind=kind,
            parameters_digest=digest(parameters),
            contributions=tuple(
                RecordedContribution(city=city, digest=digest(body.envelope))
                for city, body in sorted(contributions.items())
            ),
            sum_digest=digest(sum_to_bytes(total, self.charter.document.privacy.modulus_bits)),
            next_parameters_digest=digest(parameters if following is None else following),
            previous_record_digest=self._last_digest,
            closed_ms=self.federation.clock(),
        )

    def publish_record(self, record: RoundRecord) -> Accepted[RoundRecord]:
        """Sign and log a record; the next round follows it."""
        raw = self.federation.by_coordinator(record)
        accepted = self.federation.publish(raw).of(RoundRecord)
        self.records.append(accepted)
        return accepted

    def complete_round(
        self,
        roster: Accepted[Roster],
        *,
        kind: str = "training",
        parameters: bytes = b"parameters 1",
        following: bytes | None = None,
        votes: Mapping[str, bytes] | None = None,
    ) -> Accepted[RoundRecord]:
        """Let every city of the roster contribute 1, 2, 3 … and log the round's record."""
        cities = self.federation.membership.active_cities[: len(roster.document.consents)]
        length = 2 if kind == "evaluation" else self.charter.document.length
        values = {city: np.arange(length) + i for i, city in enumerate(cities, start=1)}
        contributions = self.contributions(
            roster, values, kind=kind, parameters=parameters, votes=votes
        )
        total = np.sum(list(values.values()), axis=0)
        record = self.record(
            roster,
            contributions,
            total,
            kind=kind,
            parameters=parameters,
            following=following,
        )
        accepted = self.publish_record(record)
        self.totals[accepted.digest] = total
        return accepted

    def vote(self, roster: Accepted[Roster], city: str, candidate: bytes, **changes: Any) -> bytes:
        """Return a city's vote envelope, in favour unless changed."""
        vote = Vote(
            charter_digest=self.charter.digest,
            attempt_nonce=self.nonce,
            roster_digest=roster.digest,
            candidate_digest=digest(candidate),
            city=city,
            not_worse=True,
        )
        return self.federation.by_city(replace(vote, **changes), city)

    def model_release(
        self,
        record: Accepted[RoundRecord],
        candidate: bytes,
        votes: Iterable[bytes],
        **changes: Any,
    ) -> ModelRelease:
        """Return an unsigned release 1 of ``candidate``."""
        charter, terms = self.charter.document, self.charter.document.training
        assert terms is not None
        card = ModelCard(
            cities=tuple(c.city for c in record.document.contributions),
            rounds=charter.rounds,
            attempts=self.attempt,
            epsilon=charter.privacy.epsilon,
            delta=charter.privacy.delta,
            ndcg_difference=0.01,
            ndcg_difference_half_width=0.002,
            held_out_workers=1000.0,
            method="secure sum",
        )
        release = ModelRelease(
            federation=charter.federation,
            version=1,
            previous_digest=b"",
            charter_digest=self.charter.digest,
            record_digest=record.digest,
            model=terms.model,
            model_digest=terms.model_digest,
            taxonomy_digest=charter.taxonomy_digest,
            parameters=candidate,
            card=card,
            votes=tuple(votes),
            released_ms=self.federation.clock(),
        )
        return replace(release, **changes)

    def statistics_release(
        self, record: Accepted[RoundRecord], **changes: Any
    ) -> StatisticsRelease:
        """Return an unsigned statistics release."""
        charter, terms = self.charter.document, self.charter.document.statistics
        assert terms is not None
        release = StatisticsRelease(
            federation=charter.federation,
            charter_digest=self.charter.digest,
            record_digest=record.digest,
            indicator=terms.indicator,
            indicator_digest=terms.indicator_digest,
            cities=tuple(c.city for c in record.document.contributions),
            epsilon=charter.privacy.epsilon,
            delta=charter.privacy.delta,
            noise_sd=9.0,
            suppression_threshold=terms.suppression_threshold,
            cells=(
                Cell(measure="count", key="all", value=42.0, half_width=17.6, suppressed=False),
            ),
            method="secure sum",
            released_ms=self.federation.clock(),
        )
        return replace(release, **changes)

    def closure(self, outcome: str = "released", **changes: Any) -> Closure:
        """Return an unsigned closure of the run."""
        closure = Closure(
            charter_digest=self.charter.digest,
            outcome=outcome,
            reason="" if outcome == "released" else "stopped by the test",
            last_record_digest=self._last_digest,
            rounds_completed=len(self.records),
            attempts=self.attempt,
            closed_ms=self.federation.clock(),
        )
        return replace(closure, **changes)

    @property
    def _last_digest(self) -> bytes:
        return self.records[-1].digest if self.records else b""


CANDIDATE = np.arange(6, dtype="<i8").tobytes()


def training_run(federation: Federation, **charter: Any) -> Run:
    """Conduct a whole training run: charter, roster, 2 rounds, evaluation, release, closure."""
    run = Run(federation, federation.publish_charter(**charter))
    roster = run.publish_roster()
    run.complete_round(roster, following=b"parameters 2")
    run.complete_round(roster, parameters=b"parameters 2", following=CANDIDATE)
    votes = {c: run.vote(roster, c, CANDIDATE) for c in federation.membership.active_cities}
    record = run.complete_round(roster, kind="evaluation", parameters=CANDIDATE, votes=votes)
    release = run.model_release(record, CANDIDATE, votes.values())
    federation.publish(federation.by_coordinator(release))
    federation.publish(federation.by_coordinator(run.closure()))
    return run
