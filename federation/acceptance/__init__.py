"""The one door in: untrusted bytes enter, an :class:`Accepted` document or an error leaves.

Read ``door.py`` for the procedure, ``steps.py`` for each numbered step and ``table.py`` for which
payload passes which. No network, no disk; time is handed in.
"""

from federation.acceptance.door import (
    Acceptance,
    Accepted,
    Held,
    read_kept,
    restore_trust,
    signed_document,
)
from federation.acceptance.steps import Limits

__all__ = [
    "Acceptance",
    "Accepted",
    "Held",
    "Limits",
    "read_kept",
    "restore_trust",
    "signed_document",
]
