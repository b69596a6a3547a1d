"""Who is in the federation, with which keys, and how many must sign.

Lives here: the membership document and what can be read off it. Must not know: how it is signed,
logged or replaced (that is ``federation.trust``).
"""

from dataclasses import dataclass

from federation.documents import rules

MAX_CITIES = 512
MAX_ADMINISTRATORS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Administrator:
    """One person who may sign for the federation, by any of their keys (raw Ed25519, 32 bytes)."""

    administrator: str
    name: str
    signing_keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        rules.check_identifier("administrator", self.administrator)
        rules.check_text("name", self.name)
        rules.check_count("signing_keys", self.signing_keys, 1, 4)
        for key in self.signing_keys:
            rules.check_key("signing_keys", key)


@dataclass(frozen=True, kw_only=True, slots=True)
class City:
    """One member city: division code (GB/T 2260), keys and status.

    ``tls_key_digest`` is SHA-256 of the certificate's DER SubjectPublicKeyInfo.
    ``key_change_signature`` is the previous signing key's word for changed keys, else empty.
    """

    division: str
    name: str
    signing_key: bytes
    sealing_key: bytes
    tls_key_digest: bytes
    status: str = "active"
    key_change_signature: bytes = b""

    def __post_init__(self) -> None:
        rules.check_division("division", self.division)
        rules.check_text("name", self.name)
        rules.check_key("signing_key", self.signing_key)
        rules.check_key("sealing_key", self.sealing_key)
        rules.check_digest("tls_key_digest", self.tls_key_digest)
        rules.check_choice("status", self.status, ("active", "suspended", "withdrawn"))
        rules.check_bytes("key_change_signature", self.key_change_signature, 64, optional=True)

    @property
    def active(self) -> bool:
        """Whether the city takes part."""
        return self.status == "active"

    @property
    def keys(self) -> bytes:
        """What a city's previous key signs when its keys change: division and the new keys."""
        return b"".join(
            (
                b"laborfed/city-keys/v1",
                self.division.encode(),
                self.signing_key,
                self.sealing_key,
                self.tls_key_digest,
            )
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """One version of the federation's members, keys, threshold and bounds.

    ``previous_digest`` chains versions (empty in version 1). ``witness_quorum`` 0 is legal only
    while no witness is listed; else it is ⌊(n+t)/2⌋+1 of the n active cities. ``tls_authority`` is
    the DER certificate that issues TLS certificates.
    """

    federation: str
    version: int
    previous_digest: bytes
    administrators: tuple[Administrator, ...]
    threshold: int
    cities: tuple[City, ...]
    collusion_bound: int
    witness_quorum: int
    witnesses: tuple[str, ...]
    coordinator_key: bytes
    log_origin: str
    log_key: bytes
    tls_authority: bytes
    issued_ms: int
    expires_ms: int

    def __post_init__(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_range("version", self.version, 1, rules.MAX_VERSION)
        rules.check_digest("previous_digest", self.previous_digest, optional=self.version == 1)
        rules.require(
            (self.version == 1) == (self.previous_digest == b""),
            "previous_digest",
            "must be empty in version 1 and only there",
        )
        self._check_people()
        self._check_witnesses()
        rules.check_key("coordinator_key", self.coordinator_key)
        rules.check_identifier("log_origin", self.log_origin)
        rules.check_key("log_key", self.log_key)
        rules.check_count("tls_authority", self.tls_authority, 1, 4096)
        rules.check_time("issued_ms", self.issued_ms)
        rules.check_time("expires_ms", self.expires_ms)
        rules.require(self.issued_ms < self.expires_ms, "expires_ms", "must be after issued_ms")

    def _check_people(self) -> None:
        rules.check_count("administrators", self.administrators, 1, MAX_ADMINISTRATORS)
        rules.check_ascending("administrators", [a.administrator for a in self.administrators])
        rules.check_range("threshold", self.threshold, 1, len(self.administrators))
        rules.check_count("cities", self.cities, 0, MAX_CITIES)
        rules.check_ascending("cities", [c.division for c in self.cities])
        rules.check_range("collusion_bound", self.collusion_bound, 1, MAX_CITIES)
        # One key in two roles would let one signature count twice.
        keys = [key for a in self.administrators for key in a.signing_keys]
        keys += [c.signing_key for c in self.cities] + [self.coordinator_key, self.log_key]
        rules.check_distinct("signing keys", keys)
        rules.check_distinct("tls_key_digest", [c.tls_key_digest for c in self.cities])

    def _check_witnesses(self) -> None:
        rules.check_ascending("witnesses", self.witnesses)
        active = {c.division for c in self.cities if c.active}
        rules.require(set(self.witnesses) <= active, "witnesses", "must be active cities")
        quorum = self.quorum_of_witnesses if self.witnesses else 0
        rules.require(
            self.witness_quorum == quorum,
            "witness_quorum",
            f"must be {quorum} with {len(self.witnesses)} witnesses of {len(active)} active cities",
        )
        rules.require(
            quorum <= len(self.witnesses) or not self.witnesses,
            "witnesses",
            f"must be at least the quorum of {quorum}",
        )

    def city(self, division: str) -> City | None:
        """The city's entry, or None."""
        return next((c for c in self.cities if c.division == division), None)

    @property
    def quorum_of_witnesses(self) -> int:
        """⌊(n+t)/2⌋+1 of the n active cities: any two such sets share an honest one.

        Two sets of q among n share 2q − n ≥ t+1 cities, of which at most t collude.
        """
        return (len(self.active_cities) + self.collusion_bound) // 2 + 1

    @property
    def active_cities(self) -> tuple[str, ...]:
        """Division codes of active cities, ascending."""
        return tuple(c.division for c in self.cities if c.active)
