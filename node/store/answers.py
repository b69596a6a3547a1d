"""Answers of this node inside runs: committed once, before they are sent, and never changed.

This file must not know what an answer holds or how it was made.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from federation.crypto.envelope import Body
from federation.errors import Reason, Refused
from node.store.schema import answers

_OF = [answers.c[name] == bindparam(name) for name in ("attempt", "round", "kind")]
_ANSWER = select(answers.c.answer, answers.c.vector, answers.c.request_digest).where(*_OF)
_SENT = select(answers.c.answer).where(*_OF)
_COMMIT = insert(answers)


@dataclass(frozen=True)
class Question:
    """What may be answered once: ``attempt`` is the 32-byte nonce, ``kind`` tells what is asked."""

    attempt: bytes
    round: int
    kind: str


def committed_answer(
    connection: Connection, question: Question, request_digest: bytes
) -> Body | None:
    """What is already committed for this request, None when nothing is.

    Raises Refused(ANSWERED) when the question was answered to a different request.
    """
    row = connection.execute(_ANSWER, vars(question)).one_or_none()
    if row is None:
        return None
    if row.request_digest != request_digest:
        raise Refused(
            Reason.ANSWERED,
            f"round {question.round} ({question.kind}) was answered to another request",
        )
    return Body(row.answer, row.vector)


def given(connection: Connection, question: Question) -> bytes | None:
    """The envelope committed for a question, whichever request asked it; None when none is."""
    envelope: bytes | None = connection.scalar(_SENT, vars(question))
    return envelope


def commit_answer(
    connection: Connection, question: Question, request_digest: bytes, answer: Body, *, at_ms: int
) -> Body:
    """Commit the one answer to a question and return what to send.

    The same request gets what was stored first, whatever ``answer`` is now: noise is drawn once.
    Raises Refused(ANSWERED) for a different request.
    """
    stored = committed_answer(connection, question, request_digest)
    if stored is not None:
        return stored
    row = {
        "request_digest": request_digest,
        "answer": answer.envelope,
        "vector": answer.vector,
        "committed_ms": at_ms,
    }
    connection.execute(_COMMIT, {**vars(question), **row})
    return answer
