"""Each guarding line broken in turn, in a fork of this process: exactly its attacks get through.

Lives here: the mutants, which cases each is played against, and the comparison. Must not know: any
attack.

    python -m attacks.mutants            every guard of the table
    python -m attacks.mutants WORD …     the guards whose attacks' names hold one of the words
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from attacks.case import ROOT, Attack, Guard
from attacks.crew import AT_ONCE, progressing
from attacks.forks import CASES, Breaking, failures, forked, told
from attacks.probes import probe_of
from attacks.table import TABLE
from attacks.touching import Noting

Lines = frozenset[tuple[str, str, str]]


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


def verdict(mutant: Mutant, failed: Iterable[str]) -> list[str]:
    """Return what is wrong: attacks that were stopped all the same, cases that failed beside."""
    left = set(failed)
    stopped = [f"still stopped: {name}" for name in sorted(mutant.names - left)]
    return stopped + [f"failed too: {case}" for case in sorted(left - mutant.names)]


def touched(chosen: Sequence[Mutant], at_once: int = AT_ONCE) -> dict[str, frozenset[str]]:
    """Play every case unbroken; return the functions that each calls and the probes' names.

    RuntimeError when a case fails.
    """
    probes = {probe_of(edit) for mutant in chosen for edit in mutant.guard.edits}
    watched = [(p.function, p.name, p.first, p.last, p.whole, p.broken) for p in probes if p]

    def play(cases: Sequence[str]) -> dict[str, list[str]]:
        noting, noted = Noting(ROOT, watched), {}
        for name in cases:
            with noting.begun():
                wrong = told(CASES[name])
            if wrong:
                raise RuntimeError(f"{name} fails already: {wrong}")
            noted[name] = noting.noted
        return noted

    parts = [list(CASES)[part::at_once] for part in range(at_once)]
    found: dict[str, frozenset[str]] = {}
    for _, noted in forked(parts, play, at_once):
        if noted is None:
            raise RuntimeError("a case fails before anything is broken")
        found.update({case: frozenset(said) for case, said in noted.items()})
    return found


@dataclass(frozen=True)
class Played:
    """What came of a mutant: how many cases were asked, and what is wrong."""

    mutant: Mutant
    cases: int
    problems: Sequence[str]

    def __str__(self) -> str:
        said = "; ".join(self.problems) or f"let through, alone of {self.cases} cases"
        return f"{self.mutant} — {said}"


def played(chosen: Sequence[Mutant], at_once: int = AT_ONCE) -> Iterator[Played]:
    """Break each chosen guard and play the cases that can tell; yield what came of it."""
    breaking = Breaking()
    noted = touched(chosen, at_once)

    def play(mutant: Mutant) -> list[str]:
        breaking.broken(mutant.guard)
        return failures(cases_of(mutant.guard, noted))

    # the long ones last: what is left is told better then
    order = sorted(chosen, key=lambda mutant: len(cases_of(mutant.guard, noted)))
    for mutant, failed in forked(order, play, at_once):
        problems = ["the process ended"] if failed is None else verdict(mutant, failed)
        yield Played(mutant, len(cases_of(mutant.guard, noted)), problems)


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
    for progress, one in progressing(played(chosen), len(chosen)):
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
