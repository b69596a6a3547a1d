"""Runs as the log shows them: every document must fit what was logged before it.

Lives here: the history of all runs, read in log order. Must not know: the log's tree, stores, or
what to do about a document that does not fit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from federation.acceptance import Accepted
from federation.documents.charter import Charter
from federation.documents.releases import ModelRelease, StatisticsRelease
from federation.documents.runs import Closure, DropRecord, Roster, RoundRecord
from federation.documents.types import Document, PayloadType
from federation.errors import Reason, Refused
from federation.trust import Trust
from federation.verification import (
    verify_model_release,
    verify_roster,
    verify_round_record,
    verify_statistics_release,
)


@dataclass
class RunHistory:
    """What the log has shown of one charter's run so far."""

    charter: Accepted[Charter]
    rosters: dict[bytes, tuple[Accepted[Roster], tuple[str, ...]]] = field(default_factory=dict)
    records: list[Accepted[RoundRecord]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    released: bool = False
    closed: bool = False

    @property
    def last(self) -> Accepted[RoundRecord] | None:
        """The last completed round's record."""
        return self.records[-1] if self.records else None

    def roster(self, digest: bytes) -> tuple[Accepted[Roster], tuple[str, ...]]:
        """Return a roster of this run and its cities; Refused(ROSTER_FOREIGN) when it has none."""
        if digest not in self.rosters:
            raise Refused(Reason.ROSTER_FOREIGN, f"no roster {digest.hex()[:16]} in this run")
        return self.rosters[digest]


class Evidence:
    """All runs, document by document in log order.

    :meth:`add` raises CallerError when a document does not fit what came before it; the document is
    then not part of the history.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._runs: dict[bytes, RunHistory] = {}
        self._latest: Accepted[ModelRelease] | None = None
        self._rules: dict[PayloadType, Callable[[Accepted[Any], RunHistory], None]] = {
            PayloadType.ROSTER: self._roster,
            PayloadType.ROUND_RECORD: self._record,
            PayloadType.DROP_RECORD: self._drop,
            PayloadType.MODEL_RELEASE: self._model_release,
            PayloadType.STATISTICS_RELEASE: self._statistics_release,
            PayloadType.CLOSURE: self._closure,
        }

    def add(self, accepted: Accepted[Document]) -> None:
        """Fit the next logged document in."""
        if accepted.payload_type is PayloadType.CHARTER:
            _require(accepted.digest not in self._runs, Reason.REPLAYED, "the charter is logged")
            self._runs[accepted.digest] = RunHistory(accepted.of(Charter))
        elif accepted.payload_type in self._rules:
            self._rules[accepted.payload_type](accepted, self._open_run(accepted.document))

    def run(self, charter_digest: bytes) -> RunHistory:
        """Return the run of a charter; Refused(CHARTER_UNKNOWN) when the charter is not logged."""
        if charter_digest not in self._runs:
            raise Refused(
                Reason.CHARTER_UNKNOWN, f"charter {charter_digest.hex()[:16]} is not logged"
            )
        return self._runs[charter_digest]

    def _open_run(self, document: Any) -> RunHistory:
        run = self.run(document.charter_digest)
        if run.closed:
            raise Refused(Reason.CHARTER_CLOSED, "the run of this charter was closed before")
        return run

    def _roster(self, roster: Accepted[Roster], run: RunHistory) -> None:
        consents = verify_roster(roster, run.charter, self._trust)
        cities = tuple(consent.city for consent in consents)
        document = roster.document
        _require(
            document.first_round == len(run.records) + 1
            and document.previous_record_digest == (run.last.digest if run.last else b""),
            Reason.WRONG_ROUND,
            f"the attempt begins at round {document.first_round}, not after the last record",
        )
        attempts = [earlier.document.attempt for earlier, _ in run.rosters.values()]
        _require(
            document.attempt > max(attempts, default=0),
            Reason.WRONG_BINDING,
            f"attempt {document.attempt} is not newer than the one before",
        )
        nonces = [earlier.document.attempt_nonce for earlier, _ in run.rosters.values()]
        _require(
            document.attempt_nonce not in nonces,
            Reason.WRONG_BINDING,
            "the attempt's nonce, and with it its keys, are an earlier one's",
        )
        _check_not_dropped(run, cities)
        allowed = run.charter.document.max_repeats
        _require(
            len(run.rosters) <= allowed,
            Reason.REPEATS_EXHAUSTED,
            f"the charter allows {allowed} repeats",
        )
        run.rosters[roster.digest] = (roster, cities)

    def _record(self, record: Accepted[RoundRecord], run: RunHistory) -> None:
        roster, cities = run.roster(record.document.roster_digest)
        newest = next(reversed(run.rosters))
        _require(roster.digest == newest, Reason.WRONG_BINDING, "the attempt had ended before")
        _check_not_dropped(run, cities)
        verify_round_record(record, roster, cities, run.last)
        charter = run.charter.document
        expected = _kind_of_round(charter, record.document.round)
        _require(
            record.document.kind == expected,
            Reason.WRONG_ROUND,
            f"round {record.document.round} is {expected or 'beyond the charter'}, "
            f"not {record.document.kind}",
        )
        if charter.training is not None and run.last is None:
            _require(
                record.document.parameters_digest == charter.training.initial_parameters_digest,
                Reason.WRONG_BINDING,
                "the first round was not computed on the charter's initial parameters",
            )
        run.records.append(record)

    def _drop(self, drop: Accepted[DropRecord], run: RunHistory) -> None:
        document = drop.document
        if document.roster_digest:
            _, cities = run.roster(document.roster_digest)
            strangers = set(document.cities) - set(cities)
            _require(
                not strangers,
                Reason.ROSTER_FOREIGN,
                f"{', '.join(sorted(strangers))} dropped, but not of the roster",
            )
        run.dropped |= set(document.cities)

    def _model_release(self, release: Accepted[ModelRelease], run: RunHistory) -> None:
        record, roster = self._last_evidence(run)
        verify_model_release(release, run.charter, roster, record, self._trust)
        before = self._latest
        version, digest = (before.document.version, before.digest) if before else (0, b"")
        _require(
            release.document.version == version + 1 and release.document.previous_digest == digest,
            Reason.WRONG_PREVIOUS,
            f"release {release.document.version} does not follow release {version}",
        )
        self._latest, run.released = release, True

    def _statistics_release(self, release: Accepted[StatisticsRelease], run: RunHistory) -> None:
        record, roster = self._last_evidence(run)
        verify_statistics_release(release, run.charter, roster, record)
        run.released = True

    def _closure(self, closure: Accepted[Closure], run: RunHistory) -> None:
        document = closure.document
        shown = (
            run.last.digest if run.last else b"",
            len(run.records),
            max((roster.document.attempt for roster, _ in run.rosters.values()), default=0),
            run.released,
        )
        told = document.last_record_digest, document.rounds_completed, document.attempts
        _require(
            (*told, document.outcome == "released") == shown,
            Reason.WRONG_BINDING,
            "the closure does not tell what the log shows of the run",
        )
        run.closed = True

    def _last_evidence(self, run: RunHistory) -> tuple[Accepted[RoundRecord], Accepted[Roster]]:
        _require(not run.released, Reason.REPLAYED, "the run's result was released before")
        if run.last is None:
            raise Refused(Reason.WRONG_ROUND, "released before any round was recorded")
        return run.last, run.roster(run.last.document.roster_digest)[0]


def _kind_of_round(charter: Charter, number: int) -> str | None:
    """The kind a charter's round of this number has, None beyond its last."""
    if charter.kind == "statistics":
        return "statistics" if number == 1 else None
    if number <= charter.rounds:
        return "training"
    return "evaluation" if number == charter.rounds + 1 else None


def _check_not_dropped(run: RunHistory, cities: Iterable[str]) -> None:
    again = run.dropped & set(cities)
    _require(not again, Reason.DROPPED, f"{', '.join(sorted(again))} had been dropped before")


def _require(holds: bool, reason: Reason, sentence: str) -> None:
    if not holds:
        raise Refused(reason, sentence)
