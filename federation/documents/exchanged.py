"""What passes between conductor and city inside a run: signed, bound to its attempt.

Lives here: requests, consents, contributions, votes and refusals; none is logged
whole. Must not know: who carries them.
"""

from dataclasses import dataclass

from federation.documents import rules
from federation.documents.charter import MAX_LENGTH
from federation.documents.runs import MAX_ROUND, ROUND_KINDS


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentRequest:
    """The conductor asks a city to join one attempt of a charter."""

    charter_digest: bytes
    attempt: int
    attempt_nonce: bytes
    membership_digest: bytes
    issued_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_range("attempt", self.attempt, 1, MAX_ROUND)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_time("issued_ms", self.issued_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """A city joins one attempt with a fresh X25519 ``agreement_key`` (raw, 32 bytes)."""

    charter_digest: bytes
    attempt_nonce: bytes
    membership_digest: bytes
    city: str
    agreement_key: bytes
    consented_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_division("city", self.city)
        rules.check_key("agreement_key", self.agreement_key)
        rules.check_time("consented_ms", self.consented_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundRequest:
    """The conductor asks for one contribution.

    It names the roster and the previous round record by digest; both reach the city through the
    log's feed, so there is one door for logged documents. The sum that the record names may come
    attached to the request.
    """

    charter_digest: bytes
    attempt_nonce: bytes
    membership_digest: bytes
    roster_digest: bytes
    round: int
    kind: str
    parameters_digest: bytes
    previous_record_digest: bytes
    issued_ms: int

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_digest("roster_digest", self.roster_digest)
        rules.check_range("round", self.round, 1, MAX_ROUND)
        rules.check_choice("kind", self.kind, ROUND_KINDS)
        rules.check_digest("parameters_digest", self.parameters_digest)
        rules.check_digest(
            "previous_record_digest", self.previous_record_digest, optional=self.round == 1
        )
        rules.check_time("issued_ms", self.issued_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """One city's masked update: ``length`` integers modulo 2^``modulus_bits``, little-endian.

    They are attached; ``masked_digest`` is their SHA-256.
    """

    charter_digest: bytes
    attempt_nonce: bytes
    membership_digest: bytes
    roster_digest: bytes
    round: int
    kind: str
    parameters_digest: bytes
    modulus_bits: int
    length: int
    city: str
    masked_digest: bytes
    vote: bytes = b""

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_digest("roster_digest", self.roster_digest)
        rules.check_range("round", self.round, 1, MAX_ROUND)
        rules.check_choice("kind", self.kind, ROUND_KINDS)
        rules.check_digest("parameters_digest", self.parameters_digest)
        rules.check_choice("modulus_bits", str(self.modulus_bits), ("32", "64"))
        rules.check_range("length", self.length, 1, MAX_LENGTH)
        rules.check_division("city", self.city)
        rules.check_digest("masked_digest", self.masked_digest)
        rules.require(
            (self.vote != b"") == (self.kind == "evaluation"),
            "vote",
            "belongs to evaluation rounds and only there",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """A city's word on a candidate model, read off its one noised evaluation."""

    charter_digest: bytes
    attempt_nonce: bytes
    roster_digest: bytes
    candidate_digest: bytes
    city: str
    not_worse: bool

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES)
        rules.check_digest("roster_digest", self.roster_digest)
        rules.check_digest("candidate_digest", self.candidate_digest)
        rules.check_division("city", self.city)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A city says no, with a stable reason that depends on documents, policy and budget only."""

    charter_digest: bytes
    attempt_nonce: bytes
    city: str
    reason: str
    message: str

    def __post_init__(self) -> None:
        rules.check_digest("charter_digest", self.charter_digest, optional=True)
        rules.check_bytes("attempt_nonce", self.attempt_nonce, rules.NONCE_BYTES, optional=True)
        rules.check_division("city", self.city)
        rules.check_identifier("reason", self.reason)
        rules.check_text("message", self.message, 1024)
