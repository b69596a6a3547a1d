"""Witnesses reached over cities' streams: asked for co-signatures, each answer verified.

Lives here: asking all at once, giving a witness the proofs it lacks, and when to stop waiting. Must
not know: which heads need co-signatures, or gRPC.
"""

import contextlib
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from federation.errors import CallerError
from federation.exchange.mailbox import Mailbox
from federation.heads import Asking, Gathered
from federation.log.checkpoint import open_note
from federation.log.witnessing import MOST_PROOFS, WITNESS, WitnessReply, WitnessRequest
from federation.wire.codec import decode_witness_reply, encode_witness_request

ANSWER_S = 5.0  # a witness that attends has so long; it verifies, commits and signs
MOST_ASKED = 3  # times: once as guessed, again from the sizes it named, once more if it read on
NO_ANSWER = "no answer in time"
AWAY = "does not attend"


class MailboxWitnesses:
    """:class:`federation.heads.Witnesses` over a mailbox. Safe to share between threads."""

    def __init__(self, mailbox: Mailbox, answer_s: float = ANSWER_S) -> None:
        self._mailbox = mailbox
        self._answer_s = answer_s
        self._lock = threading.Lock()
        # the size each witness co-signed last, as far as it told: only a guess of what to prove
        self._sizes: dict[str, int] = {}
        self._late: dict[str, Future[bytes]] = {}

    def gather(self, asking: Asking) -> Gathered:
        """Ask every witness; return once enough signed, or no more can be hoped for in time."""
        return _Gathering(asking, self._mailbox, self).run(self._answer_s)

    def held_sizes(self, city: str, size: int) -> Iterable[int]:
        """Guess the sizes a witness holds heads of: the last co-signed, and those just logged."""
        with self._lock:
            known = self._sizes.get(city, 0)
        return sorted({held for held in (known, size - 2, size - 1) if 0 < held < size})

    def note_size(self, city: str, size: int) -> None:
        """Remember what a witness co-signed last."""
        with self._lock:
            self._sizes[city] = size

    def listen(self, city: str, size: int, late: "Future[bytes]") -> None:
        """Take note of a co-signature that is not waited for any more, until the next question."""
        late.add_done_callback(lambda done: self._note_late(city, size, done))
        with self._lock:
            self._late[city] = late

    def open_questions(self) -> list["Future[bytes]"]:
        """Return the questions whose answers are listened to and not waited for."""
        with self._lock:
            return list(self._late.values())

    def silence(self, city: str) -> None:
        """Withdraw what is still open of the questions before."""
        with self._lock:
            late = self._late.pop(city, None)
        if late is not None:
            self._mailbox.cancel(late)

    def _note_late(self, city: str, size: int, done: "Future[bytes]") -> None:
        if done.cancelled():
            return
        with contextlib.suppress(CallerError):
            if decode_witness_reply(done.result()).cosignature:
                self.note_size(city, size)


class _Gathering:
    """One head's round of questions."""

    def __init__(self, asking: Asking, mailbox: Mailbox, sizes: MailboxWitnesses) -> None:
        self._asking = asking
        self._mailbox = mailbox
        self._sizes = sizes
        self._times = dict.fromkeys(asking.witnesses, 0)
        self._lines: dict[str, bytes] = {}
        self._faults: dict[str, str] = {}
        self._waiting: dict[Future[bytes], str] = {}

    def run(self, answer_s: float) -> Gathered:
        began, asking = time.monotonic(), self._asking
        try:
            for city in asking.witnesses:
                self._sizes.silence(city)
                self._ask(city, self._sizes.held_sizes(city, asking.size))
            while len(self._lines) < asking.needed:
                left = began + self._may_take(answer_s) - time.monotonic()
                if left <= 0 or not self._waiting:
                    break
                done, _ = wait(self._waiting, left, FIRST_COMPLETED)
                for future in done:
                    self._take(self._waiting.pop(future), future.result())
        finally:
            self._let_go()
        return Gathered(self._lines, self._faults)

    def _may_take(self, answer_s: float) -> float:
        """Seconds to wait in all: for who is away no longer than the asker has patience."""
        attends = not self._mailbox.present().isdisjoint(self._waiting.values())
        return max(answer_s if attends else 0.0, self._asking.patience_s)

    def _ask(self, city: str, sizes: Iterable[int]) -> None:
        self._times[city] += 1
        proofs = {size: self._asking.prove(size) for size in sizes}
        body = encode_witness_request(WitnessRequest(self._asking.note, proofs))
        self._waiting[self._mailbox.ask(city, WITNESS, body)] = city

    def _take(self, city: str, raw: bytes) -> None:
        try:
            reply = decode_witness_reply(raw)
            if reply.cosignature:
                self._sign(city, reply.cosignature)
            elif reply.proofs_from:
                self._prove(city, reply)
            else:
                self._faults[city] = f"{reply.message} [{reply.reason}]"
        except CallerError as error:
            self._faults[city] = str(error)

    def _sign(self, city: str, line: bytes) -> None:
        open_note(self._asking.note + line, city, self._asking.witnesses[city])
        self._sizes.note_size(city, self._asking.size)
        self._lines[city] = line

    def _prove(self, city: str, reply: WitnessReply) -> None:
        if max(reply.proofs_from) > self._asking.size:
            self._faults[city] = f"has seen {max(reply.proofs_from)} entries already"
        elif self._times[city] >= MOST_ASKED or len(reply.proofs_from) > MOST_PROOFS:
            self._faults[city] = "asks for other proofs each time"
        else:
            self._ask(city, reply.proofs_from)

    def _let_go(self) -> None:
        """Withdraw from who is away; who attends may be about to co-sign, which is good to know."""
        present = self._mailbox.present()
        for future, city in self._waiting.items():
            if city in present:
                self._faults[city] = NO_ANSWER
                self._sizes.listen(city, self._asking.size, future)
            else:
                self._faults[city] = AWAY
                self._mailbox.cancel(future)
