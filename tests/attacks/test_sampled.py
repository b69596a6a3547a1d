"""The operators make sources that can be read, and what is explained is still there."""

import ast
import re

import pytest

from attacks.case import ROOT
from attacks.sampled import ASKED, changes, explained


@pytest.mark.parametrize("file", ASKED)
def test_every_change_is_one_and_can_be_read(file: str) -> None:
    whole = (ROOT / file).read_text(encoding="utf-8")
    found = changes(file)
    assert len(found) > 20
    for change in found:
        assert change.old != change.new
        assert whole[change.at :].startswith(change.old)
        ast.parse(change.applied(whole))


@pytest.mark.parametrize("file", ASKED)
def test_the_tests_that_are_asked_exist(file: str) -> None:
    assert all((ROOT / asked).exists() for asked in ASKED[file])


def test_every_survivor_that_is_explained_is_a_change_of_today() -> None:
    told = re.findall(r"^- (.+)$", explained(), re.MULTILINE)
    known = {str(change) for file in ASKED for change in changes(file)}
    assert set(told) <= known, set(told) - known
