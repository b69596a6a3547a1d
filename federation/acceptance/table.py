"""Which payload passes which acceptance steps, and whose word it is.

Lives here: the table, and nothing that runs. Must not know: how a step is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from federation.documents.types import LOGGED, PayloadType
from federation.signers import Role

STEPS: Mapping[int, str] = {
    1: "size",
    2: "envelope",
    3: "signers",
    4: "signatures",
    5: "document",
    6: "checkpoint",
    7: "inclusion",
    8: "consistency",
    9: "validity",
    10: "novelty",
}
PROOF_STEPS = frozenset({6, 7, 8})  # what only a logged document can show


@dataclass(frozen=True)
class Row:
    """How one payload type is judged.

    ``stamp``: the field that says when it was made (step 9: not in the future). ``deadline``: the
    field after which it opens nothing new (step 9). ``witnessed``: step 6 asks for the quorum.
    """

    role: Role
    stamp: str | None = None
    deadline: str | None = None
    witnessed: bool = False


ROWS: Mapping[PayloadType, Row] = {
    PayloadType.MEMBERSHIP: Row(Role.ADMINISTRATORS, "issued_ms", "expires_ms", witnessed=True),
    # a charter whose window has not begun is believed: whether it may run is the participant's
    # question at each round
    PayloadType.CHARTER: Row(Role.ADMINISTRATORS, None, "not_after_ms", witnessed=True),
    PayloadType.ROSTER: Row(Role.COORDINATOR, "rostered_ms", witnessed=True),
    PayloadType.ROUND_RECORD: Row(Role.COORDINATOR, "closed_ms"),
    PayloadType.DROP_RECORD: Row(Role.COORDINATOR, "recorded_ms"),
    PayloadType.CLOSURE: Row(Role.COORDINATOR, "closed_ms"),
    PayloadType.MODEL_RELEASE: Row(Role.COORDINATOR, "released_ms", witnessed=True),
    PayloadType.STATISTICS_RELEASE: Row(Role.COORDINATOR, "released_ms", witnessed=True),
    PayloadType.POLICY_NOTICE: Row(Role.CITY, "issued_ms"),
    PayloadType.CONSENT_REQUEST: Row(Role.COORDINATOR, "issued_ms"),
    PayloadType.CONSENT: Row(Role.CITY, "consented_ms"),
    PayloadType.ROUND_REQUEST: Row(Role.COORDINATOR, "issued_ms"),
    PayloadType.CONTRIBUTION: Row(Role.CITY),
    PayloadType.VOTE: Row(Role.CITY),
    PayloadType.REFUSAL: Row(Role.CITY),
}


def steps_of(payload_type: PayloadType) -> frozenset[int]:
    """Return the numbers of the steps that a payload of this type passes."""
    every = frozenset(STEPS)
    return every if payload_type in LOGGED else every - PROOF_STEPS
