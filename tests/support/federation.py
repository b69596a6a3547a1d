"""A small federation in one folder: administrators, cities and a coordinator with a real log.

Lives here: members, keys, signing and reading. Runs are in ``support.runs``. Nothing here is a
mock: documents are signed by real keys, logged by the real publisher and read through acceptance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from federation.acceptance import Acceptance, Accepted, Limits
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SealingKey, SigningKey, digest
from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from federation.documents.membership import Administrator, City, Membership
from federation.documents.notices import PolicyNotice
from federation.documents.releases import ModelRelease
from federation.documents.types import Document
from federation.heads import Witnesses
from federation.log.bundle import Bundle
from federation.log.entry import NewEntry
from federation.log.store import LogStore, create_log
from federation.publication import Publisher
from federation.trust import Pin, Trust
from federation.wire.codec import decode_envelope, encode_document, encode_envelope

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY_MS = 86_400_000
DIVISIONS = ("310000", "330100", "340100", "440300", "500100", "510100")
ORIGIN = "log.example"


class Clock:
    """A clock that tests move by hand; calling it gives Unix milliseconds."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)


def signing_key(label: str) -> SigningKey:
    """Return the signing key of a label: the same in every test run."""
    return SigningKey.from_seed(digest(b"signing " + label.encode()))


@dataclass(frozen=True)
class CityKeys:
    """One city's private keys, and its entry in a membership."""

    division: str
    signing: SigningKey
    sealing: SealingKey
    tls_key_digest: bytes

    @classmethod
    def of(cls, division: str, generation: int = 1) -> "CityKeys":
        """Return a city's keys; another ``generation`` has other keys."""
        label = f"{division} {generation}"
        return cls(
            division,
            signing_key(label),
            SealingKey.from_seed(digest(b"sealing " + label.encode())),
            digest(b"tls " + label.encode()),
        )

    @property
    def entry(self) -> City:
        """The city as a membership lists it."""
        return City(
            division=self.division,
            name=f"City {self.division}",
            signing_key=self.signing.public.raw,
            sealing_key=self.sealing.public,
            tls_key_digest=self.tls_key_digest,
        )


def envelope(document: Document, *keys: SigningKey) -> bytes:
    """Return the document's envelope bytes, signed by each key in turn."""
    return encode_envelope(sign(*encode_document(document), *keys))


def document_digest(raw: bytes) -> bytes:
    """Return the document digest (replay identity) of envelope bytes."""
    return replay_identity(decode_envelope(raw))


@dataclass
class MemoryHeld:
    """What a reader holds, in memory: acceptance's ``Held``."""

    identities: set[bytes] = field(default_factory=set)
    release: int = 0
    notices: dict[str, int] = field(default_factory=dict)

    def holds(self, replay_identity: bytes) -> bool:
        return replay_identity in self.identities

    def latest_release_version(self) -> int:
        return self.release

    def latest_notice_version(self, city: str) -> int:
        return self.notices.get(city, 0)

    def keep(self, accepted: Accepted[Any]) -> None:
        """Remember an accepted document."""
        self.identities.add(accepted.digest)
        if isinstance(accepted.document, ModelRelease):
            self.release = accepted.document.version
        if isinstance(accepted.document, PolicyNotice):
            self.notices[accepted.document.city] = accepted.document.version


class Reader:
    """A city's side of the log: a door of its own that follows the federation's feed."""

    def __init__(self, federation: "Federation", limits: Limits | None = None) -> None:
        self._federation = federation
        self.held = MemoryHeld()
        self.door = Acceptance(Trust(federation.pin), None, limits or Limits(), self.held)

    @property
    def state(self) -> tuple[object, ...]:
        """Everything that an accepted document may change; equal before and after a refusal."""
        door = self.door
        known = door.trust.known_at(None)
        return door.kept, door.next_index, known, set(self.held.identities), self.held.release

    def bundle(self, index: int | None = None) -> Bundle:
        """Return an entry (default: the next one) proven from the head this reader keeps."""
        kept = self.door.kept
        wanted = self.door.next_index if index is None else index
        return self._federation.publisher.bundle_for(wanted, kept.size if kept else 0)

    def take(self, bundle: Bundle) -> Accepted[Document]:
        """Accept a bundle and hold what it carries; raises what acceptance raises."""
        accepted = self.door.logged(bundle, self._federation.clock())
        self.held.keep(accepted)
        return accepted

    def catch_up(self) -> list[Accepted[Document]]:
        """Accept every entry not read yet."""
        size = self._federation.publisher.size
        return [self.take(self.bundle()) for _ in range(self.door.next_index, size)]


class Charters:
    """Drafts charters whose windows open by ``clock``."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def charter(self, **changes: Any) -> Charter:
        """Return an unsigned training charter: 2 rounds of 6 values, 32 bits, window 30 days."""
        terms = Charter(
            federation="yangtze",
            nonce=bytes(16),
            purpose="Learn to match",
            kind="training",
            length=6,
            rounds=2,
            max_repeats=1,
            min_roster=3,
            collusion_bound=1,
            round_deadline_s=60,
            not_before_ms=self.clock.now_ms,
            not_after_ms=self.clock.now_ms + 30 * DAY_MS,
            taxonomy_digest=digest(b"taxonomy"),
            privacy=PrivacyTerms(
                epsilon=8.0,
                delta=1e-6,
                sampling_rate=0.5,
                clipping_norm=1.0,
                noise_multiplier=1.0,
                scale=2**16,
                modulus_bits=32,
                evaluation_noise_multiplier=1.0,
                evaluation_scale=2**10,
            ),
            training=TrainingTerms(
                model="match/v1",
                model_digest=digest(b"model"),
                initial_parameters_digest=digest(b"parameters 1"),
                momentum_q16=58_982,
                step_numerator=1,
                step_shift=10,
                parameter_bound=2**30,
            ),
        )
        return replace(terms, **changes)

    def statistics_charter(self, **changes: Any) -> Charter:
        """Return an unsigned statistics charter: one round of 6 counts."""
        privacy = replace(
            self.charter().privacy,
            sampling_rate=1.0,
            evaluation_noise_multiplier=0.0,
            evaluation_scale=0,
        )
        statistics = StatisticsTerms(
            indicator="openings", indicator_digest=digest(b"openings"), suppression_threshold=10
        )
        terms = self.charter(
            kind="statistics", rounds=1, privacy=privacy, training=None, statistics=statistics
        )
        return replace(terms, **changes)


class Federation(Charters):
    """Administrators, cities and a coordinator; membership 1 is logged already.

    ``folder`` gets the log's file. ``administrators``, ``cities``, ``coordinator`` and ``log_key``
    are private keys; ``publisher`` is the coordinator's; ``clock`` is everybody's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cities: Sequence[str] = DIVISIONS[:4],
        administrators: Sequence[str] = ("admin-a", "admin-b", "admin-c"),
        threshold: int = 2,
        co_signers: Witnesses | None = None,
        **changes: Any,
    ) -> None:
        super().__init__(Clock())
        self.co_signers = co_signers
        self.administrators = {name: signing_key(name) for name in administrators}
        self.cities = {division: CityKeys.of(division) for division in cities}
        self.coordinator = signing_key("coordinator")
        self.log_key = signing_key("log")
        first = replace(self._founding(threshold), **changes)
        raw = self.by_administrators(first, *list(administrators)[:threshold])
        self.pin = Pin(
            membership_digest=document_digest(raw),
            log_origin=ORIGIN,
            log_key=self.log_key.public.raw,
        )
        self.path = folder / "log.db"
        create_log(self.path, ORIGIN)
        self.log = LogStore(self.path)
        self.publisher = self.open_publisher()
        self.publisher.publish(raw)

    def _founding(self, threshold: int) -> Membership:
        return Membership(
            federation="yangtze",
            version=1,
            previous_digest=b"",
            administrators=tuple(
                Administrator(administrator=name, name=name.title(), signing_keys=(key.public.raw,))
                for name, key in sorted(self.administrators.items())
            ),
            threshold=threshold,
            cities=tuple(keys.entry for _, keys in sorted(self.cities.items())),
            collusion_bound=1,
            witness_quorum=0,
            witnesses=(),
            coordinator_key=self.coordinator.public.raw,
            log_origin=ORIGIN,
            log_key=self.log_key.public.raw,
            tls_authority=b"DER certificate",
            issued_ms=self.clock.now_ms,
            expires_ms=self.clock.now_ms + 365 * DAY_MS,
        )

    def open_publisher(self, *former_log_keys: SigningKey) -> Publisher:
        """Return a publisher as a restarted coordinator would open it."""
        return Publisher(
            self.log,
            self.log_key,
            self.pin,
            self.clock,
            former_log_keys=former_log_keys,
            witnesses=self.co_signers,
        )

    @property
    def trust(self) -> Trust:
        """The coordinator's chain of memberships."""
        return self.publisher.trust

    @property
    def membership(self) -> Membership:
        """The membership in force."""
        return self.trust.current

    def next_membership(self, **changes: Any) -> Membership:
        """Return an unsigned successor of the membership in force, with fields changed."""
        current = self.membership
        following: dict[str, Any] = {
            "version": current.version + 1,
            "previous_digest": self.trust.current_digest,
            "issued_ms": self.clock.now_ms,
            "expires_ms": self.clock.now_ms + 365 * DAY_MS,
        }
        return replace(current, **{**following, **changes})

    def by_administrators(self, document: Document, *names: str) -> bytes:
        """Return the document signed by the named administrators (default: a bare threshold)."""
        chosen = names or list(self.administrators)[: self.membership.threshold]
        return envelope(document, *(self.administrators[name] for name in chosen))

    def by_city(self, document: Document, division: str) -> bytes:
        """Return the document signed by a city."""
        return envelope(document, self.cities[division].signing)

    def by_coordinator(self, document: Document) -> bytes:
        """Return the document signed by the coordinator."""
        return envelope(document, self.coordinator)

    def publish(self, raw: bytes) -> Accepted[Document]:
        """Log an envelope and return it as the coordinator accepted it."""
        self.publisher.publish(raw)
        return self.publisher.find(document_digest(raw))

    def publish_charter(self, **changes: Any) -> Accepted[Charter]:
        """Sign and log a training charter."""
        return self.publish(self.by_administrators(self.charter(**changes))).of(Charter)

    def publish_membership(self, **changes: Any) -> Accepted[Membership]:
        """Sign and log the next membership."""
        raw = self.by_administrators(self.next_membership(**changes))
        return self.publish(raw).of(Membership)

    def list_witnesses(self, *divisions: str) -> Accepted[Membership]:
        """Log the next membership with these cities as witnesses (default: all)."""
        chosen = divisions or self.membership.active_cities
        quorum = self.membership.quorum_of_witnesses
        return self.publish_membership(witnesses=tuple(sorted(chosen)), witness_quorum=quorum)

    def log_unchecked(self, raw: bytes) -> int:
        """Log any bytes at all, as a hostile coordinator can, and restart on that log."""
        entry = NewEntry(digest(raw), "unchecked", raw, digest(b"unchecked" + raw))
        index = self.log.append([entry], self.clock())[0]
        self.publisher = self.open_publisher()
        return index

    def reader(self, *, caught_up: bool = True) -> Reader:
        """Return a new city's reader, by default with the whole log read."""
        reader = Reader(self)
        if caught_up:
            reader.catch_up()
        return reader
