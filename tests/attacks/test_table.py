"""The table itself: large enough, by everybody, and each guarding line where it is said to be."""

from pathlib import Path

import pytest

from attacks.case import ROOT, Attack, By, Guard
from attacks.mutants import mutants
from attacks.table import TABLE

ATTACKS: list[Attack] = [attack for group in TABLE.values() for attack in group]


def test_the_table_is_large_and_the_coordinator_attacks_in_half_of_it() -> None:
    by = [attack.by for attack in ATTACKS]
    assert len(by) >= 60
    assert 2 * by.count(By.COORDINATOR) >= len(by)
    assert set(by) == set(By)


def test_every_attack_has_its_own_name() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)


def test_every_guarding_line_is_there_once() -> None:
    for mutant in mutants():
        for edit in mutant.guard.edits:
            edit.position(ROOT)


def test_a_guarding_line_that_is_gone_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("twice\ntwice\n")
    for line in ("twice", "never"):
        with pytest.raises(ValueError, match="not once"):
            Guard("file.py", line, "").position(tmp_path)


def test_what_a_line_stops_beside_is_in_the_table() -> None:
    names = {attack.name for attack in ATTACKS}
    names |= {f"{a.twin.__name__.replace('_', ' ')} ({a.stage.__name__})" for a in ATTACKS}
    for mutant in mutants():
        assert mutant.names <= names
