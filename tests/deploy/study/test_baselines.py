"""Baselines and the evaluation on a small market: what may be read, what must come out."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from deploy.study import baselines, evaluate
from deploy.study.cli import app
from federation.errors import Malformed
from federation.model.parameters import LENGTH, initial_parameters
from federation.rounds.aggregate import to_bytes

PER_CITY = 6


@pytest.fixture(scope="module")
def trained(cities, known):
    return baselines.train(cities, known.today)


@pytest.fixture(scope="module")
def report(known, cities, trained):
    return evaluate.evaluate(known, cities, trained, initial_parameters(), PER_CITY)


def test_held_out_workers_are_in_no_split(cities, known):
    held = {known.worker_ids[row] for row in known.held_out}
    for city in cities:
        split = baselines.split(city, known.today)
        assert len(split.train) > len(split.validation) > 0
        trainable = {outcome.worker for outcome in city.outcomes} & city.consenting
        assert not trainable & held
        assert len(split.train) + len(split.validation) <= len(trainable)


def test_the_same_market_gives_the_same_baselines(cities, known, trained):
    splits = [baselines.split(city, known.today) for city in cities]
    assert np.array_equal(baselines.tuned(splits[:1]), trained.alone[splits[0].division])


def test_tuning_never_leaves_the_start_for_a_worse_loss(cities, known, trained):
    splits = [baselines.split(city, known.today) for city in cities]
    assert not np.array_equal(trained.pooled, trained.untrained)
    zeros = np.zeros(LENGTH, dtype=np.int64)
    before, after = (
        baselines.validation_loss(baselines.State(point, zeros), splits)
        for point in (trained.untrained, trained.pooled)
    )
    assert after < before


def test_each_city_is_ranked_for_by_its_own_model_when_alone(known, cities, trained):
    own = dict(trained.alone)
    swapped = baselines.Baselines(
        trained.untrained,
        {**own, known.cities[0]: -trained.untrained},
        trained.pooled,
    )
    figures = [
        evaluate.evaluate(known, cities, some, None, PER_CITY).rankings["alone"].ndcg_by_city
        for some in (trained, swapped)
    ]
    changed = {code for code in known.cities if figures[0][code] != figures[1][code]}
    assert changed == {known.cities[0]}


def test_a_release_equal_to_the_start_ranks_as_the_start(report):
    assert report.rankings["federated"] == report.rankings["untrained"]


def test_every_ranking_has_every_figure(report, known):
    assert set(report.rankings) == {"keyword", "untrained", "alone", "pooled", "federated"}
    assert report.workers == PER_CITY * len(known.cities)
    for figures in report.rankings.values():
        assert set(figures.ndcg_by_city) == set(known.cities)
        for estimate in (figures.ndcg_at_10, figures.recall_at_20, figures.mismatch_rate):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_the_sample_is_of_held_out_workers_and_always_the_same(known):
    chosen = evaluate.sample(known, PER_CITY)
    assert np.array_equal(chosen, evaluate.sample(known, PER_CITY))
    assert set(chosen) <= set(known.held_out)
    cities = known.market.workers.city[chosen]
    assert np.bincount(cities).tolist() == [PER_CITY] * len(known.cities)


def test_parameters_of_another_model_are_refused(known, cities, trained):
    with pytest.raises(Malformed, match="the model has"):
        evaluate.evaluate(known, cities, trained, np.zeros(LENGTH - 1, dtype=np.int64), PER_CITY)


def test_the_command_prints_what_was_measured(market, tmp_path):
    release = tmp_path / "parameters"
    release.write_bytes(to_bytes(initial_parameters()))
    argv = ["evaluate", "--market", market, "--release", release, "--per-city", 2, "--json"]
    result = CliRunner().invoke(app, [str(word) for word in argv])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["workers"] == 8
    assert set(printed["rankings"]) == {"keyword", "untrained", "alone", "pooled", "federated"}


def test_the_command_says_which_folder_is_no_market(tmp_path):
    result = CliRunner().invoke(app, ["evaluate", "--market", str(tmp_path)])
    assert result.exit_code == 1
    assert "no market" in result.output


def test_the_command_writes_a_market_and_refuses_unknown_kinds(tmp_path):
    argv = ["market", "--out", str(tmp_path / "made"), "--workers", "60"]
    made = CliRunner().invoke(app, argv)
    assert made.exit_code == 0, made.output
    assert (tmp_path / "made" / "truth" / "market.json").is_file()
    refused = CliRunner().invoke(app, [*argv, "--kind", "third"])
    assert refused.exit_code == 1
    assert "demo or second" in refused.output
