"""Who co-signed a head: a membership's witnesses, read off a signed note.

Lives here: co-signature lines against the keys a membership lists. Must not know: how co-signatures
are asked for, or which heads they are needed on.
"""

from collections.abc import Mapping

from federation.crypto.keys import VerifyingKey
from federation.documents.membership import Membership
from federation.errors import Untrusted
from federation.log.checkpoint import open_note


def witness_keys(membership: Membership) -> Mapping[str, VerifyingKey]:
    """Return the witnesses' keys by division."""
    listed = frozenset(membership.witnesses)
    return {
        city.division: VerifyingKey(city.signing_key)
        for city in membership.cities
        if city.division in listed
    }


def cosigners(note: bytes, membership: Membership) -> frozenset[str]:
    """Return the witnesses of ``membership`` whose co-signature the note bears.

    Each counts once; a line of theirs that does not verify counts for nothing.
    """
    return frozenset(
        division
        for division, key in witness_keys(membership).items()
        if _signed(note, division, key)
    )


def _signed(note: bytes, division: str, key: VerifyingKey) -> bool:
    try:
        open_note(note, division, key)
    except Untrusted:
        return False
    return True
