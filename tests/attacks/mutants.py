"""Each guarding line broken in turn, in a copy of the packages: exactly its attacks get through.

Lives here: the mutants, which cases each is played against, and the comparison. Must not know: any
attack.

    python -m attacks.mutants            every guard of the table
    python -m attacks.mutants WORD …     the guards whose attacks' names hold one of the words
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from attacks.case import Attack, Guard
from attacks.copies import broken
from attacks.crew import crew, done, touched
from attacks.player import Player
from attacks.probes import probe_of
from attacks.table import TABLE

Lines = frozenset[tuple[str, str, str]]
PLAYED = "tests/attacks/test_attacks.py"


@dataclass(frozen=True)
class Mutant:
    """A guard to break, and the attacks that must get through then: all others must not."""

    guard: Guard
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.guard.where}: {'; '.join(sorted(self.names))}"


def mutants(table: Mapping[str, Sequence[Attack]] = TABLE) -> list[Mutant]:
    """Return a mutant for each distinct guard of the table, in its order.

    Whatever some of its broken lines let through is let through by all of them.
    """
    guards: dict[Lines, Guard] = {}
    names: dict[Lines, set[str]] = {}
    for attack in (attack for group in table.values() for attack in group):
        lines = attack.guard.lines
        guards.setdefault(lines, attack.guard)
        names.setdefault(lines, set()).update((attack.name, *attack.guard.stops_too))
    return [
        Mutant(guard, frozenset().union(*(names[few] for few in names if few <= lines)))
        for lines, guard in guards.items()
    ]


def signs_of(guard: Guard) -> frozenset[str]:
    """Return what an unbroken run notes of each line of a guard, where its breaking may matter.

    Empty when a line is noted nowhere: then every case may tell.
    """
    probes = [(edit, probe_of(edit)) for edit in guard.edits]
    signs = {probe.name if probe else edit.called_as for edit, probe in probes}
    return frozenset() if None in signs else frozenset(map(str, signs))


def cases_of(guard: Guard, noted: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the cases that can tell whether the guard is broken."""
    signs = signs_of(guard)
    return [case for case, called in noted.items() if not signs or called & signs]


def as_id(name: str) -> str:
    """Return a name as pytest writes it into a case's id."""
    return name.encode("unicode_escape").decode("ascii")


def verdict(mutant: Mutant, failed: Iterable[str]) -> list[str]:
    """Return what is wrong: attacks that were stopped all the same, cases that failed beside."""
    left = set(failed)
    problems = []
    for name in sorted(mutant.names):
        told = as_id(name)
        own = {case for case in left if f": {told} [" in case or f"[{told}]" in case}
        if not own:
            problems.append(f"still stopped: {name}")
        left -= own
    return problems + [f"failed too: {case}" for case in sorted(left)]


@dataclass(frozen=True)
class Played:
    """What came of a mutant: how many cases were asked, and what is wrong."""

    mutant: Mutant
    cases: int
    problems: Sequence[str]

    def __str__(self) -> str:
        said = "; ".join(self.problems) or f"let through, alone of {self.cases} cases"
        return f"{self.mutant} — {said}"


def played(chosen: Sequence[Mutant], players: Sequence[Player]) -> Iterator[tuple[str, Played]]:
    """Break each chosen guard and play the cases that can tell; yield progress and outcome."""
    edits = (edit for mutant in chosen for edit in mutant.guard.edits)
    noted = touched(players, filter(None, map(probe_of, edits)), PLAYED)

    def play(player: Player, mutant: Mutant) -> Played:
        cases = cases_of(mutant.guard, noted)
        with broken(player.root, mutant.guard):
            failed = player.failures(*cases) if cases else set()
        return Played(mutant, len(cases), verdict(mutant, failed))

    for progress, _, one in done(players, chosen, play):
        yield progress, one


def summary(outcomes: Sequence[Played]) -> Iterator[str]:
    """Yield a table: by file, how many guards were broken and how many let exactly theirs in."""
    yield f"{'file':<40}{'broken':>8}{'exact':>8}{'not':>8}"
    files = [one.mutant.guard.file for one in outcomes]
    for file in sorted(set(files)):
        of_it = [one for one, name in zip(outcomes, files, strict=True) if name == file]
        wrong = sum(bool(one.problems) for one in of_it)
        yield f"{file:<40}{len(of_it):>8}{len(of_it) - wrong:>8}{wrong:>8}"


def main(words: Sequence[str]) -> int:
    """Break every chosen guard; print a line for each; return how many did not behave."""
    chosen = [m for m in mutants() if not words or any(word in str(m) for word in words)]
    outcomes: list[Played] = []
    with crew() as players:
        for progress, one in played(chosen, players):
            outcomes.append(one)
            print(f"{progress} {one}", flush=True)
    print("", *summary(outcomes), sep="\n")
    wrong = [one for one in outcomes if one.problems]
    print("", *wrong, sep="\n")
    good = len(outcomes) - len(wrong)
    print(f"{good} of {len(outcomes)} broken guards let exactly their attacks through")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
