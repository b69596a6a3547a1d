"""The ten acceptance steps, one function each where one suffices, numbered as in ``table.STEPS``.

Lives here: checks that raise and change nothing. Must not know: in which state a door keeps what
was accepted, or where bytes came from.
"""

import functools
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from federation.acceptance.table import ROWS, STEPS
from federation.cosigning import cosigners
from federation.crypto.envelope import Envelope
from federation.crypto.keys import check_agreement_key, digest
from federation.documents.exchanged import Consent
from federation.documents.membership import Membership
from federation.documents.notices import PolicyNotice
from federation.documents.releases import ModelRelease
from federation.documents.runs import Roster
from federation.documents.types import Document, PayloadType
from federation.errors import LaborfedError, Malformed, Reason, Stale, TooLarge, Untrusted
from federation.log import merkle
from federation.log.bundle import Bundle
from federation.log.checkpoint import Checkpoint, verify_checkpoint
from federation.signers import signatories
from federation.trust import Known, Trust, check_content, check_order, check_signers
from federation.wire.codec import decode_document, decode_envelope

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of the steps; every number has its unit in its name.

    ``max_envelope_bytes``: a contribution or release of the largest charter (1,000,000 values of
    8 bytes) and 512 votes, with room. ``max_checkpoint_age_ms``: how long a coordinator can hide
    newer entries; a live feed signs a head with every bundle, so minutes are generous.
    ``max_clock_skew_ms``: two machines without good time service, and no more.
    """

    max_envelope_bytes: int = 16 * 2**20
    max_checkpoint_age_ms: int = 10 * 60_000
    max_clock_skew_ms: int = 2 * 60_000


def step(number: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a check say its step's number and name in whatever it raises."""

    def decorate(check: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(check)
        def numbered(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return check(*args, **kwargs)
            except LaborfedError as error:
                told = f"step {number} ({STEPS[number]}): {error.message}"
                raise type(error)(error.reason, told) from error

        return numbered

    return decorate


@step(1)
def size(raw: bytes, limits: Limits) -> None:
    """Not empty and not over the bound: Malformed(NOT_DECODABLE), TooLarge."""
    if not raw:
        raise Malformed(Reason.NOT_DECODABLE, "the envelope is empty")
    if len(raw) > limits.max_envelope_bytes:
        raise TooLarge(
            Reason.TOO_LARGE, f"{len(raw)} bytes, at most {limits.max_envelope_bytes} are read"
        )


@step(2)
def envelope_of(raw: bytes, expected: Container[PayloadType]) -> tuple[Envelope, PayloadType]:
    """Decodes, known type, expected here: NOT_DECODABLE, UNKNOWN_TYPE, UNEXPECTED_TYPE."""
    envelope = decode_envelope(raw)
    try:
        payload_type = PayloadType(envelope.payload_type)
    except ValueError:
        raise Malformed(Reason.UNKNOWN_TYPE, f"unknown type {envelope.payload_type!r}") from None
    if payload_type not in expected:
        raise Malformed(Reason.UNEXPECTED_TYPE, f"{payload_type} is not expected here")
    return envelope, payload_type


@step(3)
def signers(
    envelope: Envelope, payload_type: PayloadType, trust: Trust, known: Known | None
) -> frozenset[str]:
    """The role's people, and enough of them, in the membership ``known``.

    Raises Untrusted: NO_MEMBERSHIP, UNKNOWN_SIGNER, TOO_FEW_SIGNERS, WRONG_PREVIOUS.
    """
    if payload_type is PayloadType.MEMBERSHIP:
        check_signers(trust.pin, known, envelope)
        return frozenset()
    if known is None:
        raise Untrusted(Reason.NO_MEMBERSHIP, "no membership says who may sign this")
    return signatories(ROWS[payload_type].role, known.membership).claimed(envelope)


@step(4)
def signatures(envelope: Envelope, payload_type: PayloadType, known: Known | None) -> None:
    """Every signature verifies over type and payload: Untrusted(BAD_SIGNATURE).

    Version 1 of a membership has no predecessor whose keys could verify: step 5 uses its own.
    """
    if known is not None:
        signatories(ROWS[payload_type].role, known.membership).verify(envelope)


@step(5)
def document_of(
    envelope: Envelope, payload_type: PayloadType, names: frozenset[str], known: Known | None
) -> tuple[Document, frozenset[str]]:
    """A valid document that says what its signers may say; returned with their names.

    Raises INVALID_DOCUMENT, WRONG_FEDERATION, WRONG_BINDING, UNKNOWN_SIGNER or, for a membership,
    what :func:`federation.trust.check_content` raises.
    """
    document = decode_document(payload_type, envelope.payload)
    if isinstance(document, Membership):
        return document, check_content(known, envelope, document)
    if known is not None:
        _check_bindings(document, names, known)
    return document, names


def _check_bindings(document: Document, names: frozenset[str], known: Known) -> None:
    city = getattr(document, "city", None)
    if city is not None and names != {city}:
        raise Untrusted(
            Reason.UNKNOWN_SIGNER, f"signed by {min(names)}, but speaks for city {city}"
        )
    named = getattr(document, "federation", known.membership.federation)
    if named != known.membership.federation:
        raise Untrusted(Reason.WRONG_FEDERATION, f"speaks for {named!r}")
    # believed here, it would make every other city of its roster unable to answer
    if isinstance(document, Consent):
        check_agreement_key(document.agreement_key)
    # a roster of an older membership could name cities that were suspended since
    if isinstance(document, Roster) and document.membership_digest != known.digest:
        raise Untrusted(Reason.WRONG_BINDING, "the roster names a membership that is not in force")


@step(6)
def checkpoint_of(
    note: bytes, trust: Trust, witnesses_of: Known | None, now_ms: int, limits: Limits
) -> Checkpoint:
    """Signed by the log's key, co-signed by the quorum of ``witnesses_of``, fresh by ``now_ms``.

    Raises BAD_CHECKPOINT, BAD_SIGNATURE, NOT_WITNESSED, Stale(STALE_CHECKPOINT).
    """
    checkpoint = verify_checkpoint(note, trust.pin.log_origin, trust.log_key)
    age_ms = now_ms - checkpoint.unix_ms
    if not -limits.max_clock_skew_ms <= age_ms <= limits.max_checkpoint_age_ms:
        raise Stale(
            Reason.STALE_CHECKPOINT, f"the log's head is dated {age_ms / 1000:.0f} s before now"
        )
    if witnesses_of is not None:
        _check_witnesses(note, witnesses_of.membership)
    return checkpoint


def _check_witnesses(note: bytes, membership: Membership) -> None:
    seen = len(cosigners(note, membership)) if membership.witness_quorum else 0
    if seen < membership.witness_quorum:
        raise Untrusted(
            Reason.NOT_WITNESSED,
            f"co-signed by {seen} of the {membership.witness_quorum} witnesses needed",
        )


@step(7)
def inclusion(bundle: Bundle, checkpoint: Checkpoint, next_index: int) -> None:
    """The entry is in the tree, and no entry before it was left out.

    Raises Untrusted: NOT_INCLUDED, GAP (a hidden membership would leave its predecessor in force).
    """
    merkle.verify_inclusion(
        merkle.leaf_hash(digest(bundle.envelope)),
        bundle.leaf_index,
        checkpoint.size,
        bundle.inclusion_path,
        checkpoint.root,
    )
    if bundle.leaf_index > next_index:
        raise Untrusted(
            Reason.GAP, f"entry {bundle.leaf_index} came while {next_index} was expected"
        )


@step(8)
def consistency(
    kept: Checkpoint | None, checkpoint: Checkpoint, came_from: int, path: tuple[bytes, ...]
) -> None:
    """The tree extends the one kept: ROLLED_BACK, CONSISTENCY_MISSING, INCONSISTENT."""
    size, root = (kept.size, kept.root) if kept else (0, merkle.EMPTY_ROOT)
    if checkpoint.size < size:
        raise Stale(
            Reason.ROLLED_BACK, f"the log shows {checkpoint.size} entries, {size} were seen before"
        )
    if came_from != size:
        raise Untrusted(
            Reason.CONSISTENCY_MISSING, f"the proof starts at {came_from}, the kept head at {size}"
        )
    merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, path)


@step(9)
def made_before(document: Document, payload_type: PayloadType, now_ms: int, limits: Limits) -> None:
    """The document's own time is not in the future: Stale(NOT_YET_VALID)."""
    stamp = ROWS[payload_type].stamp
    if stamp is not None and getattr(document, stamp) > now_ms + limits.max_clock_skew_ms:
        raise Stale(Reason.NOT_YET_VALID, f"{stamp} is later than now")


@step(9)
def in_time(document: Document, payload_type: PayloadType, now_ms: int) -> None:
    """The document's own deadline has not passed: Stale(EXPIRED)."""
    deadline = ROWS[payload_type].deadline
    if deadline is not None and getattr(document, deadline) <= now_ms:
        raise Stale(Reason.EXPIRED, f"{deadline} has passed")


@step(9)
def membership_in_force(known: Known | None, now_ms: int) -> None:
    """Under an expired membership only a newer one is taken: Stale(MEMBERSHIP_EXPIRED)."""
    if known is not None and known.membership.expires_ms <= now_ms:
        raise Stale(Reason.MEMBERSHIP_EXPIRED, f"membership {known.membership.version} has expired")


@step(10)
def not_held(held: bool) -> None:
    """The statement was not accepted before, however it was signed then: Stale(REPLAYED)."""
    if held:
        raise Stale(Reason.REPLAYED, "this statement was accepted before")


@step(10)
def newer(
    document: Document, trust: Trust, known: Known | None, latest_release: Callable[[], int]
) -> None:
    """Versions only grow: Stale(ROLLED_BACK), Untrusted(WRONG_PREVIOUS).

    ``latest_release`` is asked when a release is judged, and not for anything else.
    """
    if isinstance(document, Membership):
        check_order(trust.pin, known, document)
    if isinstance(document, ModelRelease) and document.version <= (latest := latest_release()):
        raise Stale(
            Reason.ROLLED_BACK, f"release {document.version}, but {latest} is already known"
        )


@step(10)
def newer_notice(notice: PolicyNotice, latest: int) -> None:
    """A city's notices only grow: Stale(ROLLED_BACK)."""
    if notice.version <= latest:
        raise Stale(
            Reason.ROLLED_BACK,
            f"notice {notice.version} of {notice.city}, but {latest} is already known",
        )
