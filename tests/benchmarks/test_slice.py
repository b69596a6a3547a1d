"""A small slice of the benchmarks, end to end; `make bench` runs them whole.

No figure is judged here: a shared machine's times say nothing.
"""

import json

import pytest

from benchmarks.page import page
from benchmarks.rates import acceptance, appends, proofs
from benchmarks.results import Results
from benchmarks.rounds import echo, ours
from benchmarks.rounds.result import Rounds
from benchmarks.targets import verdicts

SITES, ROUNDS, LENGTH = 3, 3, 1_000


@pytest.fixture(scope="module")
def found() -> Rounds:
    return ours.measure(SITES, ROUNDS)


def test_real_processes_run_every_round_and_release(found):
    assert (found.system, found.sites) == (ours.SYSTEM, SITES)
    assert len(found.seconds) == ROUNDS
    assert min(found.seconds) > 0
    assert found.first_round_s > 0


def test_memory_is_known_of_every_process_idle_and_in_the_run(found):
    assert found.memory.keys() == {"idle", "run"}
    for held in found.memory.values():
        assert len(held) == SITES + 1
        assert ours.COORDINATOR in held
        assert all(0 < one.pss <= one.rss for one in held.values())


def test_rates_compare_both_ways(tmp_path):
    rates = [
        acceptance.measure(chunks=2),
        appends.measure(50, 3),
        *proofs.measure(tmp_path, 3_000, 2),
    ]
    assert [rate.pairs for rate in rates] == [2, 3, 2, 2]
    assert all(min(rate.ours_per_s, rate.bare_per_s, rate.ratio) > 0 for rate in rates)
    results = Results({}, {}, rates=rates)
    assert [verdict.bound for verdict in verdicts(results)] == [0.40, 0.50, 0.05, 0.05]


def test_results_are_read_back_as_they_were_written_and_shown(found, tmp_path):
    results = Results({"processor": "2 × any"}, {"flwr": "1"}, ["make bench"], [[found]])
    results.load = {"streams": {"errors": 0, "slope": 1.5}}
    file = tmp_path / "bench.json"
    results.write(file)
    read = Results.read(file)
    assert read == results
    assert json.loads(file.read_text("utf-8"))["rounds"][0][0]["p90_s"] == found.spread.p90
    text = page(read)
    assert f"| {SITES} | ours |" in text
    assert "### streams" in text


def test_bare_grpc_echoes_over_the_same_tls():
    bare = echo.measure(SITES, ROUNDS, LENGTH)
    assert len(bare.seconds) == ROUNDS


def _of(system: str, sites: int, median: float, held: dict[str, dict[str, int]]) -> Rounds:
    memory = {
        moment: {name: ours.Memory(pss, pss) for name, pss in one.items()}
        for moment, one in held.items()
    }
    return Rounds(
        system=system,
        sites=sites,
        seconds=[median, median, 2 * median],
        first_round_s=median * 10,
        memory=memory,
    )


def test_a_figure_that_is_not_reached_is_said_to_be_missed():
    mine = {"idle": {"coordinator": 1, "a": 6}, "run": {"coordinator": 9, "a": 9}}
    peer = {"idle": {"server": 1, "a": 1}, "run": {"server": 10, "a": 10}}
    run = [
        _of("ours", 5, 0.05, mine),
        _of("nvflare", 5, 0.5, peer),
        _of("echo", 5, 0.02, {}),
        _of("nvflare", 3, 99.0, peer),
    ]
    judged = {v.name: (round(v.ratio, 6), v.met) for v in verdicts(Results({}, {}, rounds=[run]))}
    assert judged == {
        "a round, times faster than NVFLARE tuned": (10.0, False),
        "a round over bare gRPC": (2.5, True),
        "a round's 90th percentile over its median": (1.8, False),
        "submit to first round, over NVFLARE tuned": (0.1, True),
        "memory of an idle node, over NVFLARE's site with a job": (0.6, True),
        "memory of the coordinator in a run, over NVFLARE's server with a job": (0.9, False),
    }
