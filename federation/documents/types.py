"""The payload types that exist, and the document each stands for.

Lives here: one table, both ways. Must not know: encodings or who may sign which type.
"""

from enum import StrEnum

from federation.documents.charter import Charter
from federation.documents.exchanged import (
    Consent,
    ConsentRequest,
    Contribution,
    Refusal,
    RoundRequest,
    Vote,
)
from federation.documents.membership import Membership
from federation.documents.notices import PolicyNotice
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord

Document = (
    Membership
    | Charter
    | Consent
    | ConsentRequest
    | Roster
    | RoundRequest
    | Contribution
    | Vote
    | Refusal
    | RoundRecord
    | DropRecord
    | Closure
    | ModelRelease
    | StatisticsRelease
    | PolicyNotice
)


class PayloadType(StrEnum):
    """The type string that is signed together with the payload."""

    MEMBERSHIP = "laborfed/membership/v1"
    CHARTER = "laborfed/charter/v1"
    CONSENT_REQUEST = "laborfed/consent-request/v1"
    CONSENT = "laborfed/consent/v1"
    ROSTER = "laborfed/roster/v1"
    ROUND_REQUEST = "laborfed/round-request/v1"
    CONTRIBUTION = "laborfed/contribution/v1"
    VOTE = "laborfed/vote/v1"
    REFUSAL = "laborfed/refusal/v1"
    ROUND_RECORD = "laborfed/round-record/v1"
    DROP_RECORD = "laborfed/drop-record/v1"
    CLOSURE = "laborfed/closure/v1"
    MODEL_RELEASE = "laborfed/model-release/v1"
    STATISTICS_RELEASE = "laborfed/statistics-release/v1"
    POLICY_NOTICE = "laborfed/policy-notice/v1"


DOCUMENT_OF: dict[PayloadType, type[Document]] = {
    PayloadType.MEMBERSHIP: Membership,
    PayloadType.CHARTER: Charter,
    PayloadType.CONSENT_REQUEST: ConsentRequest,
    PayloadType.CONSENT: Consent,
    PayloadType.ROSTER: Roster,
    PayloadType.ROUND_REQUEST: RoundRequest,
    PayloadType.CONTRIBUTION: Contribution,
    PayloadType.VOTE: Vote,
    PayloadType.REFUSAL: Refusal,
    PayloadType.ROUND_RECORD: RoundRecord,
    PayloadType.DROP_RECORD: DropRecord,
    PayloadType.CLOSURE: Closure,
    PayloadType.MODEL_RELEASE: ModelRelease,
    PayloadType.STATISTICS_RELEASE: StatisticsRelease,
    PayloadType.POLICY_NOTICE: PolicyNotice,
}
TYPE_OF: dict[type[Document], PayloadType] = {cls: kind for kind, cls in DOCUMENT_OF.items()}

# What may stand in the log; everything else lives inside a run only.
LOGGED = frozenset(
    {
        PayloadType.MEMBERSHIP,
        PayloadType.CHARTER,
        PayloadType.ROSTER,
        PayloadType.ROUND_RECORD,
        PayloadType.DROP_RECORD,
        PayloadType.CLOSURE,
        PayloadType.MODEL_RELEASE,
        PayloadType.STATISTICS_RELEASE,
        PayloadType.POLICY_NOTICE,
    }
)
