from datetime import date

import numpy as np
import pytest

from federation.model.examples import Label, Outcome, build_examples, label_of

EVENTS = {
    "a completion is good": (("applied", "hired", "completed"), Label.GOOD),
    "a rejection is bad": (("applied", "rejected"), Label.BAD),
    "a quit is bad": (("hired", "quit"), Label.BAD),
    "arrears outweigh a completion": (("completed", "arrears"), Label.BAD),
    "an application alone says nothing yet": (("applied",), None),
    "no event says nothing": ((), None),
}


@pytest.mark.parametrize(("events", "label"), EVENTS.values(), ids=EVENTS.keys())
def test_label(events, label):
    assert label_of(events) is label


def test_pairs_of_a_worker_lie_together_by_sector(examples):
    worker, sector = examples.columns.worker, examples.columns.sector
    assert (np.diff(worker) >= 0).all()
    same = np.diff(worker) == 0
    assert (np.diff(sector)[same] >= 0).all()
    assert np.array_equal(examples.starts, np.unique(worker, return_index=True)[1])


def test_labels_are_those_of_the_outcomes(workers, jobs, outcomes, examples):
    events: dict[tuple[str, str], set[str]] = {}
    for outcome in outcomes:
        events.setdefault((outcome.worker, outcome.job), set()).add(outcome.event)
    labels = [label_of(found) for found in events.values()]
    for label in (Label.GOOD, Label.BAD):
        assert (examples.label == label).sum() == labels.count(label)


def test_a_drawn_job_is_never_one_the_worker_met(workers, jobs, outcomes):
    few_jobs = jobs.take(slice(0, 6))
    met = {(outcome.worker, outcome.job) for outcome in outcomes}
    built = build_examples(workers, few_jobs, outcomes, np.random.default_rng(0), negatives=20)
    drawn = built.label == Label.DRAWN
    assert drawn.any()
    expected = sum(
        len({f"j{n}" for n in range(6)} - {job for who, job in met if who == handle})
        for handle in {workers.handles[row] for row in np.unique(built.columns.worker)}
    )
    assert drawn.sum() <= expected


def test_the_same_generator_gives_the_same_examples(workers, jobs, outcomes):
    one, two = (build_examples(workers, jobs, outcomes, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.columns.features, two.columns.features)


def test_outcomes_of_unknown_handles_are_left_out(workers, jobs):
    stray = [Outcome("nobody", "j1", "completed", date(2026, 2, 1))]
    assert len(build_examples(workers, jobs, stray, np.random.default_rng(0))) == 0
