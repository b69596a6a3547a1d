"""The demonstration's story: what happens in which order, and what goes on side by side.

Must not know: single commands of the federation or of a node, or how a figure is found.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deploy.study.demo import figures, founding, running
from deploy.study.demo.failure import StepFailed
from deploy.study.demo.founding import FEDERATION, NODE, Ground
from deploy.study.demo.places import Places
from deploy.study.demo.processes import Shell, near, typed
from deploy.study.demo.residue import Residue, residue
from deploy.study.demo.summary import MISMATCHES, RANKINGS, Interval, Summary
from deploy.study.demo.telling import Teller
from deploy.study.market.cities import DEVELOPMENT, City
from deploy.study.market.generate import generate
from deploy.study.market.written import worker_id, write
from deploy.study.measures import Estimate
from federation.documents.releases import ModelRelease
from node.cli.common import today

CITIES: Sequence[City] = DEVELOPMENT
STATISTICS_EPSILON, TRAINING_EPSILON = 0.5, 7.5
#: Workers with recorded outcomes who consent to training: what offices know of their own registers.
TRAINING_SHARE = 0.75
#: Cities that prepare at the same time.
SIDE_BY_SIDE = 2
SHOWN_JOBS, SHOWN_HEAD, SHOWN_FIGURES = 3, 6, 8
#: Workers whose jobs are shown, and offered to be shown.
SHOWN, NEXT = worker_id(CITIES[0].code, 7), worker_id(CITIES[1].code, 11)


@dataclass(frozen=True)
class Story:
    """One demonstration: ``workers`` of each city at least, the market drawn from ``seed``."""

    ground: Ground
    teller: Teller
    workers: int
    seed: int

    def tell(self) -> Summary:
        """Make everything happen and return what it came to; StepFailed when a step does not."""
        total = self._market()
        with ThreadPoolExecutor(thread_name_prefix="aside") as aside:
            baselines = self.ground.services.add_ending(figures.begin(self.places))
            self._found(aside)
            self._statistics()
            seen = self._train(total)
            audited, release = self._accepted()
            self._match()
            left = self._left()
            self.teller.step("What it is worth: the same held-out workers, ranked five ways")
            found = figures.compare(self.places, baselines, release.parameters)
        summary = Summary(
            cities=len(CITIES),
            workers=total,
            rounds=release.card.rounds,
            seconds_per_round=seen.seconds_per_round,
            epsilon=release.card.epsilon,
            delta=release.card.delta,
            epsilon_of_year=max(running.spent(self.ground, city) for city in CITIES),
            ndcg_at_10={name: found.ndcg_at_10[name].value for name in RANKINGS},
            ndcg_at_10_interval=_intervals(found.ndcg_at_10),
            mismatch_rate={name: found.mismatch_rate[name].value for name in MISMATCHES},
            mismatch_rate_interval=_intervals(found.mismatch_rate),
            pooled_minus_alone_interval=_intervals(found.pooled_minus_alone),
            federated_minus_alone_interval=_intervals(found.federated_minus_alone),
            log_entries=audited.entries,
            audit="ok" if audited.ok else "failed",
            raw_fields_left=len(left.found),
            raw_fields_searched=left.searched,
            captured_bytes=left.size,
            seconds=self.teller.seconds,
        )
        summary.write(self.places.summary)
        self._conclude(summary)
        return summary

    @property
    def places(self) -> Places:
        """Where everything lies."""
        return self.ground.places

    def _market(self) -> int:
        self.teller.step("Four cities' registers are made up: synthetic workers, jobs, outcomes")
        drawn = generate(self.seed, self.workers, len(CITIES))
        write(drawn, self.places.market, today())
        total = len(drawn.market.workers.city)
        self.teller.say(f"{total} workers in {near(self.places.market)}; no city sees another's")
        return total

    def _found(self, aside: ThreadPoolExecutor) -> None:
        meanwhile = aside.submit(self._prepare_nodes)
        self.teller.step("Three administrators found the federation; two must sign")
        founding.make_administrators(self.ground)
        founding.found(self.ground)
        self.teller.step("Each city makes its node, sets its policy and imports its own files")
        for line in meanwhile.result():
            self.teller.command(line)
        self.teller.say(f"the same in {', '.join(city.name for city in CITIES[1:])}")
        self.teller.step("Cities are invited, fingerprints compared, memberships signed")
        founding.join(self.ground, CITIES)
        self.teller.step("All four become witnesses: no head of the log counts unless three agree")
        founding.make_witnesses(self.ground)
        self.teller.step("Every node dials out to the coordinator; its wire is recorded both ways")
        founding.serve_nodes(self.ground, CITIES)
        self.teller.say(f"{', '.join(city.name for city in CITIES)} are connected")

    def _prepare_nodes(self) -> list[str]:
        """Prepare every city's node; return the first one's commands, to be told in order."""
        lines: list[str] = []
        quiet = replace(self.ground, shell=Shell(self.places.commands, lines.append))

        def prepare(city: City) -> None:
            founding.prepare_node(quiet, city, shown=city is CITIES[0])

        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="prepare") as cities:
            list(cities.map(prepare, CITIES))
        return lines

    def _statistics(self) -> None:
        self.teller.step("One statistic: openings and seekers by occupation group, summed unseen")
        charter = running.draft_statistics(self.ground, STATISTICS_EPSILON)
        with self.teller.rounds() as watch:
            running.run(self.ground, charter, watch)
        running.wait_until_read(self.ground, CITIES, running.log_size(self.ground))
        tables = [self.ground.node(city.code, "statistics", "show") for city in CITIES]
        if len(set(tables)) != 1:
            raise StepFailed("cities hold different statistics", self.places.commands)
        lines = tables[0].splitlines()
        figures_shown = [line for line in lines if "±" in line][:SHOWN_FIGURES]
        self.teller.quote([*lines[:SHOWN_HEAD], *figures_shown, "…"])

    def _train(self, total: int) -> running.Run:
        self.teller.step("One match model is trained across the cities; records stay")
        estimate = round(TRAINING_SHARE * total)
        charter = running.draft_training(self.ground, TRAINING_EPSILON, estimate)
        with self.teller.rounds() as watch:
            return running.run(self.ground, charter, watch)

    def _accepted(self) -> tuple[running.Audit, ModelRelease]:
        self.teller.step("The log is audited, and every city verifies and accepts the release")
        audited = running.audit(self.ground)
        running.wait_until_read(self.ground, CITIES, audited.entries)
        releases = [running.accepted_release(self.ground, city) for city in CITIES]
        if any(release != releases[0] for release in releases):
            raise StepFailed("cities use different models", self.places.commands)
        self.teller.say(f"{audited.entries} entries re-derived, everything holds")
        self.teller.say(f"all {len(CITIES)} cities use release {releases[0].version}")
        return audited, releases[0]

    def _match(self) -> None:
        self.teller.step("A worker's jobs, ranked inside their own city")
        jobs = self.ground.node(CITIES[0].code, "match", SHOWN, "--top", str(SHOWN_JOBS))
        self.teller.quote(jobs.splitlines())

    def _left(self) -> Residue:
        self.teller.step("Everything that crossed the wire is searched for private values")
        left = residue(
            [self.places.records(city.code) for city in CITIES],
            [self.places.wire(city.code) for city in CITIES],
        )
        self.teller.say(
            f"{left.searched} private values in 4 encodings, {left.messages} messages,"
            f" {left.size / 1e6:.1f} MB: {len(left.found)} found"
        )
        return left

    def _conclude(self, summary: Summary) -> None:
        self.teller.table(summary)
        self.teller.say(
            f"ε {summary.epsilon:.3g} per worker at δ {summary.delta:g},"
            f" {summary.seconds_per_round:.2f} s a round, {summary.seconds:.0f} s in all;"
            f" figures in {near(self.places.summary)}"
        )
        self.teller.complain(f"   {fault}" for fault in summary.faults)


def _intervals(found: Mapping[str, Estimate]) -> dict[str, Interval]:
    return {name: (estimate.low, estimate.high) for name, estimate in found.items()}


def what_next(places: Places) -> Iterable[str]:
    """Return commands that work when pasted while everything stays up."""
    home = ("--home", places.federation)
    first, second = (("--home", places.node(city.code)) for city in CITIES[:2])
    return [
        typed(NODE, "match", NEXT, *second),
        typed(NODE, "match", SHOWN, "--language", "zh", *first),
        typed(NODE, "status", *first),
        typed(NODE, "budget", *first),
        typed(NODE, "egress", "list", "--limit", "10", *first),
        typed(NODE, "statistics", "show", *second),
        typed(NODE, "model", "show", *second),
        typed(FEDERATION, "log", "show", *home),
        typed(FEDERATION, "membership", "show", *home),
        typed(FEDERATION, "audit", *home),
    ]
