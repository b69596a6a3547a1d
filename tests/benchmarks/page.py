"""docs/benchmarks.md: what was measured, how to measure it again, and what came of it.

Lives here: words and tables. Must not know: how figures are taken; every number is from a file of
results.
"""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from benchmarks.memory import Memory
from benchmarks.results import Results
from benchmarks.rounds import echo, flower, nvflare, ours
from benchmarks.rounds.result import Rounds
from benchmarks.targets import Verdict, verdicts

MB = 1024 * 1024
SAID = {
    ours.SYSTEM: "ours",
    echo.SYSTEM: "bare gRPC echo",
    nvflare.TUNED.name: "NVFLARE tuned",
    nvflare.MENDED.name: "NVFLARE tuned and mended",
    flower.SYSTEM: "Flower as shipped",
}

HEAD = """\
# Benchmarks

Written by `make bench`; edit `tests/benchmarks/page.py`, not this file. Every figure is from one
run in which the systems took turns on one machine. Compare ratios, not seconds: other machines
are faster or slower for all of them alike.

    make bench                    # everything: most of an hour
    make bench ARGS="--only ours --only echo --repeats 1"
    PYTHONPATH=tests:. .venv/bin/python -m benchmarks.rounds.ours --sites 5 --rounds 20

## What is measured

**Rounds.** One vector of 130,000 values to every site and back, plain averaging, sites that only
echo, TLS, all processes on this machine. A round begins where the one before it ended, so nothing
between rounds is left out.

- *ours*: the product's coordinator and nodes as `labor-federation` and `labor-node` assemble
  them: mutual TLS, every message signed, contributions masked, answers committed before they are
  sent, every round recorded and published in the log. Two parts of a node are the benchmark's:
  its work is the echo, and it adds no noise, as the others add none. They are exchanged where the
  node is assembled (`tests/benchmarks/rounds/city.py`); no charter, setting or environment reaches
  that place (`tests/benchmarks/test_assembly.py`).
- *bare gRPC echo*: 520 kB each way over long-lived `grpc.aio` streams with the same TLS settings,
  nothing signed, stored or computed: the floor for any system on gRPC.
- *NVFLARE tuned*: NVIDIA FLARE 2.9, provisioned with mutual TLS by its own tool,
  `ScatterAndGather` with a native executor in the site's job process, each poll that has a setting
  at 50 ms, gRPC as its driver, no model written between rounds. *Mended*: its communicator waits
  0.2 s twice a round whatever is set, as 2.9 reads another attribute than the setting is written
  to; here the job's own subclass hands the setting on. The figures to reach are over *tuned*.
- *Flower as shipped*: Flower 1.41's SuperLink and SuperNodes over TLS, `FedAvg`, processes for
  apps as it starts them.

**Submit to first round.** From handing in the signed charter, or the job, until the first round
begins. All processes are up and connected before.

**Memory.** PSS (proportional set size, `/proc/PID/smaps_rollup`) sums over the processes of a part
and counts shared pages once; RSS beside it. *Idle*: connected, nothing submitted. *Run*: in its
second half, models in memory. A part of NVFLARE is its parent and its job process, of Flower what
it started.

**Rates.** Ours and a bare way of doing the same take turns on the same data; a ratio is the median
of the pairs' ratios.
"""


def page(results: Results) -> str:
    """Return the page's text."""
    parts = [HEAD, _machine(results), _judged(verdicts(results))]
    if results.rounds:
        parts += [_rounds(results), _memory(results)]
    if results.rates:
        parts.append(_rates(results))
    if results.load:
        parts.append(_load(results.load))
    return "\n".join(parts)


def _table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _machine(results: Results) -> str:
    both = {**results.machine, **results.versions}
    ran = "\n".join(f"    {command}" for command in results.commands)
    return f"## This run\n\n{ran}\n\n" + _table(("", ""), *both.items())


def _judged(found: list[Verdict]) -> str:
    rows = (
        (
            verdict.name,
            f"{verdict.ratio:.3g}",
            f"{'≥' if verdict.at_least else '≤'} {verdict.bound:.3g}",
            "met" if verdict.met else "**not met**",
        )
        for verdict in found
    )
    return "## Figures to reach\n\nRounds and memory with five cities.\n\n" + _table(
        ("", "measured", "to reach", ""), *rows
    )


def _by_system(results: Results) -> Iterator[tuple[str, int, list[Rounds]]]:
    sites = sorted({one.sites for repetition in results.rounds for one in repetition})
    for count in sites:
        for system, said in SAID.items():
            found = [
                one
                for repetition in results.rounds
                for one in repetition
                if (one.system, one.sites) == (system, count)
            ]
            if found:
                yield said, count, found


def _rounds(results: Results) -> str:
    rows = [
        (
            str(sites),
            system,
            _ms(median(one.spread.median for one in found)),
            _range([one.spread.median for one in found]),
            _ms(median(one.spread.p90 for one in found)),
            f"{median(one.spread.ratio for one in found):.2f}",
            _seconds(median(one.first_round_s for one in found)),
            f"{len(found)} × {len(found[0].seconds)}",
        )
        for system, sites, found in _by_system(results)
    ]
    head = ("sites", "", "median ms", "of runs", "p90 ms", "p90/median", "first round s", "rounds")
    return "## Rounds\n\n" + _table(head, *rows)


def _memory(results: Results) -> str:
    rows = [
        (str(sites), system, moment, *(_mb(held) for held in _parts(found, moment)))
        for system, sites, found in _by_system(results)
        for moment in ("idle", "run")
        if moment in found[0].memory
    ]
    head = ("sites", "", "", "coordinator or server", "a site")
    return "## Memory\n\nPSS / RSS in MB, medians.\n\n" + _table(head, *rows)


def _parts(found: list[Rounds], moment: str) -> tuple[list[Memory], list[Memory]]:
    hubs = (ours.COORDINATOR, nvflare.SERVER_TREE)
    held = [(name, one) for run in found for name, one in run.memory[moment].items()]
    return (
        [one for name, one in held if name in hubs],
        [one for name, one in held if name not in hubs],
    )


def _rates(results: Results) -> str:
    rows = (
        (rate.name, f"{rate.ours_per_s:,.0f}", f"{rate.bare_per_s:,.0f}", f"{rate.ratio:.2f}")
        for rate in results.rates
    )
    return "## Rates\n\n" + _table(("", "ours / s", "beside / s", "ratio"), *rows)


def _load(load: Mapping[str, Mapping[str, Any]]) -> str:
    tables = (
        f"### {group}\n\n" + _table(("", ""), *((n, _plain(v)) for n, v in figures.items()))
        for group, figures in load.items()
    )
    return "## Load\n\n" + "\n".join(tables)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g}" if seconds < 1 else f"{seconds * 1000:,.0f}"


def _range(seconds: list[float]) -> str:
    return f"{_ms(min(seconds))}–{_ms(max(seconds))}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds else ""


def _mb(held: list[Memory]) -> str:
    pss, rss = median(one.pss for one in held), median(one.rss for one in held)
    return f"{pss / MB:.0f} / {rss / MB:.0f}"
