"""The memberships a reader believes, from the pinned first one on, next version only.

Lives here: the chain of versions and what a successor must show. Must not know: the log's proofs,
the clock (expiry is acceptance's question), or where memberships are stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from federation.crypto.envelope import Envelope, replay_identity
from federation.crypto.keys import VerifyingKey
from federation.documents import rules
from federation.documents.membership import City, Membership
from federation.errors import Reason, Stale, Untrusted
from federation.signers import Role, signatories


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What an invitation fixes: membership 1 by document digest, the log by origin and raw key."""

    membership_digest: bytes
    log_origin: str
    log_key: bytes

    def __post_init__(self) -> None:
        rules.check_digest("membership_digest", self.membership_digest)
        rules.check_identifier("log_origin", self.log_origin)
        rules.check_key("log_key", self.log_key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A believed membership, its document digest and its place in the log."""

    membership: Membership
    digest: bytes
    leaf_index: int


class Trust:
    """The chain of believed memberships. Readers in other threads see whole versions only."""

    def __init__(self, pin: Pin) -> None:
        self.pin = pin
        self._known: tuple[Known, ...] = ()

    @property
    def founded(self) -> bool:
        """Whether membership 1 is known."""
        return bool(self._known)

    @property
    def current(self) -> Membership:
        """The newest membership; Untrusted(NO_MEMBERSHIP) before the first."""
        return self._newest.membership

    @property
    def current_digest(self) -> bytes:
        """The newest membership's document digest; Untrusted(NO_MEMBERSHIP) before the first."""
        return self._newest.digest

    @property
    def _newest(self) -> Known:
        known = self.known_at(None)
        if known is None:
            raise Untrusted(Reason.NO_MEMBERSHIP, "no membership is known yet")
        return known

    def known_at(self, leaf_index: int | None) -> Known | None:
        """Return the membership logged last before ``leaf_index`` (None: the newest), if any."""
        before = [k for k in self._known if leaf_index is None or k.leaf_index < leaf_index]
        return before[-1] if before else None

    @property
    def versions(self) -> Sequence[Known]:
        """Every believed membership, oldest first."""
        return self._known

    def at(self, leaf_index: int) -> Membership:
        """Return the membership that judges the entry at ``leaf_index``.

        Untrusted(NO_MEMBERSHIP) when none was logged before it.
        """
        known = self.known_at(leaf_index)
        if known is None:
            raise Untrusted(Reason.NO_MEMBERSHIP, f"no membership precedes entry {leaf_index}")
        return known.membership

    def version(self, digest: bytes) -> Known:
        """Return the version with this document digest, old or new.

        Untrusted(NO_MEMBERSHIP) when it is none of the believed ones.
        """
        for known in self._known:
            if known.digest == digest:
                return known
        raise Untrusted(Reason.NO_MEMBERSHIP, f"membership {digest.hex()[:16]} is not known")

    def named(self, digest: bytes) -> Membership:
        """Return the membership with this document digest; raises as :meth:`version`."""
        return self.version(digest).membership

    @property
    def log_key(self) -> VerifyingKey:
        """The key that signs checkpoints now.

        Who was invited after a change of the log's key pins the new one, while the first versions
        still name the old: the pin holds until a membership has named it.
        """
        if self.pin.log_key not in [k.membership.log_key for k in self._known]:
            return VerifyingKey(self.pin.log_key)
        return VerifyingKey(self.current.log_key)

    @property
    def log_keys(self) -> Sequence[VerifyingKey]:
        """Every key the log was ever believed to sign with, newest first."""
        raw = [k.membership.log_key for k in reversed(self._known)] + [self.pin.log_key]
        return [VerifyingKey(key) for key in dict.fromkeys(raw)]

    def advance(self, envelope: Envelope, membership: Membership, leaf_index: int) -> None:
        """Believe the next version, logged at ``leaf_index``, after checking all it must show.

        ``membership`` is the envelope's decoded payload. Raises as :func:`check_signers`,
        :func:`check_content` and :func:`check_order`; then nothing has changed.
        """
        before = self.known_at(None)
        check_signers(self.pin, before, envelope)
        check_content(before, envelope, membership)
        check_order(self.pin, before, membership)
        if before is not None and leaf_index <= before.leaf_index:
            raise Stale(Reason.ROLLED_BACK, f"entry {leaf_index} precedes the newest membership")
        known = Known(
            membership=membership, digest=replay_identity(envelope), leaf_index=leaf_index
        )
        self._known = (*self._known, known)


def check_signers(pin: Pin, before: Known | None, envelope: Envelope) -> None:
    """Version n+1 carries the threshold of n's administrators; version 1 is the pinned one.

    Raises Untrusted: TOO_FEW_SIGNERS, BAD_SIGNATURE, or WRONG_PREVIOUS for another first version.
    """
    if before is None:
        if replay_identity(envelope) != pin.membership_digest:
            raise Untrusted(Reason.WRONG_PREVIOUS, "this is not the membership that was pinned")
        return
    administrators = signatories(Role.ADMINISTRATORS, before.membership)
    # the next version's own administrators may be strangers to this one
    administrators.claimed(envelope, strangers=True)
    administrators.verify(envelope)


def check_content(
    before: Known | None, envelope: Envelope, membership: Membership
) -> frozenset[str]:
    """Return who signed of a version's own administrators, whose threshold it carries too.

    It keeps its federation, log and cities' keys. Raises Untrusted: TOO_FEW_SIGNERS, BAD_SIGNATURE,
    UNKNOWN_SIGNER, WRONG_FEDERATION, FOREIGN_KEY, or BAD_CHECKPOINT when it names another log.
    """
    own = signatories(Role.ADMINISTRATORS, membership)
    names = own.claimed(envelope, strangers=True)
    own.verify(envelope)
    _check_no_strangers(before, envelope, own.names.keys())
    if before is None:
        return names
    if membership.federation != before.membership.federation:
        raise Untrusted(Reason.WRONG_FEDERATION, f"speaks for {membership.federation!r}")
    if membership.log_origin != before.membership.log_origin:
        raise Untrusted(Reason.BAD_CHECKPOINT, f"names another log, {membership.log_origin!r}")
    for city in membership.cities:
        _check_city_keys(before.membership.city(city.division), city)
    return names


def check_order(pin: Pin, before: Known | None, membership: Membership) -> None:
    """A version follows the one before by number and digest; the first names the pinned log.

    Raises Stale(ROLLED_BACK) for a version already passed, Untrusted(WRONG_PREVIOUS) for another
    chain or a version left out, Untrusted(BAD_CHECKPOINT) when version 1 names another log.
    """
    version, digest = (before.membership.version, before.digest) if before else (0, b"")
    if membership.version <= version:
        raise Stale(
            Reason.ROLLED_BACK, f"version {membership.version}, but {version} is already known"
        )
    if membership.version != version + 1 or membership.previous_digest != digest:
        raise Untrusted(
            Reason.WRONG_PREVIOUS,
            f"version {membership.version} does not follow the known version {version}",
        )
    if before is None and membership.log_origin != pin.log_origin:
        raise Untrusted(Reason.BAD_CHECKPOINT, f"names another log, {membership.log_origin!r}")


def _check_no_strangers(before: Known | None, envelope: Envelope, own: Iterable[bytes]) -> None:
    known = set(own)
    if before is not None:
        known |= signatories(Role.ADMINISTRATORS, before.membership).names.keys()
    unknown = envelope.key_ids - known
    if unknown:
        raise Untrusted(
            Reason.UNKNOWN_SIGNER, f"key {min(unknown).hex()[:16]} is no administrator's"
        )


def _check_city_keys(before: City | None, city: City) -> None:
    if before is None or before.keys == city.keys:
        return
    try:
        VerifyingKey(before.signing_key).verify(city.key_change_signature, city.keys)
    except Untrusted:
        raise Untrusted(
            Reason.FOREIGN_KEY, f"city {city.division}: new keys lack the old key's signature"
        ) from None
