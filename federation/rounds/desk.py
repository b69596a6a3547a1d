"""The conductor's desk: it asks cities, judges what comes, signs and publishes, and tells.

Lives here: what every stage does with the outside. Must not know: the order of stages or what a
round computes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from federation.acceptance import Accepted
from federation.crypto.envelope import replay_identity, sign
from federation.crypto.keys import SigningKey
from federation.documents.types import Document, PayloadType
from federation.errors import CallerError, LaborfedError, PeerError, Reason
from federation.publication import Publisher
from federation.rounds.events import Report, RunEvent
from federation.wire.codec import decode_envelope, encode_document, encode_envelope

T = TypeVar("T")


class Carrier(Protocol):
    """Carries signed bodies to cities and their answers back."""

    def present(self) -> frozenset[str]:
        """Return the divisions that can be reached now."""
        ...

    def ask(
        self, bodies: Mapping[str, bytes], message_type: str, timeout_s: float
    ) -> Iterator[tuple[str, bytes]]:
        """Yield (city, answer) as they come; end when all have answered or the time is over.

        The city is the one that was asked and whose stream the answer came by, never what the
        answer says.
        """
        ...


@dataclass
class Collected:
    """What one question to many cities brought: judged answers with their bytes, and faults."""

    answers: dict[str, tuple[bytes, Document]] = field(default_factory=dict)
    faults: dict[str, LaborfedError] = field(default_factory=dict)


class Desk:
    """One run's outside. ``stop`` is done once an operator ends the run."""

    def __init__(
        self,
        carrier: Carrier,
        publisher: Publisher,
        key: SigningKey,
        clock_ms: Callable[[], int],
        report: Report,
        stop: "Future[None]",
    ) -> None:
        self._carrier = carrier
        self._publisher = publisher
        self._key = key
        self.clock_ms = clock_ms
        self.report = report
        self._stop = stop

    @property
    def stopped(self) -> bool:
        """Whether the run is to end."""
        return self._stop.done()

    def sign(self, document: Document) -> bytes:
        """Return the document's envelope bytes under the coordinator's key."""
        return encode_envelope(sign(*encode_document(document), self._key))

    def publish(self, raw: bytes) -> bytes:
        """Log an envelope, once, and return its document digest."""
        self._publisher.publish(raw)
        return replay_identity(decode_envelope(raw))

    def in_run(self, raw: bytes, expected: PayloadType) -> Accepted[Document]:
        """Accept what a city sent inside the run; raises what acceptance raises."""
        return self._publisher.acceptance.in_run(raw, expected, self.clock_ms())

    def collect(
        self,
        cities: Iterable[str],
        body: bytes,
        message_type: str,
        timeout_s: float,
        judge: Callable[[bytes, str], Document],
        tell: Callable[[str, str], None],
    ) -> Collected:
        """Ask every city the same; who has not answered in time is a fault like any other."""
        asked = dict.fromkeys(cities, body)
        found = Collected()
        for city, raw in self._carrier.ask(asked, message_type, timeout_s):
            try:
                found.answers[city] = raw, judge(raw, city)
                tell(city, "answered")
            except CallerError as error:
                found.faults[city] = error
                tell(city, str(error))
        for city in asked.keys() - found.answers.keys() - found.faults.keys():
            found.faults[city] = PeerError(Reason.DEADLINE, "no answer in time")
            tell(city, "no answer in time")
        return found

    def tell(self, event: RunEvent) -> None:
        """Hand an event to whoever watches."""
        self.report(event)
