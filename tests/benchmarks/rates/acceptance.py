"""Acceptance of logged documents of 4 kB beside the bare Ed25519 verifications that it needs.

Lives here: a log of round records as a live feed brings them, and both ways over it. Must not know:
what acceptance does inside.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from support.federation import Federation, Reader

from benchmarks.rates.pairs import Rate, compare
from federation.crypto.envelope import pae
from federation.crypto.keys import digest
from federation.documents.runs import RecordedContribution, RoundRecord
from federation.log.bundle import Bundle
from federation.log.checkpoint import KEY_ID_BYTES, split_note
from federation.wire.codec import decode_envelope

CITIES = tuple(f"{110_000 + 100 * n}" for n in range(86))  # their round's record takes 4 kB
CHUNK = 20

# What one bare verification takes: key, signature, message.
Check = tuple[Ed25519PublicKey, bytes, bytes]


def measure(chunks: int) -> Rate:
    """Accept CHUNK records ``chunks`` times, each by inclusion, consistency and a fresh head."""
    with tempfile.TemporaryDirectory(prefix="bench-acceptance-") as folder:
        federation = Federation(Path(folder), cities=CITIES)
        with closing(federation.log):
            reader = federation.reader()
            bundles = [_published(federation, number) for number in range(chunks * CHUNK)]
            size = len(bundles[0].envelope)
            name = f"documents of {size / 1000:.1f} kB accepted, beside their Ed25519 checks alone"
            return compare(name, _pairs(federation, reader, bundles), CHUNK)


def _published(federation: Federation, number: int) -> Bundle:
    """Log a round record and return it as the feed brings it to a reader that has all before."""
    record = RoundRecord(
        charter_digest=digest(b"charter"),
        attempt_nonce=digest(b"attempt"),
        roster_digest=digest(b"roster"),
        round=number + 1,
        kind="training",
        parameters_digest=digest(b"parameters"),
        contributions=tuple(
            RecordedContribution(city=city, digest=digest(f"{number} {city}".encode()))
            for city in CITIES
        ),
        sum_digest=digest(b"sum"),
        next_parameters_digest=digest(b"next parameters"),
        previous_record_digest=digest(b"record") if number else b"",
        closed_ms=federation.clock(),
    )
    index = federation.publisher.publish(federation.by_coordinator(record)).leaf_index
    return federation.publisher.bundle_for(index, index)


def _pairs(
    federation: Federation, reader: Reader, bundles: Sequence[Bundle]
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    for start in range(0, len(bundles), CHUNK):
        chunk = bundles[start : start + CHUNK]
        checks = [check for bundle in chunk for check in _checks(federation, bundle)]
        yield partial(_accept, reader, chunk), partial(_verify, checks)


def _accept(reader: Reader, bundles: Sequence[Bundle]) -> None:
    for bundle in bundles:
        reader.take(bundle)


def _verify(checks: Sequence[Check]) -> None:
    for key, signature, message in checks:
        key.verify(signature, message)


def _checks(federation: Federation, bundle: Bundle) -> Iterator[Check]:
    """The record's one signature, by the coordinator, and its head's one, by the log."""
    envelope = decode_envelope(bundle.envelope)
    coordinator = _public(federation.membership.coordinator_key)
    for signature in envelope.signatures:
        yield coordinator, signature.signature, pae(envelope.payload_type, envelope.payload)
    text, lines = split_note(bundle.checkpoint)
    log = _public(federation.membership.log_key)
    for _, blob in lines:
        yield log, blob[KEY_ID_BYTES:], text.encode()


def _public(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)
