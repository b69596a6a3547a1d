"""The conductor's desk: it asks cities, judges what comes, signs, keeps and publishes, and tells.

Lives here: what every stage does with the outside. Must not know: the order of stages or what a
round computes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from federation.acceptance import Accepted
from federation.crypto.envelope import Body, replay_identity, sign
from federation.crypto.keys import SigningKey
from federation.documents.types import Document, PayloadType
from federation.errors import CallerError, LaborfedError, PeerError, Reason
from federation.publication import Publisher
from federation.rounds.events import Report, RunEvent
from federation.rounds.store import RunStore, Summed
from federation.wire.codec import (
    decode_body,
    decode_envelope,
    encode_body,
    encode_document,
    encode_envelope,
)

# Why the log does not take a document now and may later.
PASSING = frozenset({Reason.MEMBERSHIP_EXPIRED, Reason.NOT_YET_VALID})
# Witnesses that are away are waited for, in turns between which an operator may end the run.
TURNS, TURN_S = 12, 5.0


class Stop(StrEnum):
    """How an operator has a run stop at its next step."""

    PAUSE = "pause"  # nothing is logged: it can go on
    CLOSE = "close"  # its end is logged


class Carrier(Protocol):
    """Carries signed bodies to cities and their answers back."""

    def present(self) -> frozenset[str]:
        """Return the divisions that can be reached now."""
        ...

    def ask(
        self, bodies: Mapping[str, bytes], message_type: str, timeout_s: float
    ) -> Iterator[tuple[str, bytes]]:
        """Yield (city, answer) as they come; end when all answered, time is over or told to stop.

        The city is the one that was asked and whose stream the answer came by, never what the
        answer says.
        """
        ...


class Answer(NamedTuple):
    """One city's judged answer: as it came, and the document in its envelope."""

    body: Body
    document: Document


@dataclass
class Collected:
    """What one question to many cities brought: judged answers, and why others gave none."""

    answers: dict[str, Answer] = field(default_factory=dict)
    faults: dict[str, LaborfedError] = field(default_factory=dict)

    @property
    def bodies(self) -> dict[str, Body]:
        """Answers as they came, by city, ascending."""
        return {city: self.answers[city].body for city in sorted(self.answers)}


@dataclass(frozen=True, eq=False)
class Desk:
    """One run's outside. ``stop`` is done once an operator stops the run; ``key`` signs.

    ``turn_s``: how long a turn of waiting for witnesses is, seconds; ``returning``: the coordinator
    was restarted, cities that do not attend yet are coming back.
    """

    carrier: Carrier
    publisher: Publisher
    runs: RunStore
    key: SigningKey
    clock_ms: Callable[[], int]
    report: Report
    stop: "Future[Stop]"
    turn_s: float = TURN_S
    returning: bool = False

    @property
    def stopped(self) -> bool:
        """Whether the run is to stop."""
        return self.stop.done()

    @property
    def paused(self) -> bool:
        """Whether it is to stop in such a way that it can go on."""
        return self.stop.done() and self.stop.result() is Stop.PAUSE

    @property
    def membership_digest(self) -> bytes:
        """The membership in force."""
        return self.publisher.trust.current_digest

    def sign(self, document: Document) -> bytes:
        """Return the document's envelope bytes under the coordinator's key."""
        return encode_envelope(sign(*encode_document(document), self.key))

    def keep_and_publish(
        self,
        charter_digest: bytes,
        document: Document,
        round_: Summed | None = None,
        *,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> bytes:
        """Sign a document of the run, keep it with the round it records, log it; return its digest.

        Kept first: a coordinator that dies in between logs the very same bytes when it comes back.
        ``waiting`` is told while witnesses are missing. PeerError(NOT_WITNESSED) when too few came
        back in time: it is logged, and the run can be taken up again when they have.
        """
        raw = self.sign(document)
        self.runs.keep(charter_digest, raw, round_)
        self._publish(raw, waiting)
        return replay_identity(decode_envelope(raw))

    def _publish(self, raw: bytes, waiting: Callable[[str], None]) -> None:
        for turn in range(1, TURNS + 1):
            try:
                self.publisher.enter(raw, self.turn_s)
            except PeerError as error:
                if error.reason is not Reason.NOT_WITNESSED:
                    raise
                if self.stopped:
                    return  # it is logged, and so may be what ends the run
                if turn == TURNS:
                    raise
                waiting(error.message)
            else:
                return

    def settle(self, charter_digest: bytes) -> list[bytes]:
        """Return the run's kept documents, the last of which may not have been logged: it is now.

        One that the log will never take is forgotten, as nobody has seen it and nothing follows
        from it: a roster of a membership that was replaced, a release after another run's. Raises
        what publishing raises for reasons that pass.
        """
        kept = self.runs.documents(charter_digest)
        try:
            for raw in kept[-1:]:
                self.publisher.enter(raw, self.turn_s)
        except CallerError as error:
            if error.reason in PASSING:
                raise
            self.runs.forget_last(charter_digest)
            return kept[:-1]
        return kept

    def in_run(self, raw: bytes, expected: PayloadType) -> Accepted[Document]:
        """Accept what a city sent inside the run; raises what acceptance raises."""
        return self.publisher.acceptance.in_run(raw, expected, self.clock_ms())

    def reachable(self, dropped: frozenset[str]) -> frozenset[str]:
        """Active cities that attend now, or are coming back, and are not out of the run."""
        active = frozenset(self.publisher.trust.current.active_cities)
        return (active if self.returning else self.carrier.present() & active) - dropped

    def collect(
        self,
        cities: Iterable[str],
        body: Body,
        message_type: str,
        *,
        timeout_s: float,
        judge: Callable[[Body, str], Document],
        tell: Callable[[str, str], None],
    ) -> Collected:
        """Ask every city the same; who has not answered in time is a fault like any other."""
        asked = dict.fromkeys(cities, encode_body(body))
        found = Collected()
        for city, raw in self.carrier.ask(asked, message_type, timeout_s):
            try:
                came = decode_body(raw)
                found.answers[city] = Answer(came, judge(came, city))
                tell(city, "answered")
            except CallerError as error:
                found.faults[city] = error
                tell(city, str(error))
        for city in sorted(asked.keys() - found.answers.keys() - found.faults.keys()):
            found.faults[city] = PeerError(Reason.DEADLINE, "no answer in time")
            tell(city, "stopped" if self.stopped else "no answer in time")
        return found

    def tell(self, event: RunEvent) -> None:
        """Hand an event to whoever watches."""
        self.report(event)
