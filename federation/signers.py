"""Who may sign for the federation, read off a membership, and who did.

Lives here: keys to names, and counting people instead of keys. Must not know: payload types,
documents other than the membership, or which membership is the valid one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from federation.crypto.envelope import Envelope, verified_key_ids
from federation.crypto.keys import VerifyingKey
from federation.documents.membership import Membership
from federation.errors import Reason, Untrusted

KEPT = 32  # answers remembered: a reader looks the same few memberships up at every document
COORDINATOR = "coordinator"  # the name the coordinator's signature counts under


class Role(StrEnum):
    """Whose word a document is."""

    ADMINISTRATORS = "administrators"
    CITY = "city"
    COORDINATOR = COORDINATOR


@dataclass(frozen=True)
class Signatories:
    """The keys (by key id) that may sign in one role, the name behind each, how many must."""

    keys: dict[bytes, VerifyingKey]
    names: dict[bytes, str]
    needed: int
    at_most: int

    def claimed(self, envelope: Envelope, *, strangers: bool = False) -> frozenset[str]:
        """Return the names the envelope's key ids claim; nothing is verified yet.

        One person's two keys are one name. Untrusted(UNKNOWN_SIGNER) for a key of nobody here
        unless ``strangers`` may be among them, and for more names than the role has signing
        together; Untrusted(TOO_FEW_SIGNERS) below the threshold.
        """
        unknown = envelope.key_ids - self.names.keys()
        if unknown and not strangers:
            raise Untrusted(
                Reason.UNKNOWN_SIGNER, f"key {min(unknown).hex()[:16]} may not sign this"
            )
        names = frozenset(self.names[key_id] for key_id in envelope.key_ids - unknown)
        if len(names) < self.needed:
            raise Untrusted(
                Reason.TOO_FEW_SIGNERS, f"signed by {len(names)} of the {self.needed} needed"
            )
        if len(names) > self.at_most:
            raise Untrusted(
                Reason.UNKNOWN_SIGNER, f"signed by {len(names)}, but this is one signer's word"
            )
        return names

    def verify(self, envelope: Envelope) -> None:
        """Raise Untrusted(BAD_SIGNATURE) unless every signature by a key of these verifies."""
        verified_key_ids(envelope, self.keys)


def signatories(role: Role, membership: Membership) -> Signatories:
    """Return who may sign in ``role`` under ``membership``."""
    return _kept(role, _Same(membership))


class _Same:
    """A membership as a key: the same object, without reading all of it at each look."""

    def __init__(self, membership: Membership) -> None:
        self.membership = membership

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.membership is self.membership

    def __hash__(self) -> int:
        return id(self.membership)


@lru_cache(KEPT)
def _kept(role: Role, same: _Same) -> Signatories:
    membership = same.membership
    if role is Role.ADMINISTRATORS:
        people = [
            (key, a.administrator) for a in membership.administrators for key in a.signing_keys
        ]
        return _signatories(people, membership.threshold, len(membership.administrators))
    if role is Role.CITY:
        return _signatories(
            [(c.signing_key, c.division) for c in membership.cities if c.active], 1, 1
        )
    return _signatories([(membership.coordinator_key, COORDINATOR)], 1, 1)


def _signatories(owned: Iterable[tuple[bytes, str]], needed: int, at_most: int) -> Signatories:
    named = [(VerifyingKey(raw), name) for raw, name in owned]
    return Signatories(
        {key.key_id: key for key, _ in named},
        {key.key_id: name for key, name in named},
        needed,
        at_most,
    )
