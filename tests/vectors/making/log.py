"""A log from founding to a run's closure, as a reader meets it, and damaged twins of one entry.

The documents fit one another: consents, masks, votes and digests are those of one small run.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.federation import ORIGIN, Federation, Reader, signing_key
from support.runs import Run, training_run

from federation.acceptance import Limits
from federation.crypto.envelope import Envelope, sign
from federation.crypto.keys import SigningKey, digest
from federation.errors import Reason
from federation.log import merkle
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, sign_checkpoint, split_note, verify_checkpoint
from federation.wire.codec import decode_envelope, encode_body, encode_envelope
from federation.wire.v1 import envelope_pb2
from vectors.making import plain

TARGET = 3  # the entry that damaged twins are made of, read with three entries before it
AHEAD = 3  # how many entries more than those before it the log has when one is handed out


@dataclass(frozen=True)
class Met:
    """One entry as it was handed to the reader, and the clock then."""

    bundle: Bundle
    now_ms: int


def vectors() -> dict[str, Any]:
    """Return the file's content."""
    with _federation() as federation:
        met, run = _followed(federation)
        limits = Limits()
        return {
            "about": "What a reader of the log is handed, in order, starting with nothing but the "
            "pin; each bundle's consistency proof begins at the checkpoint of the one before. "
            "'damaged' lists bundles handed over instead of entry "
            f"{TARGET} once the entries before it are read: the step and reason they fail for.",
            "target": TARGET,
            "pin": plain(federation.pin),
            "limits": {
                "max_envelope_bytes": limits.max_envelope_bytes,
                "max_checkpoint_age_ms": limits.max_checkpoint_age_ms,
                "max_clock_skew_ms": limits.max_clock_skew_ms,
            },
            "entries": [_entry(federation, each) for each in met],
            "contributions": sorted(encode_body(b).hex() for b in run.kept.contributions.values()),
            "damaged": [_twin(federation, met[TARGET], damage) for damage in DAMAGES],
        }


@contextmanager
def _federation(**changes: Any) -> Iterator[Federation]:
    with tempfile.TemporaryDirectory() as folder:
        federation = Federation(Path(folder), **changes)
        try:
            yield federation
        finally:
            federation.log.close()


def _followed(federation: Federation) -> tuple[list[Met], Run]:
    """Conduct a run; the reader takes each entry with two more behind it."""
    run = training_run(federation)
    reader, met = Reader(federation), list[Met]()
    for index in range(federation.publisher.size):
        bundle = _at_head(federation, reader, index)
        met.append(Met(bundle, federation.clock()))
        reader.take(bundle)
        federation.clock.pass_(1)
    return met, run


def _at_head(federation: Federation, reader: Reader, index: int) -> Bundle:
    kept = reader.door.kept
    size = min(index + AHEAD, federation.publisher.size)
    return _bundle(federation, index, size, kept.size if kept else 0)


def _bundle(federation: Federation, index: int, size: int, kept: int) -> Bundle:
    log, now_ms = federation.log, federation.clock()
    head = Checkpoint(ORIGIN, size, log.root(size), now_ms)
    return Bundle(
        envelope=log.entry(index).envelope,
        leaf_index=index,
        checkpoint=sign_checkpoint(head, federation.log_key),
        inclusion_path=log.inclusion(index, size),
        consistency_from=kept,
        consistency_path=log.consistency(kept, size),
    )


def _entry(federation: Federation, met: Met) -> dict[str, Any]:
    entry = federation.log.entry(met.bundle.leaf_index)
    return {
        "payload_type": entry.payload_type,
        "document_digest": entry.replay_identity.hex(),
        "leaf_hash": merkle.leaf_hash(entry.digest).hex(),
        "now_ms": met.now_ms,
        **_plain(met.bundle),
    }


def _plain(bundle: Bundle) -> dict[str, Any]:
    return {**plain(bundle), "checkpoint": bundle.checkpoint.decode()}


@dataclass(frozen=True)
class Damage:
    """What is handed over instead of a good bundle, the step that stops it, and why."""

    name: str
    change: Callable[[Federation, Bundle], Bundle]
    step: int
    reason: Reason
    later_ms: int = 0


def _twin(federation: Federation, met: Met, damage: Damage) -> dict[str, Any]:
    return {
        "name": damage.name,
        "step": damage.step,
        "reason": damage.reason.value,
        "now_ms": met.now_ms + damage.later_ms,
        **_plain(damage.change(federation, met.bundle)),
    }


def _head_of(bundle: Bundle) -> Checkpoint:
    return verify_checkpoint(bundle.checkpoint, ORIGIN, signing_key("log").public)


def _with_head(bundle: Bundle, key: SigningKey | None = None, **changes: Any) -> Bundle:
    head = replace(_head_of(bundle), **changes)
    return replace(bundle, checkpoint=sign_checkpoint(head, key or signing_key("log")))


def _opened(bundle: Bundle) -> Envelope:
    return decode_envelope(bundle.envelope)


def _with_envelope(bundle: Bundle, envelope: Envelope) -> Bundle:
    return replace(bundle, envelope=encode_envelope(envelope))


def _resigned(*labels: str) -> Callable[[Federation, Bundle], Bundle]:
    def change(_: Federation, bundle: Bundle) -> Bundle:
        old = _opened(bundle)
        keys = [signing_key(label) for label in labels]
        return _with_envelope(bundle, sign(old.payload_type, old.payload, *keys))

    return change


def _renamed(_: Federation, bundle: Bundle) -> Bundle:
    return _with_envelope(bundle, replace(_opened(bundle), payload_type="laborfed/drop-record/v1"))


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def _bit_of_payload(_: Federation, bundle: Bundle) -> Bundle:
    message = envelope_pb2.Envelope.FromString(bundle.envelope)
    message.payload = _flip(message.payload)
    return replace(bundle, envelope=message.SerializeToString(deterministic=True))


def _foreign_line(_: Federation, bundle: Bundle) -> Bundle:
    return _with_head(bundle, signing_key("somebody"))


def _other_root(_: Federation, bundle: Bundle) -> Bundle:
    text = split_note(bundle.checkpoint)[0]
    root = _head_of(bundle).root
    changed = replace(_head_of(bundle), root=_flip(root)).text
    note = bundle.checkpoint.decode().replace(text, changed)
    return replace(bundle, checkpoint=note.encode())


def _other_log(_: Federation, bundle: Bundle) -> Bundle:
    return _with_head(bundle, origin="other.example")


def _path_bit(_: Federation, bundle: Bundle) -> Bundle:
    first, *rest = bundle.inclusion_path
    return replace(bundle, inclusion_path=(_flip(first), *rest))


def _long_path(_: Federation, bundle: Bundle) -> Bundle:
    return replace(bundle, inclusion_path=(*bundle.inclusion_path, digest(b"one too many")))


def _other_place(_: Federation, bundle: Bundle) -> Bundle:
    return replace(bundle, leaf_index=bundle.leaf_index - 1)


def _left_out(federation: Federation, bundle: Bundle) -> Bundle:
    size = _head_of(bundle).size
    return replace(
        bundle,
        envelope=federation.log.entry(TARGET + 1).envelope,
        leaf_index=TARGET + 1,
        inclusion_path=federation.log.inclusion(TARGET + 1, size),
    )


def _from_nothing(_: Federation, bundle: Bundle) -> Bundle:
    return replace(bundle, consistency_from=0, consistency_path=())


def _consistency_bit(_: Federation, bundle: Bundle) -> Bundle:
    first, *rest = bundle.consistency_path
    return replace(bundle, consistency_path=(_flip(first), *rest))


def _shrunken(federation: Federation, bundle: Bundle) -> Bundle:
    return replace(
        _bundle_at(federation, bundle, TARGET + 1), consistency_from=bundle.consistency_from
    )


def _bundle_at(federation: Federation, bundle: Bundle, size: int) -> Bundle:
    made = _with_head(bundle, size=size, root=federation.log.root(size))
    path = federation.log.inclusion(bundle.leaf_index, size)
    return replace(made, inclusion_path=path, consistency_path=())


def _forked(_: Federation, bundle: Bundle) -> Bundle:
    """The same entry on top of another history, every proof sound within it."""
    with _federation() as other:
        other.publish_charter(purpose="Another history", nonce=bytes(15) + b"\x01")
        entries = [other.log.entry(i) for i in range(other.publisher.size)]
        leaves = [merkle.leaf_hash(entry.digest) for entry in entries]
    size = _head_of(bundle).size
    kept = leaves + [digest(b"leaf %d" % i) for i in range(len(leaves), size)]
    kept[TARGET] = merkle.leaf_hash(digest(bundle.envelope))
    nodes = merkle.extend(0, kept, {})
    made = _with_head(bundle, size=size, root=merkle.root(size, nodes.__getitem__))
    return replace(
        made,
        inclusion_path=merkle.inclusion_proof(TARGET, size, nodes.__getitem__),
        consistency_path=merkle.consistency_proof(bundle.consistency_from, size, nodes.__getitem__),
    )


def _again(federation: Federation, bundle: Bundle) -> Bundle:
    size = _head_of(bundle).size
    return replace(
        bundle,
        envelope=federation.log.entry(TARGET - 1).envelope,
        leaf_index=TARGET - 1,
        inclusion_path=federation.log.inclusion(TARGET - 1, size),
    )


def _same(_: Federation, bundle: Bundle) -> Bundle:
    return bundle


MINUTE_MS = 60_000
DAMAGES = (
    Damage("nothing at all", lambda _, b: replace(b, envelope=b""), 1, Reason.NOT_DECODABLE),
    Damage(
        "bytes that are no envelope",
        lambda _, b: replace(b, envelope=b"\xff" * 9),
        2,
        Reason.NOT_DECODABLE,
    ),
    Damage("signed by nobody", _resigned(), 3, Reason.TOO_FEW_SIGNERS),
    Damage("signed by a stranger", _resigned("stranger"), 3, Reason.UNKNOWN_SIGNER),
    Damage(
        "signed by a city in the coordinator's place",
        _resigned("310000 1"),
        3,
        Reason.UNKNOWN_SIGNER,
    ),
    Damage("the same bytes under another type", _renamed, 4, Reason.BAD_SIGNATURE),
    Damage("one bit of the payload flipped", _bit_of_payload, 4, Reason.BAD_SIGNATURE),
    Damage("a head signed by another key", _foreign_line, 6, Reason.BAD_CHECKPOINT),
    Damage("a head of another log", _other_log, 6, Reason.BAD_CHECKPOINT),
    Damage("another root under the log's signature", _other_root, 6, Reason.BAD_SIGNATURE),
    Damage("a head that is too old", _same, 6, Reason.STALE_CHECKPOINT, 11 * MINUTE_MS),
    Damage("a head from the future", _same, 6, Reason.STALE_CHECKPOINT, -3 * MINUTE_MS),
    Damage("one bit of the inclusion path flipped", _path_bit, 7, Reason.NOT_INCLUDED),
    Damage("an inclusion path that is too long", _long_path, 7, Reason.NOT_INCLUDED),
    Damage("the entry in another place", _other_place, 7, Reason.NOT_INCLUDED),
    Damage("the next entry left out", _left_out, 7, Reason.GAP),
    Damage("a consistency proof from nothing", _from_nothing, 8, Reason.CONSISTENCY_MISSING),
    Damage("one bit of the consistency path flipped", _consistency_bit, 8, Reason.INCONSISTENT),
    Damage("a smaller tree than was seen", _shrunken, 8, Reason.ROLLED_BACK),
    Damage("another history, sound in itself", _forked, 8, Reason.INCONSISTENT),
    Damage("an entry that was read before", _again, 10, Reason.REPLAYED),
)
