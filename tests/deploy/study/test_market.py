"""The synthetic market: same seed same bytes, importable, calibrated, the held out unseen."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from deploy.study import dataset, today, truth
from deploy.study.market import facts
from deploy.study.market.cities import DEVELOPMENT, REPORTING
from deploy.study.market.generate import generate
from deploy.study.market.written import TODAY, write
from node.ingest.importing import Importer
from node.privacy.pseudonyms import Pseudonyms
from node.store.engine import open_store
from node.store.migrations import migrate

FILES = ("jobs.csv", "workers.csv", "outcomes.csv")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*sorted(folder.rglob("*.csv")), folder / "truth" / "market.json"]
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Two more markets: the same seed again, and another one."""
    folder = tmp_path_factory.mktemp("others")
    write(generate(7, 150, 4), folder / "same")
    write(generate(8, 150, 4), folder / "another")
    return folder


def test_the_same_seed_gives_the_same_bytes(market, other):
    assert digests(market) == digests(other / "same")
    first, again = (path / "truth" / "truth.npz" for path in (market, other / "same"))
    with np.load(first) as one, np.load(again) as two:
        assert one.files == two.files
        assert all(np.array_equal(one[name], two[name]) for name in one.files)


def test_another_seed_gives_another_market(market, other):
    mine, theirs = digests(market), digests(other / "another")
    assert all(mine[name] != theirs[name] for name in mine)


@pytest.mark.parametrize("city", [city.code for city in DEVELOPMENT])
def test_a_node_imports_every_city_without_a_reject(market, tmp_path, city):
    store = open_store(tmp_path / "node.db")
    try:
        migrate(store.engine)
        importer = Importer(store, Pseudonyms(b"k" * 32), TODAY)
        reports = {report.kind: report for report in importer.import_folder(market / city)}
    finally:
        store.close()
    for kind in ("jobs", "workers", "outcomes"):
        report = reports[kind]
        assert report.rejected == ()
        assert report.inserted == report.read == len(rows(market / city / f"{kind}.csv"))
    assert reports["workers"].read >= 150


def test_every_city_and_only_cities_have_the_three_files(market):
    folders = {path.name for path in market.iterdir() if path.is_dir()}
    assert folders == {city.code for city in DEVELOPMENT} | {"truth"}
    for city in DEVELOPMENT:
        assert {path.name for path in (market / city.code).iterdir()} == set(FILES)


def test_the_market_says_that_it_is_synthetic(market):
    assert "SYNTHETIC" in (market / "README.txt").read_text(encoding="utf-8")
    people = rows(market / DEVELOPMENT[0].code / "workers.csv")
    assert all(row["id_number"].startswith("99") for row in people)
    assert all(row["phone"].startswith("154") for row in people)


def test_nothing_hidden_stands_in_a_citys_files(market):
    hidden = {"taste", "reservation", "parent", "unreliable", "fit", "usual_pay"}
    for city in DEVELOPMENT:
        for name in FILES:
            assert not hidden & set(rows(market / city.code / name)[0])


def test_held_out_workers_have_no_outcome_in_any_file(market, known):
    held = {known.worker_ids[row] for row in known.held_out}
    seen = {
        row["worker_id"]
        for city in DEVELOPMENT
        for row in rows(market / city.code / "outcomes.csv")
    }
    assert len(held) >= 4 * 75
    assert seen
    assert not held & seen


def test_a_truth_read_back_is_the_truth_that_was_drawn(drawn, known):
    workers, jobs = known.held_out[:5], known.open_jobs()[:40]
    block = next(known.blocks(workers, jobs))
    again = truth.fit(drawn.market, workers[:, None], jobs[None, :], block.covered)
    assert np.array_equal(block.relevance, again)
    assert block.relevance.min() >= 0
    assert block.relevance.max() <= 1


def test_files_and_truth_number_workers_and_postings_alike(market, known):
    loaded = {city.division: city for city in dataset.load_market(market)}
    ordered = [loaded[code] for code in known.cities]
    assert [job.handle for city in ordered for job in city.jobs] == list(known.job_ids)
    assert [worker.handle for city in ordered for worker in city.workers] == list(known.worker_ids)


def test_the_second_market_is_of_other_cities_and_another_fit(tmp_path):
    second = generate(7, 60, 4, "second")
    assert {city.code for city in second.cities} == {city.code for city in REPORTING}
    write(second, tmp_path)
    about = json.loads((tmp_path / "truth" / "market.json").read_text(encoding="utf-8"))
    assert about["kind"] == "second"
    assert about["rule"] != generate(7, 60, 4).market.rule.__dict__


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """The market of the demonstration, at its full size."""
    folder = tmp_path_factory.mktemp("calibrated")
    write(generate(1, 5_000, 4), folder)
    return truth.load(folder)


def test_keyword_matching_mismatches_as_the_source_study_found(calibrated):
    found = today.mismatch_of_keywords(calibrated, calibrated.held_out)
    assert found.value == pytest.approx(facts.MISMATCH, abs=0.02)


def test_silos_cost_about_what_the_source_study_found(calibrated):
    found = today.silo_success(calibrated, calibrated.held_out)
    assert found.low <= 1 - facts.CROSS_REGION_LOSS <= found.high


def test_movers_are_as_many_as_the_source_study_found(calibrated):
    moving = (calibrated.market.workers.move > 0).mean()
    assert moving == pytest.approx(facts.MOVERS, abs=0.02)


def test_there_are_enough_workers_in_every_city(calibrated):
    assert np.bincount(calibrated.market.workers.city).min() >= 5_000
