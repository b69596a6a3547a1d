"""What is said of a failed answer: to the other side, and to this city's operator.

Lives here: the words alone. Must not know: requests, records, or who carries a refusal. What an
exception from elsewhere says may quote a record, so neither side ever reads it.
"""

import traceback

import structlog

from federation.errors import CallerError, LaborfedError, PeerError

MOST_TOLD = 1024  # characters that a refusal holds
# Said instead of anything that a fault of this node's own machinery would say.
OWN_FAULT = "this city could not answer"


def sentence_for_peer(error: LaborfedError) -> str:
    """Return what a refusal tells; a fault of this side's own tells nothing.

    What a peer said may be quoted in it and need not be text that a document can hold.
    """
    told = error.message if isinstance(error, CallerError | PeerError) else OWN_FAULT
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in told)
    return printable[:MOST_TOLD] or OWN_FAULT


def log_fault(error: Exception) -> None:
    """Tell the operator what failed and where: its kind, its place, and no words but ours."""
    cause = error.__cause__ or error
    at = traceback.extract_tb(cause.__traceback__)[-1]
    structlog.get_logger().error(
        "answer_failed",
        sentence=error.message if isinstance(error, LaborfedError) else OWN_FAULT,
        fault=type(cause).__name__,
        at=f"{at.filename}:{at.lineno}",
    )
