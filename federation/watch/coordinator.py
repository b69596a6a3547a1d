"""The coordinator's figures and conditions: tables over the parts that it holds anyway.

Lives here: what is told of a coordinator, and timing where a part is handed over. Must not know:
how anything told here comes about, or over what it is told.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry, Histogram

from federation.crypto.certificates import expires_ms
from federation.documents.runs import Closure
from federation.errors import StorageFault
from federation.exchange.meeting import Meeting
from federation.home import Home
from federation.log.database import Head
from federation.log.entry import NewEntry
from federation.log.store import Appended, LogStore, Sign
from federation.rounds.events import RunEvent
from federation.rounds.openness import OpenRuns
from federation.rounds.stages import Stage
from federation.rounds.store import RunStore
from federation.runner import Task
from federation.runs import Conduct
from federation.watch import eventlog
from federation.watch.measures import Measure, Reading
from federation.watch.readiness import Condition, Readiness

#: Seconds; a round of small cities takes hundredths, one that waits for a deadline minutes.
ROUND_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Timings:
    """Histograms of what is handed over, appends to the log and rounds of a run; and ``registry``.

    A program's figures are in one registry of its own, never in the library's global one.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.append = Histogram(
            "laborfed_coordinator_append_duration_seconds",
            "How long appending a batch to the log took, until it was on disk",
            registry=registry,
        )
        self.round = Histogram(
            "laborfed_coordinator_round_duration_seconds",
            "How long recorded rounds took, from the request to the record",
            registry=registry,
            buckets=ROUND_BUCKETS,
        )


class TimedLog(LogStore):
    """The log, the publisher's appends timed."""

    def __init__(self, path: Path, timings: Timings) -> None:
        super().__init__(path)
        self._timings = timings

    def append_one(self, new: NewEntry, on: Head, now_ms: int, sign: Sign) -> Appended:
        """Append as :meth:`LogStore.append_one`."""
        with self._timings.append.time():
            return super().append_one(new, on, now_ms, sign)


def observed(conduct: Conduct, timings: Timings, on_fault: Callable[[], object]) -> Conduct:
    """Return ``conduct`` with its events logged and its rounds timed.

    ``on_fault`` is called, in the run's thread, when a run ends by a fault of storage.
    """

    def observing(task: Task) -> Closure | None:
        log = structlog.get_logger().bind(charter=task.charter.digest.hex())

        def note(event: RunEvent) -> None:
            if event.stage == Stage.RECORDING:
                timings.round.observe(event.seconds)
            if talkative:
                _tell(log, event)

        talkative = log.is_enabled_for(logging.DEBUG)  # rounds are short, and steps are many
        log.info("run_started")
        task.watch(note)
        try:
            return conduct(task)
        except StorageFault:
            on_fault()
            raise
        finally:
            task.leave(note)
            log.info("run_left")

    return observing


def _tell(log: Any, event: RunEvent) -> None:
    if event.city:
        log = log.bind(city=event.city)
    log.debug(
        "run_event",
        stage=event.stage,
        attempt=event.attempt,
        round=event.round,
        sentence=eventlog.told(event.text),
    )


@dataclass(eq=False)
class Watched:
    """The parts of a serving coordinator that figures are read from."""

    home: Home
    log: LogStore
    runs: RunStore
    meeting: Meeting
    readiness: Readiness
    active_run: Callable[[], bytes | None]
    server_certificate: Callable[[], x509.Certificate]
    authority: x509.Certificate
    _open: OpenRuns = field(init=False)
    _counted: dict[str, int] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._open = OpenRuns(self.runs)

    @contextmanager
    def opened(self) -> Iterator["Watched"]:
        """Answer one scrape."""
        yield self

    @property
    def entries(self) -> Mapping[str, int]:
        """Log entries by type; only those logged since the last time are counted anew."""
        with self._lock:
            for kind, count in self.log.count_by_type(sum(self._counted.values())).items():
                self._counted[kind] = self._counted.get(kind, 0) + count
            return dict(self._counted)

    @property
    def open_runs(self) -> int:
        """Runs without a closure."""
        with self._lock:
            return len(self._open.now())


def _active(watched: Watched) -> frozenset[str]:
    meeting = watched.meeting
    return frozenset(meeting.publisher.trust.current.active_cities if meeting.stands else ())


def _attending(watched: Watched) -> Reading:
    present = watched.meeting.mailbox.present()
    return {(city,): float(city in present) for city in sorted(_active(watched) | present)}


def _by_type(counts: Mapping[str, int]) -> Reading:
    """Counts by the name of a payload type, ``laborfed/NAME/v1``."""
    return {(kind.split("/")[1],): float(count) for kind, count in sorted(counts.items())}


def _membership_expiry(watched: Watched) -> Reading:
    if not watched.meeting.stands:
        return None
    return watched.meeting.publisher.trust.current.expires_ms / 1000


def _certificates(watched: Watched) -> Reading:
    return {
        ("server",): expires_ms(watched.server_certificate()) / 1000,
        ("authority",): expires_ms(watched.authority) / 1000,
    }


def _store_bytes(watched: Watched) -> Reading:
    return {
        (path.stem,): float(sum(f.stat().st_size for f in path.parent.glob(f"{path.name}*")))
        for path in watched.home.databases
    }


MEASURES: Final[tuple[Measure[Watched], ...]] = (
    Measure(
        "laborfed_coordinator_ready",
        "1 while every condition of readiness holds, else 0",
        lambda w: float(w.readiness.report().ready),
    ),
    Measure(
        "laborfed_coordinator_city_attending",
        "1 while an active city's stream stands, else 0",
        _attending,
        labels=("city",),
    ),
    Measure(
        "laborfed_coordinator_cities_active",
        "Active cities of the membership in force",
        lambda w: float(len(_active(w))),
    ),
    Measure(
        "laborfed_coordinator_cities_attending",
        "Cities whose stream stands",
        lambda w: float(len(w.meeting.mailbox.present())),
    ),
    Measure(
        "laborfed_coordinator_log_size",
        "Entries under the log's head",
        lambda w: float(w.log.head().size),
    ),
    Measure(
        "laborfed_coordinator_log_entries_total",
        "Log entries by type; a roster is an attempt, a round-record a completed round,"
        " a drop-record a loss of cities, a closure a run's end",
        lambda w: _by_type(w.entries),
        labels=("type",),
        counter=True,
    ),
    Measure(
        "laborfed_coordinator_runs_open",
        "Runs that were begun and have no closure",
        lambda w: float(w.open_runs),
    ),
    Measure(
        "laborfed_coordinator_run_active",
        "1 while a run is being conducted, else 0",
        lambda w: float(w.active_run() is not None),
    ),
    Measure(
        "laborfed_coordinator_answers_discarded_total",
        "Cities' answers that came late, twice, or unasked",
        lambda w: float(w.meeting.mailbox.discarded),
        counter=True,
    ),
    Measure(
        "laborfed_coordinator_certificate_expiry_timestamp_seconds",
        "When a certificate of the coordinator's expires, Unix time",
        _certificates,
        labels=("certificate",),
    ),
    Measure(
        "laborfed_coordinator_membership_expiry_timestamp_seconds",
        "When the membership in force expires, Unix time",
        _membership_expiry,
    ),
    Measure(
        "laborfed_coordinator_store_bytes",
        "Size of a database with its write-ahead log",
        _store_bytes,
        labels=("store",),
    ),
)


def readiness(meeting: Meeting, log: LogStore, runs: RunStore) -> Readiness:
    """Return what must hold for the coordinator to serve."""

    def founded() -> str | None:
        return None if meeting.stands else "membership 1 is not logged yet"

    return Readiness(
        (
            Condition("founded", founded),
            Condition("log_readable", lambda: _nothing(log.check_head())),
            Condition("log_writable", log.prove_writable),
            Condition("runs_writable", runs.prove_writable),
            Condition("blobs_writable", meeting.blobs.prove_writable),
        )
    )


def _nothing(_: object) -> None:
    """Drop what was only read to see that it can be."""
