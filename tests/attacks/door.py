"""What attacks on the door are made of: bundles of a hostile log, and honest ones beside them.

Lives here: makers of bundles that several groups use. Must not know: what must come of one.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.federation import Federation, Reader, signing_key
from support.runs import Run

from attacks.case import Act, Attack, By, Guard, Strike
from attacks.stages import DoorStage
from federation.crypto.envelope import Envelope
from federation.documents.types import PayloadType
from federation.errors import Reason
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, sign_checkpoint, sign_note
from federation.wire.codec import decode_envelope, encode_envelope

Make = Callable[[Federation, Reader], Bundle]
STRANGER = signing_key("stranger")


@functools.cache
def taken(make: Make) -> Act:
    """Return the act of handing a made bundle to the reader's door."""

    def act(stage: DoorStage) -> Strike:
        bundle = make(stage.federation, stage.reader)
        return lambda: stage.reader.take(bundle)

    return functools.update_wrapper(act, make)


@functools.cache
def heard(make: Callable[[Federation, Run], bytes], expected: PayloadType) -> Act:
    """Return the act of handing bytes to the door inside a run."""

    def act(stage: DoorStage) -> Strike:
        run = Run(stage.federation, stage.federation.publish_charter())
        stage.reader.catch_up()
        raw = make(stage.federation, run)

        def hear() -> object:
            accepted = stage.reader.door.in_run(raw, expected, stage.federation.clock())
            stage.reader.held.keep(accepted)
            return accepted

        return hear

    return functools.update_wrapper(act, make)


def at_door(
    name: str, by: By, make: Make, reason: Reason, step: int, guard: Guard, *, twin: Make
) -> Attack:
    """Return an attack on the door by the entry that ``make`` makes."""
    return Attack(name, by, taken(make), reason, guard, DoorStage, taken(twin), step)


def next_bundle(federation: Federation, reader: Reader, raw: bytes) -> Bundle:
    """The bundle of bytes that a hostile coordinator logged."""
    return reader.bundle(federation.log_unchecked(raw))


def charter_bundle(federation: Federation, reader: Reader) -> Bundle:
    """A bundle that would be accepted as it is."""
    federation.publish_charter()
    return reader.bundle()


def membership_bundle(federation: Federation, reader: Reader) -> Bundle:
    """The next membership, as it should be."""
    federation.publish_membership()
    return reader.bundle()


def closure_bundle(federation: Federation, reader: Reader) -> Bundle:
    """A run's closure, as it should be."""
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    return next_bundle(federation, reader, federation.by_coordinator(run.closure("stopped")))


def roster_bundle(federation: Federation, reader: Reader) -> Bundle:
    """A roster, as it should be."""
    run = Run(federation, federation.publish_charter())
    reader.catch_up()
    return next_bundle(federation, reader, federation.by_coordinator(run.roster()))


def with_envelope(bundle: Bundle, change: Callable[[Envelope], Envelope]) -> Bundle:
    """The bundle with its envelope changed on the way."""
    return replace(bundle, envelope=encode_envelope(change(decode_envelope(bundle.envelope))))


def resigned(federation: Federation, bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle under another head, signed by the log's own key."""
    head = federation.log.head()
    fields = {"origin": head.origin, "size": head.size, "root": head.root}
    checkpoint = Checkpoint(**{**fields, "unix_ms": federation.clock(), **changes})
    return replace(bundle, checkpoint=sign_checkpoint(checkpoint, federation.log_key))


def fork(federation: Federation) -> Federation:
    """Another log begun with the same membership and keys, so that only its tree differs."""
    folder = federation.path.parent / "fork"
    folder.mkdir()
    other = Federation(folder)
    assert other.pin == federation.pin
    return other


def witnessed(federation: Federation, bundle: Bundle, *divisions: str) -> Bundle:
    """The bundle with its head co-signed by cities."""
    text = bundle.checkpoint.decode().rpartition("\n\n")[0] + "\n"
    lines = b"".join(
        sign_note(text, city, federation.cities[city].signing).rpartition(b"\n\n")[2]
        for city in divisions
    )
    return replace(bundle, checkpoint=bundle.checkpoint + lines)
