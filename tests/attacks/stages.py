"""Where attacks are played: a reader's door, a city's node, its gate, and the coordinator.

Lives here: real parts put together in one folder, and what of the victim may not change. Must not
know: any attack.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select
from support.cities import (
    START,
    CitySide,
    Coordinator,
    PaperCity,
    charter_of,
    found_city,
    statistics_charter_of,
)
from support.conducting import Office, ScriptedCities, training_terms
from support.federation import DIVISIONS, Federation
from support.stores import fresh

from attacks.case import Strike
from federation.audit import audit
from federation.crypto.keys import digest
from federation.documents.charter import Charter
from federation.documents.exchanged import Refusal
from federation.documents.releases import ModelRelease
from federation.documents.runs import DropRecord
from federation.errors import LaborfedError, Reason
from federation.rounds.aggregate import to_bytes
from federation.wire.codec import decode_document, decode_envelope
from node.store import feed, runs, schema

HOME, NEXT, THIRD, LAST = "310000", "330100", "340100", "440300"
DAY_S = 86_400


class DoorStage:
    """A reader that has read the whole log, and the federation that feeds it."""

    def __init__(self, folder: Path) -> None:
        self.federation = Federation(folder)
        self.reader = self.federation.reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.federation.log.close()

    @property
    def state(self) -> object:
        return self.reader.state


class CityStage:
    """The node of one city, on a real store, among three cities that answer by the book."""

    def __init__(self, folder: Path) -> None:
        (folder / "log").mkdir()
        self.folder = folder
        self.federation = Federation(folder / "log")
        start = to_bytes(START)
        self.blobs = {digest(start): start}
        self.home = found_city(self.federation, 1, fresh(folder / "home"), self.blobs)
        others = list(enumerate(sorted(self.federation.cities), start=1))[1:]
        papers = {d: PaperCity(self.federation, d, number) for number, d in others}
        self.company: dict[str, CitySide | PaperCity] = {HOME: self.home, **papers}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.home.store.close()
        self.federation.log.close()

    def coordinator(self, charter: Charter | None = None, **changes: Any) -> Coordinator:
        """Return a coordinator whose training charter is logged; nobody was asked yet."""
        terms = charter or charter_of(self.federation, **changes)
        return Coordinator(self.federation, terms, self.company, self.blobs)

    def counting(self) -> Coordinator:
        """Return a coordinator with a statistics charter."""
        return self.coordinator(statistics_charter_of(self.federation))

    def asks(self, body: bytes) -> Strike:
        """Return the blow of asking the city: its answer's reason, when it is a refusal."""

        def ask() -> object:
            answer = self.home.answer(body)
            return Reason(answer.reason) if isinstance(answer, Refusal) else answer

        return ask

    def reads(self) -> Strike:
        """Return the blow of letting the city read the log: why it would not believe an entry."""

        def read() -> object:
            self.home.catch_up()
            with self.home.store.read() as connection:
                refused = feed.refused(connection)
            return Reason(refused[-1].reason) if refused else None

        return read

    @property
    def believed(self) -> list[Any]:
        """Every document the city's store holds."""
        with self.home.store.read() as connection:
            return [tuple(row) for row in connection.execute(select(schema.documents))]

    @property
    def alarms(self) -> list[str]:
        """What a person of the city must look at."""
        with self.home.store.read() as connection:
            return [alarm.sentence for alarm in runs.alarms_raised(connection)]

    @property
    def state(self) -> object:
        """Documents, ledger, answers, egress, models, the kept checkpoint, and work done."""
        return self.believed, self.home.footprint, list(self.home.work.done), self.alarms


class LoggedStage(CityStage):
    """The same where the attack is an entry of the log: reading it moves the kept checkpoint."""

    @property
    def state(self) -> object:
        rows = self.home.footprint
        rows["cells"] = [row for row in rows["cells"] if "log/checkpoint" not in row]
        return self.believed, rows, list(self.home.work.done), self.alarms


class DeskStage:
    """The coordinator, conducting a run among five cities of which ``attacker`` misbehaves."""

    attacker = NEXT

    def __init__(self, folder: Path) -> None:
        self.federation = Federation(folder, cities=DIVISIONS[:5])
        self.office = Office(self.federation, folder)
        plain = self.federation.charter()
        charter = self.federation.publish_charter(
            training=training_terms(self.federation),
            # enough noise for the promised ε with all repeats
            privacy=replace(plain.privacy, noise_multiplier=3.0),
        )
        self.cities = ScriptedCities(self.federation, charter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.federation.log.close()

    def conducts(self) -> Strike:
        """Return the blow of conducting the run: why the attacker's answer did not count.

        Whatever a city does, the run ends in a release, and everything logged holds when it is
        derived again: tree, signatures, rosters, sums, votes.
        """

        def conduct() -> object:
            try:
                closure = self.office.conduct(self.cities)
            except LaborfedError as error:
                raise AssertionError("the run broke off: nobody was refused") from error
            assert closure is not None
            assert closure.outcome == "released", closure
            note = self.federation.publisher.checkpoint(0).checkpoint
            report = audit(self.federation.log, self.federation.pin, note, self.office.runs)
            assert report.ok, report.problems
            told = [e.text for e in self.office.events if e.city == self.attacker]
            reasons = [text.rpartition("[")[2][:-1] for text in told if text.endswith("]")]
            return Reason(reasons[0]) if reasons else None

        return conduct

    def logged(self, kind: type[Any]) -> list[Any]:
        """Return the log's documents of one type."""
        entries = [decode_envelope(e.envelope) for e in self.federation.log.entries(0, 1000)]
        documents = [decode_document(e.payload_type, e.payload) for e in entries]
        return [document for document in documents if isinstance(document, kind)]

    @property
    def state(self) -> object:
        """Membership, honest cities dropped, and whether the attacker counts in a model."""
        dropped = {city for drop in self.logged(DropRecord) for city in drop.cities}
        counted = [release.card.cities for release in self.logged(ModelRelease)]
        return (
            self.federation.trust.current_digest,
            dropped - {self.attacker},
            any(self.attacker in cities for cities in counted),
        )
