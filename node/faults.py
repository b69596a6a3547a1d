"""What is said of a failed answer: to the other side, and to this city's operator.

Lives here: the words alone. Must not know: records, how a request is answered, or who carries a
refusal. What an exception from elsewhere says may quote a record, so neither side ever reads it.
"""

import structlog

from federation.documents.exchanged import ConsentRequest, RoundRequest
from federation.errors import CallerError, LaborfedError, PeerError
from federation.watch import eventlog

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


def log_fault(error: Exception, request: ConsentRequest | RoundRequest | None) -> None:
    """Tell the operator what failed, where and on what: its kind, its place, no words but ours."""
    log = structlog.get_logger()
    if request is not None:
        log = log.bind(charter=request.charter_digest.hex())
    if isinstance(request, RoundRequest):
        log = log.bind(round=request.round)
    log.error("answer_failed", **eventlog.traced(error))
