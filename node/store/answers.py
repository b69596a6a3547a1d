"""Answers of this node inside runs: committed once, before they are sent, and never changed.

This file must not know what an answer holds or how it was made.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from federation.errors import Reason, Refused
from node.store.schema import answers

_ANSWER = select(answers.c.answer, answers.c.request_digest).where(
    *(answers.c[name] == bindparam(name) for name in ("attempt", "round", "kind"))
)
_COMMIT = insert(answers)


@dataclass(frozen=True)
class Question:
    """What may be answered once: ``attempt`` is the 32-byte nonce, ``kind`` tells what is asked."""

    attempt: bytes
    round: int
    kind: str


def committed_answer(
    connection: Connection, question: Question, request_digest: bytes
) -> bytes | None:
    """The bytes already committed for this request, None when there are none.

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
    return bytes(row.answer)


def given(connection: Connection, question: Question) -> bytes | None:
    """The bytes committed for a question, whichever request asked it; None when there are none."""
    answer: bytes | None = connection.scalar(
        select(answers.c.answer).where(
            answers.c.attempt == question.attempt,
            answers.c.round == question.round,
            answers.c.kind == question.kind,
        )
    )
    return answer


def commit_answer(
    connection: Connection, question: Question, request_digest: bytes, answer: bytes, *, at_ms: int
) -> bytes:
    """Commit the one answer to a question and return the bytes to send.

    The same request gets the bytes stored first, whatever ``answer`` is now: noise is drawn once.
    Raises Refused(ANSWERED) for a different request.
    """
    stored = committed_answer(connection, question, request_digest)
    if stored is not None:
        return stored
    row = {"request_digest": request_digest, "answer": answer, "committed_ms": at_ms}
    connection.execute(_COMMIT, {**vars(question), **row})
    return answer
