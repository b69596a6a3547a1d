"""An entry of the log: what is appended, and what it has become.

Lives here: values only. Must not know: what an envelope says, or how its digest came about.
"""

from dataclasses import dataclass

from federation.crypto.keys import DIGEST_BYTES
from federation.errors import Malformed, Reason


@dataclass(frozen=True)
class NewEntry:
    """What is appended: ``digest`` becomes the leaf, ``replay_identity`` may occur only once.

    Both have 32 bytes, else Malformed; ``envelope`` is kept as it came.
    """

    digest: bytes
    payload_type: str
    envelope: bytes
    replay_identity: bytes

    def __post_init__(self) -> None:
        if not len(self.digest) == len(self.replay_identity) == DIGEST_BYTES:
            raise Malformed(
                Reason.INVALID_DOCUMENT, "log entry: digest and replay_identity have 32 bytes"
            )


@dataclass(frozen=True)
class LogEntry(NewEntry):
    """An entry with its ``index`` (from 0) and the log's clock at its append, Unix ms."""

    index: int
    appended_ms: int
