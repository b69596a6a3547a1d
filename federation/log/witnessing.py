"""What the log asks of a witness, and what the witness says: values only.

Lives here: the two messages and the name they travel under. Must not know: how they are written to
bytes, carried, or judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.log.merkle import Proof

WITNESS = "witness"  # the message type on a city's stream
MOST_PROOFS = 8  # a witness holds two heads; the asker guesses which


@dataclass(frozen=True)
class WitnessRequest:
    """A signed note, and proofs that its tree extends those of the sizes they are filed under."""

    checkpoint: bytes
    proofs: Mapping[int, Proof] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WitnessReply:
    """One of three: ``cosignature`` (a note's signature line), ``proofs_from``, or a refusal.

    ``proofs_from`` holds the sizes of the heads this witness keeps and had no proof from. A refusal
    has a stable ``reason`` and a ``message`` for people.
    """

    cosignature: bytes = b""
    proofs_from: tuple[int, ...] = ()
    reason: str = ""
    message: str = ""
