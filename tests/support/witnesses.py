"""Witnesses without a network: a real mailbox, real questions, and cities that answer them.

Lives here: streams that a test opens and closes, and a city that co-signs whatever it is shown.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from federation.exchange.mailbox import Attendance, Mailbox
from federation.exchange.witnesses import MailboxWitnesses
from federation.log.checkpoint import cosignature, split_note
from federation.log.witnessing import WITNESS, WitnessReply
from federation.wire.codec import decode_witness_request, encode_witness_reply
from support.federation import Federation

Answer = Callable[[bytes], bytes]


class Streams:
    """Cities' streams: requests reach each city's ``answer`` in threads, side by side.

    ``asked`` lists the cities in the order in which they were asked.
    """

    def __init__(self, pool: ThreadPoolExecutor, answer_s: float) -> None:
        self.mailbox = Mailbox()
        self.witnesses = MailboxWitnesses(self.mailbox, answer_s)
        self.asked: list[str] = []
        self._pool = pool
        self._open: dict[str, Attendance] = {}

    def attend(self, division: str, answer: Answer) -> None:
        """Open a city's stream."""

        def wake() -> None:
            self._pool.submit(self._serve, division, answer)

        self._open[division] = self.mailbox.attend(division, wake)
        wake()

    def leave(self, division: str) -> None:
        """Close it."""
        self.mailbox.leave(self._open.pop(division))

    def _serve(self, division: str, answer: Answer) -> None:
        attendance = self._open.get(division)
        for asked in self.mailbox.unsent(attendance) if attendance else ():
            assert asked.message_type == WITNESS
            self.asked.append(division)
            self.mailbox.answer(division, asked.request_id, answer(asked.body))


@contextmanager
def streams(answer_s: float = 5.0) -> Iterator[Streams]:
    """Open no stream yet; ``answer_s``: how long a city that attends may take."""
    with ThreadPoolExecutor(16) as pool:
        yield Streams(pool, answer_s)


def co_signs_anything(federation: Federation, division: str) -> Answer:
    """Return a city that signs what it is shown, as one that colludes would."""

    def answer(body: bytes) -> bytes:
        text = split_note(decode_witness_request(body).checkpoint)[0]
        line = cosignature(text, division, federation.cities[division].signing)
        return encode_witness_reply(WitnessReply(cosignature=line))

    return answer
