"""Every failure this system names, as one tree sorted by whose fault it is.

Raise the class, name the :class:`Reason`, write one sentence an operator understands. What crosses
the network is the reason and the sentence; the gRPC status is derived here and nowhere else.

    LaborfedError
    ├── CallerError            the other side sent something this side will not take
    │   ├── Malformed          it does not decode, or a field breaks its rule
    │   ├── Untrusted          signer, signature, proof or TLS identity is not good enough
    │   ├── Stale              expired, not yet valid, replayed or rolled back
    │   ├── Refused            well-formed and genuine, but policy, budget or charter forbids it
    │   ├── TooLarge           over a size limit
    │   └── TooMany            over a rate or count limit, for now
    ├── PeerError              the other side is unreachable, late or broke the protocol
    └── LocalError             this side is at fault
        ├── Misconfigured      configuration, files or command line
        └── StorageFault       database, disk or a violated invariant of what is stored
"""

from enum import StrEnum

import grpc


class Reason(StrEnum):
    """Stable codes, ``area.rule``; never dependent on records."""

    # what arrives
    TOO_LARGE = "input.too_large"
    NOT_DECODABLE = "envelope.not_decodable"
    UNKNOWN_TYPE = "envelope.unknown_type"
    UNEXPECTED_TYPE = "envelope.unexpected_type"
    UNKNOWN_SIGNER = "signature.unknown_signer"
    TOO_FEW_SIGNERS = "signature.below_threshold"
    BAD_SIGNATURE = "signature.invalid"
    NOT_OPENABLE = "sealed.not_openable"
    INVALID_DOCUMENT = "document.invalid"
    WRONG_FEDERATION = "document.wrong_federation"
    NOT_YET_VALID = "document.not_yet_valid"
    EXPIRED = "document.expired"
    ROLLED_BACK = "document.rolled_back"
    REPLAYED = "document.replayed"
    # log
    BAD_CHECKPOINT = "log.bad_checkpoint"
    STALE_CHECKPOINT = "log.stale_checkpoint"
    NOT_WITNESSED = "log.not_witnessed"
    NOT_INCLUDED = "log.not_included"
    INCONSISTENT = "log.inconsistent"
    CONSISTENCY_MISSING = "log.consistency_missing"
    GAP = "log.gap"
    HEAD_MOVED = "log.head_moved"
    LOG_EXISTS = "log.exists"
    LOG_MISSING = "log.missing"
    LOG_CORRUPT = "log.corrupt"
    # membership and founding
    NO_MEMBERSHIP = "membership.none"
    WRONG_PREVIOUS = "membership.wrong_previous"
    MEMBERSHIP_EXPIRED = "membership.expired"
    FOREIGN_KEY = "membership.foreign_key"
    NOT_A_MEMBER = "membership.not_a_member"
    ALREADY_ENROLLED = "enrolment.already_enrolled"
    BAD_INVITATION = "enrolment.bad_invitation"
    NOT_APPROVED = "enrolment.not_approved"
    # transport
    TLS_IDENTITY = "tls.identity_mismatch"
    ALREADY_ATTENDING = "exchange.already_attending"
    RATE_LIMITED = "exchange.rate_limited"
    STALLED = "exchange.stalled_reader"
    NOT_FOUND = "exchange.not_found"
    UNREACHABLE = "exchange.unreachable"
    DEADLINE = "exchange.deadline"
    PROTOCOL = "exchange.protocol"
    # runs
    CHARTER_UNKNOWN = "charter.unknown"
    CHARTER_CLOSED = "charter.closed"
    CHARTER_WINDOW = "charter.outside_window"
    CHARTER_UNSUPPORTED = "charter.unsupported"
    ROSTER_TOO_SMALL = "roster.too_small"
    ROSTER_COLLUSION = "roster.collusion_bound"
    ROSTER_CONSENT = "roster.bad_consent"
    ROSTER_FOREIGN = "roster.foreign"
    DROPPED = "roster.dropped"
    WRONG_BINDING = "round.wrong_binding"
    WRONG_ROUND = "round.out_of_order"
    ANSWERED = "round.already_answered"
    KEYS_LOST = "round.keys_lost"
    OUT_OF_BOUND = "round.out_of_bound"
    WRONG_SUM = "round.wrong_sum"
    REPEATS_EXHAUSTED = "run.repeats_exhausted"
    RUN_ACTIVE = "run.active"
    RUN_STOPPED = "run.stopped"
    VOTED_DOWN = "run.voted_down"
    # policy and budget
    POLICY = "policy.refused"
    AWAITING_PERSON = "policy.awaiting_person"
    BUDGET = "budget.insufficient"
    # code tables
    UNKNOWN_CODE = "codes.unknown"
    CODE_TABLE = "codes.table"
    # import
    IMPORT_FILE = "import.file"
    IMPORT_ROW = "import.row"
    # local
    CONFIGURATION = "local.configuration"
    PERMISSIONS = "local.permissions"
    IN_USE = "local.in_use"
    STORAGE = "local.storage"


class LaborfedError(Exception):
    """Anything this system refuses or fails at, with a stable reason and a sentence for people."""

    status = grpc.StatusCode.INTERNAL

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}]"


class CallerError(LaborfedError):
    """The other side sent something this side will not take."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class Malformed(CallerError):
    """It does not decode, or a field breaks its rule."""


class Untrusted(CallerError):
    """Signer, signature, proof or TLS identity is not good enough."""

    status = grpc.StatusCode.PERMISSION_DENIED


class Stale(CallerError):
    """Expired, not yet valid, replayed or rolled back."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Refused(CallerError):
    """Well-formed and genuine, but policy, budget or charter forbids it."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class TooLarge(CallerError):
    """Over a size limit."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class TooMany(CallerError):
    """Over a rate or count limit; in ``retry_after_s`` seconds it may be asked again."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, reason: Reason, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(reason, message)
        self.retry_after_s = retry_after_s


class PeerError(LaborfedError):
    """The other side is unreachable, late or broke the protocol."""

    status = grpc.StatusCode.UNAVAILABLE


class LocalError(LaborfedError):
    """This side is at fault."""

    status = grpc.StatusCode.INTERNAL


class Misconfigured(LocalError):
    """Configuration, files or command line."""


class StorageFault(LocalError):
    """Database, disk or a violated invariant of what is stored."""
