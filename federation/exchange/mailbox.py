"""What the conductor asks of cities, kept until each has answered; threads on one side, streams
on the other.

Knows cities by division code and bodies as opaque bytes; must not know gRPC, documents or rounds.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from federation.errors import Reason, Refused, TooLarge, TooMany
from federation.wire.limits import MAX_PENDING_REQUESTS

MAX_BODY_BYTES = 15 * 1024 * 1024  # below the transport's 16 MiB, with room for its framing


@dataclass(frozen=True)
class Asked:
    """One request as it goes down a stream; ``request_id`` counts from 1, never reused."""

    request_id: int
    message_type: str
    body: bytes


@dataclass
class _Pending:
    city: str
    asked: Asked
    future: "Future[bytes]"


@dataclass(eq=False)
class Attendance:
    """One city's live stream, from :meth:`Mailbox.attend` until :meth:`Mailbox.leave`."""

    city: str
    wake: Callable[[], None]
    sent_up_to: int = field(default=0)


class Mailbox:
    """Requests to cities and their answers. Safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._present: dict[str, Attendance] = {}
        self._pending: dict[int, _Pending] = {}
        self._last_id = 0
        self._discarded = 0

    # what the conductor uses

    def present(self) -> frozenset[str]:
        """Return the divisions whose streams stand now."""
        with self._changed:
            return frozenset(self._present)

    def wait_present(self, cities: Iterable[str], timeout_s: float) -> bool:
        """Wait until all ``cities`` attend; tell whether they did within ``timeout_s`` seconds."""
        wanted = frozenset(cities)
        with self._changed:
            return self._changed.wait_for(lambda: wanted <= self._present.keys(), timeout_s)

    def ask(self, city: str, message_type: str, body: bytes) -> "Future[bytes]":
        """Send ``body`` to ``city`` now or whenever it attends; the future holds its answer.

        A request outstanding when its stream breaks goes out again on the next one. Deadlines are
        the caller's: cancelling the future withdraws the request. TooLarge above 15 MiB, TooMany
        while 64 requests to the city are open.
        """
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(Reason.TOO_LARGE, f"a request to {city} has {len(body)} bytes")
        future: Future[bytes] = Future()
        with self._changed:
            if sum(one.city == city for one in self._pending.values()) >= MAX_PENDING_REQUESTS:
                raise TooMany(
                    Reason.RATE_LIMITED, f"{MAX_PENDING_REQUESTS} requests to {city} are open"
                )
            self._last_id += 1
            number = self._last_id
            self._pending[number] = _Pending(city, Asked(number, message_type, body), future)
            attendance = self._present.get(city)
        future.add_done_callback(lambda _: self._forget(number))
        if attendance is not None:
            attendance.wake()
        return future

    def cancel(self, future: "Future[bytes]") -> None:
        """Withdraw a request: it is not sent again, and an answer to it is discarded."""
        future.cancel()

    @property
    def discarded(self) -> int:
        """How many answers came late, twice or from a city that was not asked."""
        with self._changed:
            return self._discarded

    # what a city's stream uses

    def attend(self, city: str, wake: Callable[[], None]) -> Attendance:
        """Begin a city's stream; ``wake`` is called, from any thread, when requests may wait.

        Raises Refused(ALREADY_ATTENDING) while the city's earlier stream stands.
        """
        with self._changed:
            if city in self._present:
                raise Refused(
                    Reason.ALREADY_ATTENDING, f"city {city} attends already on another stream"
                )
            attendance = self._present[city] = Attendance(city, wake)
            self._changed.notify_all()
        return attendance

    def leave(self, attendance: Attendance) -> None:
        """End a stream; what it left unanswered waits for the city's next one."""
        with self._changed:
            if self._present.get(attendance.city) is attendance:
                del self._present[attendance.city]
                self._changed.notify_all()

    def unsent(self, attendance: Attendance) -> list[Asked]:
        """Return the city's requests that did not go down this stream yet, oldest first."""
        with self._changed:
            waiting = [
                pending.asked
                for number, pending in self._pending.items()
                if pending.city == attendance.city and number > attendance.sent_up_to
            ]
            if waiting:
                attendance.sent_up_to = waiting[-1].request_id
        return waiting

    def answer(self, city: str, request_id: int, body: bytes) -> bool:
        """Hand in an answer; tell whether it was awaited, else it is counted and discarded."""
        with self._changed:
            pending = self._pending.get(request_id)
            if pending is None or pending.city != city:
                self._discarded += 1
                return False
            del self._pending[request_id]
        if pending.future.set_running_or_notify_cancel():
            pending.future.set_result(body)
        return True

    def _forget(self, number: int) -> None:
        with self._changed:
            self._pending.pop(number, None)
