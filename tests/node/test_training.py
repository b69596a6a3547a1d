"""What a city computes: whose records, how much of each, and nothing of who did not consent."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import delete, update
from support.cities import Integers, charter_of, statistics_charter_of
from support.federation import Federation
from support.town import CODES, TODAY, job_row, outcome_row, settle, worker_row, write

from federation.codes import occupations
from federation.crypto.keys import digest
from federation.documents.charter import Charter, StatisticsTerms
from federation.errors import Misconfigured, Reason, Refused
from federation.indicators.declaration import catalogue
from federation.model import parameters as model
from federation.model.examples import Examples
from federation.model.gradient import clipped_gradient_sum
from node.store import schema
from node.store.engine import Store
from node.training import SPLIT_KEY_BYTES, CityWork, to_integers

KEY = bytes(range(SPLIT_KEY_BYTES))
CHARTER = digest(b"charter")
START = model.initial_parameters()


def today() -> date:
    return TODAY


def seeded() -> np.random.Generator:
    return np.random.default_rng(3)


@dataclass
class Watching:
    """A gradient that tells which workers it was given, by their row, and gives ones."""

    given: list[list[int]] = field(default_factory=list)
    latest: Examples | None = None

    def __call__(
        self, parameters: Integers, examples: Examples, clipping_norm: float
    ) -> NDArray[np.float64]:
        self.latest = examples
        self.given.append(examples.columns.worker[examples.starts].tolist())
        return np.ones(model.LENGTH)


@pytest.fixture
def town(store: Store) -> list[str]:
    return settle(store)


@pytest.fixture
def charter(federation: Federation) -> Charter:
    return charter_of(federation)


def sampled(
    work: CityWork, watching: Watching, names: list[str], charter: Charter
) -> frozenset[str]:
    """The workers in one round's sample."""
    work.training(CHARTER, charter, START)
    return frozenset(names[row] for row in watching.given[-1])


def withdraw(store: Store, worker_id: str) -> None:
    with store.write() as connection:
        rows = update(schema.workers).where(schema.workers.c.worker_id == worker_id)
        connection.execute(rows.values(consent_training=False))


def erase(store: Store, worker_id: str) -> None:
    with store.write() as connection:
        connection.execute(delete(schema.workers).where(schema.workers.c.worker_id == worker_id))


def test_everybody_who_consents_is_sampled_or_held_out_and_never_both(
    store: Store, town: list[str], charter: Charter
) -> None:
    watching = Watching()
    work = CityWork(store, KEY, today, gradient=watching)
    everybody = sampled(work, watching, town, charter)
    held_out = {name for name in town if work.is_held_out(name)}
    assert held_out
    assert everybody == set(town) - held_out
    _, count = work.evaluation(CHARTER, charter, START, START)
    assert count == len(held_out) * charter.privacy.evaluation_scale


def test_the_split_is_the_same_in_every_run_and_another_under_another_key(store: Store) -> None:
    ids = [f"worker {number}" for number in range(5_000)]
    one, again, other = (
        [CityWork(store, key, today).is_held_out(i) for i in ids] for key in (KEY, KEY, KEY[::-1])
    )
    assert one == again
    assert one != other
    assert np.mean(one) == pytest.approx(0.10, abs=0.02)
    both = np.mean(np.array(one) & np.array(other))
    assert both == pytest.approx(0.01, abs=0.006)


def test_a_split_key_of_another_size_is_refused(store: Store) -> None:
    with pytest.raises(Misconfigured) as caught:
        CityWork(store, KEY[:-1], today)
    assert caught.value.reason is Reason.CONFIGURATION


@pytest.mark.parametrize("leave", [withdraw, erase], ids=["withdrawn", "erased"])
def test_who_withdraws_is_out_from_the_next_round_on(
    store: Store, town: list[str], charter: Charter, leave: Callable[[Store, str], None]
) -> None:
    """Records were read for the charter already; the consent is asked for at every round."""
    watching = Watching()
    work = CityWork(store, KEY, today, gradient=watching)
    before = sampled(work, watching, town, charter)
    training = next(name for name in town if not work.is_held_out(name))
    held_out = next(name for name in town if work.is_held_out(name))
    _, counted = work.evaluation(CHARTER, charter, START, START)
    leave(store, training)
    leave(store, held_out)
    assert sampled(work, watching, town, charter) == before - {training}
    _, count = work.evaluation(CHARTER, charter, START, START)
    assert counted - count == charter.privacy.evaluation_scale


def test_who_never_consented_is_never_read(store: Store, charter: Charter) -> None:
    names = settle(store)
    for name in names[::2]:
        withdraw(store, name)
    watching = Watching()
    work = CityWork(store, KEY, today, gradient=watching)
    willing = names[1::2]
    found = sampled(work, watching, willing, charter)
    assert found == {name for name in willing if not work.is_held_out(name)}


def test_each_round_draws_its_own_poisson_sample(
    store: Store, town: list[str], charter: Charter
) -> None:
    """Bounds of 5 standard deviations over 200 rounds; the generator is seeded, so it is one draw.

    A sample that is not Poisson (a fixed size) would have no spread.
    """
    seeds = iter(range(10_000))
    watching = Watching()
    work = CityWork(
        store,
        KEY,
        today,
        gradient=watching,
        generators=lambda: np.random.default_rng(next(seeds)),
    )
    privacy = replace(charter.privacy, sampling_rate=0.3)
    rounds = [sampled(work, watching, town, replace(charter, privacy=privacy)) for _ in range(200)]
    trained = [name for name in town if not work.is_held_out(name)]
    sizes = [len(sample) for sample in rounds]
    people, expected = len(trained), 0.3 * len(trained)
    assert abs(np.mean(sizes) - expected) < 5 * np.sqrt(people * 0.21 / 200)
    assert np.var(sizes) == pytest.approx(people * 0.21, rel=0.5)
    met = [sum(name in sample for sample in rounds) for name in trained]
    assert min(met) > 60 - 5 * np.sqrt(200 * 0.21)
    assert max(met) < 60 + 5 * np.sqrt(200 * 0.21)
    assert len(set(rounds)) == len(rounds)


def test_samples_are_not_seeded_from_outside(
    store: Store, town: list[str], charter: Charter
) -> None:
    privacy = replace(charter.privacy, sampling_rate=0.5)
    samples = set()
    for _ in range(3):
        watching = Watching()
        work = CityWork(store, KEY, today, gradient=watching)
        samples.add(sampled(work, watching, town, replace(charter, privacy=privacy)))
    assert len(samples) == 3


@pytest.mark.parametrize("clipping_norm", [0.05, 1.0])
def test_one_worker_moves_the_integers_by_no_more_than_was_accounted(
    store: Store, town: list[str], charter: Charter, clipping_norm: float
) -> None:
    """sC + √d, the sensitivity of the accounting; at the small norm the clipping is what holds."""
    privacy = replace(charter.privacy, clipping_norm=clipping_norm)
    charter = replace(charter, privacy=privacy)
    work = CityWork(store, KEY, today)
    moved = []
    before = work.training(CHARTER, charter, START)
    for name in [name for name in town if not work.is_held_out(name)][:12]:
        withdraw(store, name)
        after = work.training(CHARTER, charter, START)
        moved.append(float(np.linalg.norm(before - after)))
        before = after
    bound = privacy.scale * clipping_norm
    assert max(moved) <= bound + np.sqrt(model.LENGTH)
    assert min(moved) > 0
    if clipping_norm < 0.1:
        assert max(moved) > bound - np.sqrt(model.LENGTH)  # the clip is reached: the bound is tight


def test_one_held_out_worker_moves_the_evaluation_by_no_more_than_was_accounted(
    store: Store, town: list[str], charter: Charter
) -> None:
    work = CityWork(store, KEY, today)
    candidate = START + np.random.default_rng(1).integers(-(2**24), 2**24, model.LENGTH)
    scale = charter.privacy.evaluation_scale
    before = work.evaluation(CHARTER, charter, candidate, START)
    assert before[0] != 0
    for name in [name for name in town if work.is_held_out(name)]:
        withdraw(store, name)
        after = work.evaluation(CHARTER, charter, candidate, START)
        assert abs(before[0] - after[0]) <= scale + 1
        assert before[1] - after[1] == scale
        before = after
    assert before.tolist() == [0, 0]


def test_a_candidate_like_the_release_in_use_makes_no_difference(
    store: Store, town: list[str], charter: Charter
) -> None:
    work = CityWork(store, KEY, today)
    gained, workers = work.evaluation(CHARTER, charter, START, START)
    assert gained == 0
    assert workers > 0


def test_crafted_parameters_do_not_get_more_out_of_a_worker(
    store: Store, town: list[str], charter: Charter
) -> None:
    """Parameters at the charter's bound, as a hostile coordinator may choose the first ones."""
    work = CityWork(store, KEY, today)
    for crafted in (np.full(model.LENGTH, 2**40), np.full(model.LENGTH, -(2**40))):
        total = work.training(CHARTER, charter, crafted)
        people = sum(not work.is_held_out(name) for name in town)
        most = people * charter.privacy.scale * charter.privacy.clipping_norm
        assert np.linalg.norm(total) <= most + np.sqrt(model.LENGTH)
        work.evaluation(CHARTER, charter, crafted, START)


def test_a_gradient_that_is_not_finite_counts_as_zero(
    store: Store, town: list[str], charter: Charter
) -> None:
    def broken(_: Integers, __: Examples, ___: float) -> NDArray[np.float64]:
        return np.array([np.nan, np.inf, -np.inf, 1.0, 1e300, -1e300])

    work = CityWork(store, KEY, today, gradient=broken)
    total = work.training(CHARTER, charter, START)
    assert total[:4].tolist() == [0, 0, 0, charter.privacy.scale]
    assert total[4] == -total[5] == 2**62


def test_integers_are_rounded_and_not_cut() -> None:
    values = np.array([0.5, 1.5, -0.5, 0.49, 2.6])
    assert to_integers(values, 1).tolist() == [0, 2, 0, 0, 3]
    assert to_integers(np.array([0.25]), 4).tolist() == [1]
    assert to_integers(values, 1).dtype == np.int64


def test_a_city_without_records_answers_with_zeros(store: Store, federation: Federation) -> None:
    """Whether a city has anybody to learn from is nobody's business, so nothing may fail."""
    work = CityWork(store, KEY, today)
    charter = charter_of(federation)
    assert work.training(CHARTER, charter, START).tolist() == [0] * model.LENGTH
    assert work.evaluation(CHARTER, charter, START, START).tolist() == [0, 0]
    counts = work.statistics(supported_statistics(federation))
    assert not counts.any()


@pytest.mark.parametrize(
    ("people", "events"),
    [
        pytest.param([worker_row("w1")], [], id="nobody with an outcome"),
        pytest.param(
            [worker_row("w1")], [outcome_row("1", "w1", "j1", "applied")], id="nothing that ended"
        ),
        pytest.param(
            [worker_row("w1", consent_training=False)],
            [outcome_row("1", "w1", "j1", "completed")],
            id="nobody who consented",
        ),
        pytest.param(
            [worker_row("w1")], [outcome_row("1", "w1", "j1", "completed")], id="one worker"
        ),
    ],
)
def test_a_city_with_hardly_anybody_answers_all_the_same(
    store: Store, charter: Charter, people: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    write(store, jobs=[job_row("j1")], workers=people, outcomes=events)
    work = CityWork(store, KEY, today)
    assert len(work.training(CHARTER, charter, START)) == model.LENGTH
    assert len(work.evaluation(CHARTER, charter, START + 1, START)) == 2


def test_a_workers_outcomes_do_not_decide_which_jobs_are_drawn_for_others(
    store: Store, town: list[str], charter: Charter
) -> None:
    """The last worker alone met a job that is closed: others' examples are the same without it."""
    closed = job_row("j-closed", closes_on=date(2025, 12, 30))
    last = outcome_row("z", "z-last", "j-closed", "completed")
    write(store, jobs=[closed], workers=[worker_row("z-last")], outcomes=[last])

    def others_examples() -> list[Any]:
        watching = Watching()
        work = CityWork(store, KEY, today, gradient=watching, generators=seeded)
        work.training(CHARTER, charter, START)
        examples = watching.latest
        assert examples is not None
        stop = np.searchsorted(examples.columns.worker, len(town))
        return [examples.columns.features[:stop].tolist(), examples.label[:stop].tolist()]

    before = others_examples()
    erase(store, "z-last")
    assert others_examples() == before


def test_records_are_read_once_a_charter_and_again_when_forgotten(
    store: Store, town: list[str], charter: Charter
) -> None:
    watching = Watching()
    work = CityWork(store, KEY, today, gradient=watching)
    sampled(work, watching, town, charter)
    newcomer = "w-newcomer"
    while work.is_held_out(newcomer):
        newcomer += "."
    event = outcome_row("n", newcomer, "j000", "completed")
    write(store, workers=[worker_row(newcomer)], outcomes=[event])
    people = len(watching.given[-1])
    for forgotten, expected in ((b"", people), (digest(b"other"), people), (CHARTER, people + 1)):
        work.forget(forgotten)
        work.training(CHARTER, charter, START)
        assert len(watching.given[-1]) == expected
    work.training(digest(b"the next charter"), charter, START)
    assert len(watching.given[-1]) == people + 1


# ── what a charter may ask for ──────────────────────────────────────────────────────────────────


def supported_training(federation: Federation) -> Charter:
    plain = charter_of(federation)
    assert plain.training is not None
    terms = replace(plain.training, model=model.MODEL_ID, model_digest=model.model_digest())
    return replace(
        plain,
        training=terms,
        length=model.LENGTH,
        taxonomy_digest=occupations.load().digest(),
    )


def supported_statistics(federation: Federation) -> Charter:
    (indicator,) = catalogue().values()
    terms = StatisticsTerms(
        indicator=indicator.indicator,
        indicator_digest=indicator.digest,
        suppression_threshold=10,
    )
    return statistics_charter_of(
        federation,
        statistics=terms,
        length=indicator.length,
        taxonomy_digest=occupations.load().digest(),
    )


def other_taxonomy(charter: Charter) -> Charter:
    return replace(charter, taxonomy_digest=digest(b"another"))


def other_length(charter: Charter) -> Charter:
    return replace(charter, length=charter.length + 1)


def other_model(charter: Charter) -> Charter:
    assert charter.training is not None
    return replace(charter, training=replace(charter.training, model="match/2"))


def other_version(charter: Charter) -> Charter:
    assert charter.training is not None
    return replace(charter, training=replace(charter.training, model_digest=digest(b"other")))


def other_indicator(charter: Charter) -> Charter:
    assert charter.statistics is not None
    return replace(charter, statistics=replace(charter.statistics, indicator="wages"))


def other_declaration(charter: Charter) -> Charter:
    assert charter.statistics is not None
    changed = replace(charter.statistics, indicator_digest=digest(b"other"))
    return replace(charter, statistics=changed)


def smaller_norm(charter: Charter) -> Charter:
    return replace(charter, privacy=replace(charter.privacy, clipping_norm=0.5))


@pytest.mark.parametrize("made", [supported_training, supported_statistics])
def test_what_this_version_can_do_is_supported(
    store: Store, federation: Federation, made: Callable[[Federation], Charter]
) -> None:
    CityWork(store, KEY, today).supports(made(federation))


@pytest.mark.parametrize(
    ("made", "change"),
    [
        pytest.param(supported_training, other_taxonomy, id="another table of occupations"),
        pytest.param(supported_training, other_length, id="another length of model"),
        pytest.param(supported_training, other_model, id="another model"),
        pytest.param(supported_training, other_version, id="another version of the model"),
        pytest.param(supported_statistics, other_taxonomy, id="figures by other occupations"),
        pytest.param(supported_statistics, other_length, id="figures of another length"),
        pytest.param(supported_statistics, other_indicator, id="an unknown indicator"),
        pytest.param(supported_statistics, other_declaration, id="another declaration of it"),
        pytest.param(supported_statistics, smaller_norm, id="less noise than one worker needs"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_reserved(
    store: Store,
    federation: Federation,
    made: Callable[[Federation], Charter],
    change: Callable[[Charter], Charter],
) -> None:
    with pytest.raises(Refused) as caught:
        CityWork(store, KEY, today).supports(change(made(federation)))
    assert caught.value.reason is Reason.CHARTER_UNSUPPORTED


def test_statistics_are_the_scaled_counts_of_today(
    store: Store, town: list[str], federation: Federation
) -> None:
    charter = supported_statistics(federation)
    counts = CityWork(store, KEY, today).statistics(charter)
    (indicator,) = catalogue().values()
    cells = dict(zip(indicator.domain, counts[: len(indicator.domain)].tolist(), strict=True))
    seen = {code: cells[occupations.group(code)] for code in CODES}
    assert min(seen.values()) > 0
    assert sum(cells.values()) == len(town) * charter.privacy.scale
    with pytest.raises(Refused):
        CityWork(store, KEY, today).statistics(charter_of(federation))


def test_the_real_gradient_is_what_is_used_unless_told_otherwise(
    store: Store, town: list[str], charter: Charter
) -> None:
    given: list[Examples] = []

    def kept(p: Integers, examples: Examples, norm: float) -> NDArray[np.float64]:
        given.append(examples)
        return clipped_gradient_sum(p, examples, norm)

    watched = CityWork(store, KEY, today, gradient=kept, generators=seeded)
    plain = CityWork(store, KEY, today, generators=seeded)
    total = plain.training(CHARTER, charter, START)
    assert total.any()
    assert total.tolist() == watched.training(CHARTER, charter, START).tolist()
