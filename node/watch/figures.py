"""A node's figures: a table over its store, its documents and its home.

Lives here: what is told to the city's own scraper. Must not know: records. Everything here is
derived from documents, the ledger and files, except where a text says "city-internal".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Histogram
from sqlalchemy import Connection

from federation.crypto import certificates
from federation.watch.measures import Measure, Reading, StateCollector
from federation.watch.readiness import Readiness
from node.policy import load_policy
from node.presence import State, last_presence
from node.privacy import ledger
from node.store import documents, egress, feed, runs
from node.watch.conditions import Subject, readiness

if TYPE_CHECKING:
    from node.app import Node

Answer = Callable[[bytes], bytes]
#: Seconds; an answer of a small city takes hundredths, one of a large city's training seconds.
ANSWER_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, eq=False)
class Scrape:
    """One scrape: a snapshot of the store, and the node around it."""

    node: Subject
    readiness: Readiness
    connection: Connection

    @cached_property
    def budget(self) -> ledger.Statement:
        """The year's budget; equal states of the ledger are composed once in a process."""
        year = ledger.year_of(self.node.clock_ms())
        return ledger.statement(self.connection, year, load_policy(self.node.home.policy).allowance)

    @cached_property
    def left(self) -> dict[str, tuple[int, int]]:
        """Envelopes that left and their bytes, by payload type's name."""
        totals = egress.totals(self.connection)
        return {kind.split("/")[1]: found for kind, found in sorted(totals.items())}


def answer_durations(registry: CollectorRegistry) -> Histogram:
    """Return the one figure that is measured and not read off what is held."""
    return Histogram(
        "laborfed_node_answer_duration_seconds",
        "How long answers to the coordinator's requests took (city-internal)",
        registry=registry,
        buckets=ANSWER_BUCKETS,
    )


class Watch:
    """One served node, watched: its registry, its readiness, its answers timed."""

    def __init__(self, node: "Node") -> None:
        self._subject = Subject(node.home, node.store, node.documents, node.clock_ms)
        self.readiness = readiness(self._subject)
        self.registry = CollectorRegistry()
        self._answers = answer_durations(self.registry)
        self.registry.register(StateCollector(self._opened, MEASURES))

    def timed(self, answer: Answer) -> Answer:
        """Return ``answer`` with its durations counted."""

        def timing(body: bytes) -> bytes:
            with self._answers.time():
                return answer(body)

        return timing

    @contextmanager
    def _opened(self) -> Iterator[Scrape]:
        # asked before the snapshot is opened: it writes
        self.readiness.report()
        with self._subject.store.read() as connection:
            yield Scrape(self._subject, self.readiness, connection)


def _connected(scrape: Scrape) -> Reading:
    seen = last_presence(scrape.connection)
    return float(seen is not None and seen[0].state is State.CONNECTED)


def _refused(scrape: Scrape) -> Reading:
    counts = documents.refusals_by_reason(scrape.connection)
    return {(reason,): float(count) for reason, count in sorted(counts.items())}


def _checkpoint(scrape: Scrape) -> Reading:
    kept = scrape.node.documents.kept_ms
    return None if kept is None else kept / 1000


def _membership_expiry(scrape: Scrape) -> Reading:
    trust = scrape.node.documents.trust
    return trust.current.expires_ms / 1000 if trust.founded else None


def _certificate_expiry(scrape: Scrape) -> Reading:
    pem = scrape.node.home.certificate()
    if pem is None:
        return None
    return certificates.expires_ms(certificates.load_certificate(pem)) / 1000


def _store_bytes(scrape: Scrape) -> Reading:
    database = scrape.node.home.database
    return float(sum(f.stat().st_size for f in database.parent.glob(f"{database.name}*")))


MEASURES: Final[tuple[Measure[Scrape], ...]] = (
    Measure(
        "laborfed_node_ready",
        "1 while every condition of readiness holds, else 0",
        lambda s: float(s.readiness.report().ready),
    ),
    Measure(
        "laborfed_node_coordinator_connected",
        "1 while the node attends at the coordinator, else 0",
        _connected,
    ),
    Measure(
        "laborfed_node_distrusted",
        "1 once the log contradicted itself, until the node is restarted, else 0",
        lambda s: float(s.node.documents.distrust is not None),
    ),
    Measure(
        "laborfed_node_log_entries_read_total",
        "Log entries read, those not believed included",
        lambda s: float(feed.next_index(s.connection)),
        counter=True,
    ),
    Measure(
        "laborfed_node_refusals_total",
        "Log entries not believed and requests refused, by reason",
        _refused,
        labels=("reason",),
        counter=True,
    ),
    Measure(
        "laborfed_node_checkpoint_timestamp_seconds",
        "When the log signed the checkpoint that is kept, Unix time by the coordinator's clock",
        _checkpoint,
    ),
    Measure(
        "laborfed_node_alarms",
        "Alarms that a person must look at",
        lambda s: float(len(runs.alarms_raised(s.connection))),
    ),
    Measure(
        "laborfed_node_pending_decisions",
        "Charters that await a person of the city",
        lambda s: float(len(runs.pending_decisions(s.connection))),
    ),
    Measure(
        "laborfed_node_egress_envelopes_total",
        "Envelopes that left, by type; a contribution is an answered round",
        lambda s: {(kind,): float(count) for kind, (count, _) in s.left.items()},
        labels=("type",),
        counter=True,
    ),
    Measure(
        "laborfed_node_egress_bytes_total",
        "Bytes of the envelopes that left, by type",
        lambda s: {(kind,): float(size) for kind, (_, size) in s.left.items()},
        labels=("type",),
        counter=True,
    ),
    Measure(
        "laborfed_node_budget_used_epsilon",
        "Privacy budget of this year that was spent, per worker",
        lambda s: s.budget.used,
    ),
    Measure(
        "laborfed_node_budget_reserved_epsilon",
        "Privacy budget of this year that was spent or may still be, per worker",
        lambda s: s.budget.reserved,
    ),
    Measure(
        "laborfed_node_budget_allowance_epsilon",
        "Privacy budget that the policy allows in a year, per worker",
        lambda s: s.budget.allowance.epsilon,
    ),
    Measure(
        "laborfed_node_certificate_expiry_timestamp_seconds",
        "When the node's certificate expires, Unix time",
        _certificate_expiry,
    ),
    Measure(
        "laborfed_node_membership_expiry_timestamp_seconds",
        "When the membership in force expires, Unix time",
        _membership_expiry,
    ),
    Measure(
        "laborfed_node_store_bytes",
        "Size of the store with its write-ahead log (city-internal: it grows with records)",
        _store_bytes,
    ),
)
