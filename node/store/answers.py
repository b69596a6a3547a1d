"""Answers of this node inside runs: committed once, before they are sent, and never changed.

This file must not know what an answer holds, how it was made, or where vectors lie.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from federation.errors import Reason, Refused
from federation.vectors import Place
from node.store.schema import answers

_OF = [answers.c[name] == bindparam(name) for name in ("attempt", "round", "kind")]
_ANSWER = select(
    answers.c.answer, answers.c.vector_start, answers.c.vector_size, answers.c.request_digest
).where(*_OF)
_SENT = select(answers.c.answer).where(*_OF)
_COMMIT = insert(answers)


@dataclass(frozen=True)
class Question:
    """What may be answered once: ``attempt`` is the 32-byte nonce, ``kind`` tells what is asked."""

    attempt: bytes
    round: int
    kind: str


class Answer(NamedTuple):
    """An answer's envelope, and where its vector lies on disk already; of no bytes for none."""

    envelope: bytes
    vector: Place = Place(0, 0)


def committed_answer(
    connection: Connection, question: Question, request_digest: bytes
) -> Answer | None:
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
    return Answer(row.answer, Place(row.vector_start, row.vector_size))


def given(connection: Connection, question: Question) -> bytes | None:
    """The envelope committed for a question, whichever request asked it; None when none is."""
    envelope: bytes | None = connection.scalar(_SENT, vars(question))
    return envelope


def commit_answer(
    connection: Connection, question: Question, request_digest: bytes, answer: Answer, *, at_ms: int
) -> Answer:
    """Commit the one answer to a question and return which to send.

    The same request gets what was stored first, whatever ``answer`` is now: noise is drawn once.
    Raises Refused(ANSWERED) for a different request.
    """
    stored = committed_answer(connection, question, request_digest)
    if stored is not None:
        return stored
    row = {
        "request_digest": request_digest,
        "answer": answer.envelope,
        "vector_start": answer.vector.start,
        "vector_size": answer.vector.size,
        "committed_ms": at_ms,
    }
    connection.execute(_COMMIT, {**vars(question), **row})
    return answer
