"""A slice of the mutants: twelve guarding lines broken, exactly their attacks get through.

``make mutants`` breaks every line. Each is played here against a few of its own group.
"""

from collections.abc import Iterator

import pytest

from attacks.case import Guard
from attacks.copies import broken
from attacks.crew import crew
from attacks.mutants import Mutant, mutants, verdict
from attacks.player import Player
from attacks.sampled import PLAYED
from attacks.table import TABLE

SLICE = (
    "two keys of one administrator pass for two people",
    "a city's key is replaced without its old key's word",
    "another charter under the signatures of the first",
    "a field that this version does not read, inside a charter's privacy terms",
    "a charter back-dated to when a retired administrator could sign",
    "an entry is dropped after its receipt was given",
    "a membership is left out, so that its predecessor stays in force",
    "the log shrinks",
    "one city is given other parameters than the others",
    "a roster of one city, whose sum is the city's own",
    "a charge whose number is guessed",
    "a second answer to one question",
)
FEW = 8  # neighbours that must still be stopped


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with crew(count=1) as (one,):
        yield one


def neighbours(name: str) -> dict[str, str]:
    """The first cases of an attack's group that are played on its stage, and its own; as pytest
    calls them.
    """
    for group, attacks in TABLE.items():
        stages = [attack.stage for attack in attacks if attack.name == name]
        if stages:
            alike = [attack for attack in attacks if attack.stage is stages[0]]
            chosen = alike[:FEW] + [one for one in alike[FEW:] if one.name == name]
            return {f"test_stopped[{as_id(f'{group}: {one}')}]": one.name for one in chosen}
    raise AssertionError(f"no attack is called {name!r}")


def as_id(name: str) -> str:
    """Return a name as pytest writes it into a case's id."""
    return name.encode("unicode_escape").decode("ascii")


@pytest.mark.parametrize("name", SLICE)
def test_exactly_its_attacks_get_through_a_broken_line(player: Player, name: str) -> None:
    """In a copy of the packages: what the long count finds in a fork holds of the broken file."""
    (mutant,) = (m for m in mutants() if m.guard.lines == guard_of(name).lines)
    cases = neighbours(name)
    with broken(player.root, mutant.guard):
        failed = player.failures(*(f"{PLAYED}::{case}" for case in cases))
    played = Mutant(mutant.guard, mutant.names & set(cases.values()))
    assert verdict(played, (cases.get(case, case) for case in failed)) == []


def guard_of(name: str) -> Guard:
    """The line that stops an attack."""
    return next(a.guard for attacks in TABLE.values() for a in attacks if a.name == name)
