"""A logged envelope with its proof, as it travels.

Lives here: the value only. Must not know: how proofs are made (``merkle``) or judged
(``acceptance``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """Envelope bytes, their place in the log, and proofs (RFC 9162 §2.1.3, §2.1.4).

    ``checkpoint`` is a C2SP signed note. ``consistency_path`` leads from the head of size
    ``consistency_from`` (0: the reader keeps none yet) to the checkpoint's. Hashes are 32 bytes.
    """

    envelope: bytes
    leaf_index: int
    checkpoint: bytes
    inclusion_path: tuple[bytes, ...]
    consistency_from: int
    consistency_path: tuple[bytes, ...]
