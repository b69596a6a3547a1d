"""What a city computes for a run: gradient sums, evaluations and tallies, exact and as integers.

Lives here: the way from records to integers before clamp and noise. Must not know: masks, keys,
requests, or whether anything may leave; nothing returned here is fit to be seen by anybody else.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from federation.codes import occupations
from federation.documents.charter import Charter, StatisticsTerms, TrainingTerms
from federation.errors import Misconfigured, Reason, Refused
from federation.indicators.declaration import Indicator, catalogue
from federation.model import parameters as model
from federation.model.encoding import WorkerTable, encode_jobs, encode_workers
from federation.model.examples import Examples, Outcome, build_examples, choose
from node.indicators.engine import tally
from node.matching.profiles import posting_of, profile_of
from node.store import examples as stored
from node.store import records
from node.store.engine import Store

Integers = NDArray[np.int64]
Gradient = Callable[[Integers, Examples, float], NDArray[np.float64]]
Generators = Callable[[], np.random.Generator]

SPLIT_KEY_BYTES = 32
HELD_OUT = 0.10  # share of workers kept for evaluation, never trained on
# Beyond every clamp and far from where a float's conversion to int64 is undefined.
_MOST = float(2**62)


class Work(Protocol):
    """A city's computations for one charter; integers in units of 1/scale, without noise."""

    def supports(self, charter: Charter) -> None:
        """Raise Refused(CHARTER_UNSUPPORTED) when this version cannot do what is asked."""

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        """Clipped gradient sum of one Poisson sample, int64 [charter.length]."""

    def evaluation(
        self, charter_digest: bytes, charter: Charter, candidate: Integers, current: Integers
    ) -> Integers:
        """Σ clipped paired NDCG differences and the number of held-out workers, int64 [2]."""

    def statistics(self, charter: Charter) -> Integers:
        """Exact figures of the charter's indicator, int64 [charter.length]."""

    def forget(self, charter_digest: bytes) -> None:
        """Drop what was read of records for this charter."""


@dataclass(frozen=True)
class _Workers:
    """Examples of some workers and their identifiers, one to a worker."""

    ids: NDArray[np.object_]
    examples: Examples


@dataclass(frozen=True)
class _Read:
    charter_digest: bytes
    train: _Workers
    held_out: _Workers


def summed(parameters: Integers, examples: Examples, clipping_norm: float) -> NDArray[np.float64]:
    """:func:`~federation.model.gradient.clipped_gradient_sum`, loaded at its first use."""
    # SciPy takes a third of a second and 15 MB that a city waiting for a charter is spared
    from federation.model.gradient import clipped_gradient_sum  # noqa: PLC0415

    return clipped_gradient_sum(parameters, examples, clipping_norm)


class CityWork:
    """:class:`Work` over the node's store and the match model.

    ``split_key``: the city's secret behind the held-out split, 32 bytes, else
    Misconfigured(CONFIGURATION). ``generators`` gives a freshly seeded generator at every call.
    Records are read once per charter; withdrawn consents count from the next round on.
    """

    def __init__(
        self,
        store: Store,
        split_key: bytes,
        today: Callable[[], date],
        *,
        gradient: Gradient = summed,
        generators: Generators = np.random.default_rng,
    ) -> None:
        if len(split_key) != SPLIT_KEY_BYTES:
            raise Misconfigured(
                Reason.CONFIGURATION, f"the split key must be {SPLIT_KEY_BYTES} bytes"
            )
        self._store = store
        self._split_key = split_key
        self._today = today
        self._gradient = gradient
        self._generators = generators
        self._read: _Read | None = None

    def supports(self, charter: Charter) -> None:
        """Raise Refused(CHARTER_UNSUPPORTED) for another model, indicator, length or code table."""
        _require(charter.taxonomy_digest == occupations.load().digest(), "occupation table")
        if charter.training is not None:
            _require_model(charter.training, charter.length)
        if charter.statistics is not None:
            indicator = _indicator(charter.statistics)
            _require(indicator.digest == charter.statistics.indicator_digest, "indicator digest")
            _require(indicator.length == charter.length, "length")
            _require(indicator.sensitivity <= charter.privacy.clipping_norm, "clipping norm")

    def training(self, charter_digest: bytes, charter: Charter, parameters: Integers) -> Integers:
        """Sum over a fresh Poisson sample of consenting workers that are not held out."""
        train = self._data(charter_digest).train
        drawn = self._generators().random(len(train.ids)) < charter.privacy.sampling_rate
        sample = choose(train.examples, self._consenting(train.ids, drawn))
        total = self._gradient(parameters, sample, charter.privacy.clipping_norm)
        return to_integers(total, charter.privacy.scale)

    def evaluation(
        self, charter_digest: bytes, charter: Charter, candidate: Integers, current: Integers
    ) -> Integers:
        """Σ over held-out workers of NDCG(candidate) − NDCG(current) within ±1, and their count."""
        from federation.model.evaluation import ndcg_per_worker  # noqa: PLC0415 as in `summed`

        held_out = self._data(charter_digest).held_out
        kept = self._consenting(held_out.ids, np.ones(len(held_out.ids), dtype=np.bool_))
        examples = choose(held_out.examples, kept)
        difference = ndcg_per_worker(candidate, examples) - ndcg_per_worker(current, examples)
        sums = np.array([np.clip(difference, -1.0, 1.0).sum(), len(difference)])
        return to_integers(sums, charter.privacy.evaluation_scale)

    def statistics(self, charter: Charter) -> Integers:
        """The indicator's counts of today."""
        if charter.statistics is None:
            raise Refused(Reason.CHARTER_UNSUPPORTED, "this charter asks for no statistics")
        indicator = _indicator(charter.statistics)
        with self._store.read() as connection:
            exact = tally(connection, indicator, self._today())
        return to_integers(exact.astype(np.float64), charter.privacy.scale)

    def forget(self, charter_digest: bytes) -> None:
        """Drop the examples read for this charter."""
        if self._read is not None and self._read.charter_digest == charter_digest:
            self._read = None

    def is_held_out(self, worker_id: str) -> bool:
        """Whether a worker is kept for evaluation: the same answer in every run of this city."""
        tag = hmac.digest(self._split_key, worker_id.encode(), "sha256")
        return int.from_bytes(tag[:8], "big") < int(HELD_OUT * 2**64)

    def _data(self, charter_digest: bytes) -> _Read:
        read = self._read
        if read is None or read.charter_digest != charter_digest:
            with self._store.read() as connection:
                workers, examples = _load(connection, self._today(), self._generators())
            ids = np.array(workers.handles, dtype=object)[examples.columns.worker[examples.starts]]
            held = np.array([self.is_held_out(worker) for worker in ids], dtype=np.bool_)
            read = self._read = _Read(
                charter_digest,
                train=_Workers(ids[~held], choose(examples, ~held)),
                held_out=_Workers(ids[held], choose(examples, held)),
            )
        return read

    def _consenting(self, ids: NDArray[np.object_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``wanted`` without those who withdrew or were erased since the records were read."""
        asked = np.flatnonzero(wanted)
        with self._store.read() as connection:
            consenting = stored.still_consenting(connection, ids[asked].tolist())
        kept = np.zeros(len(ids), dtype=np.bool_)
        kept[[row for row in asked.tolist() if ids[row] in consenting]] = True
        return kept


def to_integers(values: NDArray[np.float64], scale: int) -> Integers:
    """Return ``values`` · ``scale`` rounded to int64; what is not finite becomes zero."""
    scaled = np.rint(np.where(np.isfinite(values), values, 0.0) * scale)
    integers: Integers = np.clip(scaled, -_MOST, _MOST).astype(np.int64)
    return integers


def _load(
    connection: Connection, today: date, generator: np.random.Generator
) -> tuple[WorkerTable, Examples]:
    outcomes = stored.consented_outcomes(connection)
    with_outcome = {outcome.worker_id for outcome in outcomes}
    people = [w for w in records.eligible_workers(connection) if w.worker_id in with_outcome]
    workers = encode_workers([profile_of(worker) for worker in people])
    # every posting of the city, met by anybody or not: jobs are drawn from this table beside each
    # worker's own, and one worker's outcomes must not decide what is drawn for another
    jobs = encode_jobs([posting_of(job) for job in records.every_job(connection)], today)
    events = [Outcome(o.worker_id, o.job_id, o.event, o.occurred_on) for o in outcomes]
    return workers, build_examples(workers, jobs, events, generator)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(Reason.CHARTER_UNSUPPORTED, f"this city's {what} is not the charter's")


def _require_model(terms: TrainingTerms, length: int) -> None:
    _require(terms.model == model.MODEL_ID, "model")
    _require(terms.model_digest == model.model_digest(), "model digest")
    _require(length == model.LENGTH, "length")


def _indicator(terms: StatisticsTerms) -> Indicator:
    indicator = catalogue().get(terms.indicator)
    if indicator is None:
        raise Refused(Reason.CHARTER_UNSUPPORTED, "this city's catalogue lacks the indicator")
    return indicator
