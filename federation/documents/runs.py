"""What a run leaves in the log: rosters, round records, drop records and its closure.

Lives here: the coordinator's signed evidence of a run. Must not know: how rounds are conducted.
"""

from dataclasses import dataclass

from federation.documents import rules

ROUND_KINDS = ("training", "evaluation", "statistics")
OUTCOMES = ("released", "voted_down", "stopped", "failed")
MAX_ROUND = 2_048


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """The cities of one attempt, each by its own signed consent (envelope bytes, by division)."""

    charter_digest: bytes
    attempt: int
    attempt_nonce: bytes
    membership_digest: bytes
    first_round: int
    previous_record_digest: bytes
    consents: tuple[bytes, ...]
    rostered_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_range("attempt", self.attempt, 1, MAX_ROUND)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_range("first_round", self.first_round, 1, MAX_ROUND)
        rules.check_digest(
            "previous_record_digest", self.previous_record_digest, optional=self.first_round == 1
        )
        rules.check_count("consents", self.consents, 3, 512)
        rules.check_distinct("consents", self.consents)
        rules.check_time("rostered_ms", self.rostered_ms)


@dataclass(frozen=True, slots=True)
class RecordedContribution:
    """One city's contribution by SHA-256 of its envelope bytes.

    A record has hundreds of these: made by position, and their rules checked there, all together.
    """

    city: str
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundRecord:
    """Evidence of one completed round: what went in, who contributed, what came out."""

    charter_digest: bytes
    attempt_nonce: bytes
    roster_digest: bytes
    round: int
    kind: str
    parameters_digest: bytes
    contributions: tuple[RecordedContribution, ...]
    sum_digest: bytes
    next_parameters_digest: bytes
    previous_record_digest: bytes
    closed_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("roster_digest", self.roster_digest)
        rules.check_range("round", self.round, 1, MAX_ROUND)
        rules.check_choice("kind", self.kind, ROUND_KINDS)
        rules.check_digest("parameters_digest", self.parameters_digest)
        cities = [contribution.city for contribution in self.contributions]
        rules.check_divisions("contributions", cities)
        rules.check_ascending("contributions", cities)
        rules.check_digests("contributions", [c.digest for c in self.contributions])
        rules.check_count("contributions", self.contributions, 3, 512)
        rules.check_digest("sum_digest", self.sum_digest)
        rules.check_digest("next_parameters_digest", self.next_parameters_digest)
        rules.require(
            self.kind == "training" or self.next_parameters_digest == self.parameters_digest,
            "next_parameters_digest",
            "may differ from parameters_digest in training rounds only",
        )
        rules.check_digest(
            "previous_record_digest", self.previous_record_digest, optional=self.round == 1
        )
        rules.check_time("closed_ms", self.closed_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class DropRecord:
    """The cities an attempt was closed without, and the stable reason; they stay out of the run."""

    charter_digest: bytes
    attempt_nonce: bytes
    roster_digest: bytes
    round: int
    cities: tuple[str, ...]
    reason: str
    recorded_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("roster_digest", self.roster_digest, optional=True)
        rules.check_range("round", self.round, 1, MAX_ROUND)
        rules.check_count("cities", self.cities, 1, 512)
        rules.check_ascending("cities", self.cities)
        for city in self.cities:
            rules.check_division("cities", city)
        rules.check_identifier("reason", self.reason)
        rules.check_time("recorded_ms", self.recorded_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Closure:
    """The end of a run. After it no round of its charter is answered and unused budget returns."""

    charter_digest: bytes
    outcome: str
    reason: str
    last_record_digest: bytes
    rounds_completed: int
    attempts: int
    closed_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_choice("outcome", self.outcome, OUTCOMES)
        rules.check_text("reason", self.reason, 512, optional=self.outcome == "released")
        rules.check_digest("last_record_digest", self.last_record_digest, optional=True)
        rules.check_range("rounds_completed", self.rounds_completed, 0, MAX_ROUND)
        rules.check_range("attempts", self.attempts, 0, MAX_ROUND)
        rules.check_time("closed_ms", self.closed_ms)
