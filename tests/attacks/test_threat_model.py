"""The threat model tells the attack table as it is, and names files that exist."""

import re

from attacks.__main__ import DOCUMENT, rewritten
from attacks.case import ROOT
from attacks.table import TABLE

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_attacks_told_are_the_attacks_tested() -> None:
    """``python -m attacks --write`` writes them; a line that is missing or changed shows here."""
    told = set(re.findall(r"^\| ([^|]+) \| (?:coordinator|city|outsider|adm)", TEXT, re.MULTILINE))
    tested = {attack.name for attacks in TABLE.values() for attack in attacks}
    assert told == tested
    assert rewritten(TEXT) == TEXT


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:federation|node|tests)/[\w./]+?)(?::\w+)?`", TEXT))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
