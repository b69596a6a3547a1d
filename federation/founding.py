"""Beginning a federation and drafting its next membership; administrators sign what comes of it.

Lives here: how membership documents are put together from keys, people and cities. Must not know:
files, the command line, or anybody's private key but the coordinator's own public halves.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from federation.crypto.envelope import Envelope, replay_identity
from federation.documents import rules
from federation.documents.membership import Administrator, City, Membership
from federation.documents.types import Document, PayloadType
from federation.errors import Malformed, Misconfigured, Reason, Refused
from federation.heads import Witnesses
from federation.home import Configuration, Keys
from federation.log.store import LogStore
from federation.publication import Publisher
from federation.trust import Pin
from federation.wire.codec import (
    decode_document,
    decode_envelope,
    encode_document,
    encode_envelope,
)

Clock = Callable[[], int]


@dataclass(frozen=True)
class PublicKeyFile:
    """One administrator's public key as handed to ``init``; ``signing_key`` is lower-case hex."""

    administrator: str
    name: str
    signing_key: str

    def __post_init__(self) -> None:
        rules.check_identifier("administrator", self.administrator)
        rules.check_text("name", self.name)
        rules.check_key("signing_key", bytes.fromhex(self.signing_key))

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "PublicKeyFile":
        """Return the key; Misconfigured when the text is no public key file."""
        try:
            return cls(**json.loads(text))
        except Malformed as error:
            said = error.message
        except (ValueError, TypeError, RecursionError):
            said = "identifier, name and a key in hexadecimal are expected, as JSON"
        raise Misconfigured(
            Reason.CONFIGURATION, f"this is no administrator's public key file: {said}"
        )


def administrators(files: Iterable[PublicKeyFile]) -> tuple[Administrator, ...]:
    """Return one administrator for each identifier, with all of their keys, in order.

    Misconfigured when two names claim one identifier: they would count as one person.
    """
    people: dict[str, Administrator] = {}
    for file in files:
        key = bytes.fromhex(file.signing_key)
        known = people.get(file.administrator)
        if known is not None and known.name != file.name:
            raise Misconfigured(
                Reason.CONFIGURATION,
                f"administrator {file.administrator} is both {known.name} and {file.name}",
            )
        keys = (*known.signing_keys, key) if known else (key,)
        people[file.administrator] = Administrator(
            administrator=file.administrator, name=file.name, signing_keys=keys
        )
    return tuple(people[identifier] for identifier in sorted(people))


def first_membership(
    configuration: Configuration,
    keys: Keys,
    people: Sequence[Administrator],
    *,
    threshold: int,
    collusion_bound: int,
    issued_ms: int,
    expires_ms: int,
) -> Membership:
    """Return version 1: people and the coordinator's keys, no city yet."""
    return Membership(
        federation=configuration.federation,
        version=1,
        previous_digest=b"",
        administrators=tuple(people),
        threshold=threshold,
        cities=(),
        collusion_bound=collusion_bound,
        witness_quorum=0,
        witnesses=(),
        coordinator_key=keys.coordinator.public.raw,
        log_origin=configuration.log_origin,
        log_key=keys.log.public.raw,
        tls_authority=keys.authority.der,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
    )


def with_city(
    current: Membership, current_digest: bytes, city: City, *, issued_ms: int, expires_ms: int
) -> Membership:
    """Return the next version with one more city; Refused(ALREADY_ENROLLED) if it is one already.

    Where witnesses are listed the new city is one too, and the quorum follows the number of active
    cities: witnesses of a growing federation would otherwise fall below their quorum.
    """
    if current.city(city.division) is not None:
        raise Refused(Reason.ALREADY_ENROLLED, f"city {city.division} is a member already")
    grown = replace(
        current,
        cities=tuple(sorted((*current.cities, city), key=lambda one: one.division)),
        witnesses=(),
        witness_quorum=0,
    )
    listed = (*current.witnesses, city.division) if current.witnesses else ()
    return with_witnesses(grown, current_digest, listed, issued_ms=issued_ms, expires_ms=expires_ms)


def with_witnesses(
    current: Membership,
    current_digest: bytes,
    witnesses: Iterable[str],
    *,
    issued_ms: int,
    expires_ms: int,
) -> Membership:
    """Return the next version with these cities as witnesses; without any, nothing is co-signed.

    Malformed(INVALID_DOCUMENT) when one is no active city, or they are fewer than their quorum.
    """
    listed = tuple(sorted(set(witnesses)))
    return replace(
        current,
        version=current.version + 1,
        previous_digest=current_digest,
        witnesses=listed,
        witness_quorum=current.quorum_of_witnesses if listed else 0,
        issued_ms=issued_ms,
        expires_ms=expires_ms,
    )


def draft(document: Document) -> bytes:
    """Return the document as an envelope that nobody has signed yet."""
    kind, payload = encode_document(document)
    return encode_envelope(Envelope(kind, payload))


def open_publisher(
    log: LogStore, keys: Keys, clock_ms: Clock, witnesses: Witnesses | None = None
) -> Publisher | None:
    """Return the publisher of a founded log, or None while the log is empty.

    The pin is the log's own first entry: whoever can write this folder is the coordinator.
    StorageFault(LOG_CORRUPT) and Untrusted as :class:`Publisher` when the log does not hold.
    """
    if log.head().size == 0:
        return None
    pin = founding_pin(log.entry(0).envelope)
    return Publisher(log, keys.log, pin, clock_ms, witnesses=witnesses)


def found(
    log: LogStore,
    keys: Keys,
    configuration: Configuration,
    raw: bytes,
    clock_ms: Clock,
    witnesses: Witnesses | None = None,
) -> Publisher:
    """Log membership 1 and return the publisher that stands from then on.

    Refused(NO_MEMBERSHIP) for any other document, Misconfigured when it names other keys than this
    home's, and what acceptance raises: TOO_FEW_SIGNERS, BAD_SIGNATURE, ….
    """
    pin = founding_pin(raw)
    _check_is_ours(_membership(raw), keys, configuration)
    publisher = Publisher(log, keys.log, pin, clock_ms, witnesses=witnesses)
    publisher.publish(raw)
    return publisher


def founding_pin(raw: bytes) -> Pin:
    """Return what pins a federation: its first membership's digest, its log's origin and key."""
    first = _membership(raw)
    return Pin(
        membership_digest=replay_identity(decode_envelope(raw)),
        log_origin=first.log_origin,
        log_key=first.log_key,
    )


def _membership(raw: bytes) -> Membership:
    envelope = decode_envelope(raw)
    if envelope.payload_type != PayloadType.MEMBERSHIP:
        raise Refused(
            Reason.NO_MEMBERSHIP, "the federation is not founded: submit membership 1 first"
        )
    document = decode_document(envelope.payload_type, envelope.payload)
    if not isinstance(document, Membership) or document.version != 1:
        raise Refused(Reason.NO_MEMBERSHIP, "a federation begins with version 1 of its membership")
    return document


def _check_is_ours(first: Membership, keys: Keys, configuration: Configuration) -> None:
    ours = first_membership(
        configuration,
        keys,
        first.administrators,
        threshold=first.threshold,
        collusion_bound=first.collusion_bound,
        issued_ms=first.issued_ms,
        expires_ms=first.expires_ms,
    )
    if replace(first, cities=(), witnesses=(), witness_quorum=0) != ours:
        raise Misconfigured(
            Reason.CONFIGURATION, "membership 1 names another federation's keys, origin or name"
        )
