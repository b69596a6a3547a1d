"""The figures to reach, each a ratio to a yardstick measured in the same repetition.

Lives here: which ratio, which bound, and whether it was met. Must not know: how anything is
measured; a figure that was not taken is not judged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.memory import Memory
from benchmarks.rates.pairs import Rate
from benchmarks.results import Results
from benchmarks.rounds import echo, flower, nvflare, ours
from benchmarks.rounds.result import Rounds

SITES = 5  # the federation that figures are asked for
LEAST_ACCEPTANCE, LEAST_APPENDS, LEAST_PROOFS = 0.40, 0.50, 1 / 20

Found = dict[str, Rounds]


@dataclass(frozen=True)
class Verdict:
    """A ratio beside its bound; ``at_least``: whether more is better."""

    name: str
    ratio: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the ratio keeps the bound."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


@dataclass(frozen=True)
class _Target:
    name: str
    systems: frozenset[str]
    ratio: Callable[[Found], float]
    bound: float
    at_least: bool


def _site(found: Rounds, moment: str) -> float:
    """PSS of a site, the median one."""
    hubs = (ours.COORDINATOR, nvflare.SERVER_TREE)
    return median(held.pss for name, held in found.memory[moment].items() if name not in hubs)


def _hub(found: Rounds, name: str) -> float:
    held: Memory = found.memory["run"][name]
    return held.pss


def _targets() -> Iterator[_Target]:
    mine, peer, stock, bare = ours.SYSTEM, nvflare.SYSTEM, flower.SYSTEM, echo.SYSTEM

    def target(
        name: str, others: set[str], ratio: Callable[[Found], float], bound: float, at_least: bool
    ) -> _Target:
        return _Target(name, frozenset({mine, *others}), ratio, bound, at_least)

    def faster(other: str) -> Callable[[Found], float]:
        return lambda f: f[other].spread.median / f[mine].spread.median

    yield target("a round, times faster than NVFLARE tuned", {peer}, faster(peer), 15, True)
    yield target("a round, times faster than Flower as shipped", {stock}, faster(stock), 100, True)
    yield target("a round over bare gRPC", {bare}, lambda f: 1 / faster(bare)(f), 4, False)
    yield target(
        "a round's 90th percentile over its median",
        set(),
        lambda f: f[mine].spread.ratio,
        1.5,
        False,
    )
    yield target(
        "submit to first round, over NVFLARE tuned",
        {peer},
        lambda f: f[mine].first_round_s / f[peer].first_round_s,
        0.25,
        False,
    )
    yield target(
        "memory of an idle node, over NVFLARE's site with a job",
        {peer},
        lambda f: _site(f[mine], "idle") / _site(f[peer], "run"),
        0.7,
        False,
    )
    yield target(
        "memory of the coordinator in a run, over NVFLARE's server with a job",
        {peer},
        lambda f: _hub(f[mine], ours.COORDINATOR) / _hub(f[peer], nvflare.SERVER_TREE),
        0.7,
        False,
    )


def verdicts(results: Results) -> list[Verdict]:
    """Judge what was measured: the median over repetitions of each one's ratio."""
    repetitions: list[Found] = [
        {one.system: one for one in repetition if one.sites == SITES}
        for repetition in results.rounds
    ]
    judged = [
        Verdict(t.name, median(ratios), t.bound, t.at_least)
        for t in _targets()
        if (ratios := [t.ratio(found) for found in repetitions if t.systems <= found.keys()])
    ]
    return judged + [
        Verdict(rate.name, rate.ratio, bound, True)
        for rate in results.rates
        if (bound := _bound(rate)) is not None
    ]


def _bound(rate: Rate) -> float | None:
    if "accepted" in rate.name:
        return LEAST_ACCEPTANCE
    if "appended" in rate.name:
        return LEAST_APPENDS
    return LEAST_PROOFS if "proofs" in rate.name else None
