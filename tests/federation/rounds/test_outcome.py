"""How results are told: figures that follow from the sum, error bars from the noise alone."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.cities import Integers, charter_of, statistics_charter_of
from support.federation import Federation

from federation.crypto.keys import digest
from federation.documents.charter import Charter, StatisticsTerms
from federation.documents.exchanged import Vote
from federation.errors import Reason, Refused
from federation.indicators.declaration import catalogue
from federation.indicators.table import Z_95
from federation.rounds.aggregate import to_bytes
from federation.rounds.outcome import Ended, model_release, not_worse, statistics_release
from federation.rounds.terms import noise_sd

PARAMETERS = np.arange(6, dtype=np.int64)


def ended(federation: Federation, charter: Charter, total: Integers) -> Ended:
    return Ended(
        charter=federation.publish(federation.by_administrators(charter)).of(Charter),
        cities=tuple(sorted(federation.cities)),
        record_digest=digest(b"record"),
        total=total,
        attempts=2,
        epsilon=1.5,
        at_ms=federation.clock(),
    )


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


@pytest.mark.parametrize(
    ("cities", "in_favour", "released"),
    [(3, 1, False), (3, 2, True), (4, 2, False), (4, 3, True), (5, 3, True), (6, 3, False)],
)
def test_more_than_half_of_all_cities_must_find_it_not_worse(
    cities: int, in_favour: int, released: bool
) -> None:
    votes = [
        Vote(
            charter_digest=bytes(32),
            attempt_nonce=bytes(32),
            roster_digest=bytes(32),
            candidate_digest=bytes(32),
            city=f"{310_000 + number}",
            not_worse=number < in_favour,
        )
        for number in range(cities)
    ]
    assert not_worse(votes, cities) is released
    # a city without a vote counts as one against
    assert not_worse([vote for vote in votes if vote.not_worse], cities) is released


def test_a_release_follows_the_one_before_and_carries_the_parameters(
    federation: Federation,
) -> None:
    charter = charter_of(federation)
    assert charter.training is not None
    end = ended(federation, charter, np.array([0, 1_024 * 50]))
    previous = (7, digest(b"release 7"))
    release = model_release(end, charter.training, PARAMETERS, (b"vote 1", b"vote 2"), previous)
    assert (release.version, release.previous_digest) == (8, digest(b"release 7"))
    assert release.parameters == to_bytes(PARAMETERS)
    assert release.charter_digest == end.charter.digest
    assert release.record_digest == digest(b"record")
    assert (release.model, release.model_digest) == ("match/v1", charter.training.model_digest)
    assert release.taxonomy_digest == charter.taxonomy_digest
    assert release.votes == (b"vote 1", b"vote 2")
    card = release.card
    assert (card.cities, card.rounds, card.attempts) == (end.cities, charter.rounds, 2)
    assert (card.epsilon, card.delta) == (1.5, charter.privacy.delta)
    first = model_release(end, charter.training, PARAMETERS, (b"1", b"2"), (0, b""))
    assert (first.version, first.previous_digest) == (1, b"")


@pytest.mark.parametrize(
    ("gained", "workers", "mean"),
    [
        pytest.param(25.0, 500.0, 0.05, id="better"),
        pytest.param(-25.0, 500.0, -0.05, id="worse"),
        pytest.param(0.5, 1.0, 0.5, id="one noised worker"),
        pytest.param(3.0, 0.5, 0.0, id="less than one"),
        pytest.param(3.0, -20.0, 0.0, id="fewer than none"),
    ],
)
def test_the_card_s_difference_is_a_mean_with_the_noise_of_both_sums(
    federation: Federation, gained: float, workers: float, mean: float
) -> None:
    charter = charter_of(federation)
    assert charter.training is not None
    scale = charter.privacy.evaluation_scale
    total = np.array([int(gained * scale), int(workers * scale)])
    end = ended(federation, charter, total)
    card = model_release(end, charter.training, PARAMETERS, (b"1", b"2"), (0, b"")).card
    assert card.ndcg_difference == mean
    assert card.held_out_workers == workers
    if workers < 1:
        assert card.ndcg_difference_half_width == 1.0
        return
    # four cities of full-strength noise; the error of a ratio to first order
    sd = noise_sd(charter, "evaluation", 4) * 2 / scale
    assert card.ndcg_difference_half_width == pytest.approx(
        Z_95 * sd / workers * math.sqrt(1 + mean**2)
    )


def test_the_card_s_error_bar_covers_what_it_promises(federation: Federation) -> None:
    """Seeded: noise as four cities add it to known sums; 95 %, within 4 deviations of a share."""
    charter = charter_of(federation)
    assert charter.training is not None
    scale, gained, workers, trials = charter.privacy.evaluation_scale, 120.0, 2_000.0, 400
    sd = noise_sd(charter, "evaluation", 4)
    draw, covered = np.random.default_rng(2), 0
    end = ended(federation, charter, np.zeros(2, dtype=np.int64))
    for _ in range(trials):
        noise = np.rint(draw.normal(0, sd, (4, 2)).sum(axis=0))
        total = (np.array([gained, workers]) * scale + noise).astype(np.int64)
        noised = replace(end, total=total)
        card = model_release(noised, charter.training, PARAMETERS, (b"1", b"2"), (0, b"")).card
        covered += abs(card.ndcg_difference - gained / workers) <= card.ndcg_difference_half_width
    assert abs(covered / trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials)


def figures(federation: Federation, **changes: object) -> tuple[Charter, StatisticsTerms]:
    (indicator,) = catalogue().values()
    named = StatisticsTerms(
        indicator=indicator.indicator,
        indicator_digest=indicator.digest,
        suppression_threshold=10,
    )
    terms = replace(named, **changes)  # type: ignore[arg-type]
    return statistics_charter_of(federation, statistics=terms, length=indicator.length), terms


def test_figures_are_released_with_the_width_of_all_cities_noise(federation: Federation) -> None:
    charter, terms = figures(federation)
    scale = charter.privacy.scale
    total = np.arange(charter.length, dtype=np.int64) * scale
    release = statistics_release(ended(federation, charter, total), terms)
    one_city = charter.privacy.noise_multiplier / math.sqrt(4 - charter.collusion_bound)
    assert release.noise_sd == pytest.approx(one_city * math.sqrt(4))
    shown = [cell.value for cell in release.cells if not cell.suppressed]
    assert shown == list(range(10, charter.length))
    assert {c.half_width for c in release.cells if not c.suppressed} == {Z_95 * release.noise_sd}
    assert release.cities == tuple(sorted(federation.cities))
    assert (release.epsilon, release.delta) == (1.5, charter.privacy.delta)


@pytest.mark.parametrize(
    "changes",
    [{"indicator": "wages"}, {"indicator_digest": digest(b"another declaration")}],
    ids=["unknown", "declared otherwise"],
)
def test_figures_of_an_indicator_this_version_lacks_are_not_told(
    federation: Federation, changes: dict[str, object]
) -> None:
    charter, terms = figures(federation, **changes)
    end = ended(federation, charter, np.zeros(charter.length, dtype=np.int64))
    with pytest.raises(Refused) as caught:
        statistics_release(end, terms)
    assert caught.value.reason is Reason.CHARTER_UNSUPPORTED
