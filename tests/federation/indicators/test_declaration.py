"""Declarations: strict, with a public domain, and bound to a digest that names all of it."""

import math
from collections.abc import Callable
from importlib import resources

import pytest

from federation.codes import occupations
from federation.errors import Misconfigured, Reason
from federation.indicators.declaration import Indicator, catalogue, parse

FOLDER = resources.files("federation.indicators") / "catalogue"
TEXT = (FOLDER / "supply-demand-by-occupation.toml").read_text(encoding="utf-8")


@pytest.fixture
def indicator() -> Indicator:
    return parse(TEXT, "test")


def test_the_catalogue_is_what_is_shipped(indicator: Indicator) -> None:
    assert catalogue() == {"supply-demand/occupation": indicator}


def test_the_domain_is_every_group_of_the_table_empty_ones_too(indicator: Indicator) -> None:
    groups = [code for code in occupations.load() if occupations.load()[code].level == 2]
    assert list(indicator.domain) == sorted(groups)
    assert indicator.length == 2 * len(groups)


def test_sensitivity_is_the_length_of_all_bounds_together(indicator: Indicator) -> None:
    assert indicator.sensitivity == 1.0
    assert parse(TEXT.replace("bound = 0.0", "bound = 2.0"), "test").sensitivity == math.sqrt(5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ('population = "openings"', 'population = "seekers"'),
        ("level = 2", "level = 1"),
        ("bound = 1.0", "bound = 1.5"),
        ('en = "persons"', 'en = "people"'),
    ],
)
def test_another_declaration_has_another_digest(indicator: Indicator, old: str, new: str) -> None:
    assert old in TEXT
    assert parse(TEXT.replace(old, new), "test").digest != indicator.digest


def test_comments_and_spaces_change_nothing(indicator: Indicator) -> None:
    assert parse("# once more\n" + TEXT.replace(" = ", "  =  "), "test").digest == indicator.digest


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        pytest.param(
            replaced("version = 1", "version = 1\nweight = 2"), "weight", id="unknown key"
        ),
        pytest.param(replaced("version = 1", ""), "version", id="missing key"),
        pytest.param(replaced("version = 1", 'version = "1"'), "version", id="another type"),
        pytest.param(replaced("version = 1", "version = 0"), "version", id="no version"),
        pytest.param(replaced("level = 2", "level = 4"), "group.level", id="no such level"),
        pytest.param(
            replaced('"supply-demand/occupation"', '"Supply Demand"'), "indicator", id="identifier"
        ),
        pytest.param(
            replaced('population = "openings"', 'population = "wages"'),
            "population",
            id="a population nobody counts",
        ),
        pytest.param(replaced("bound = 1.0", "bound = -1.0"), "bound", id="a negative bound"),
        pytest.param(replaced("bound = 1.0", "bound = inf"), "bound", id="an endless bound"),
        pytest.param(replaced("bound = 1.0", "bound = nan"), "bound", id="a bound that is none"),
        pytest.param(replaced("grade = 3", "grade = 5"), "grade", id="no such grade"),
        pytest.param(
            replaced('name = "openings"', 'name = "seekers"'), "distinct", id="one name twice"
        ),
        pytest.param(lambda text: text[: text.index("[[measures]]")], "measures", id="no measure"),
        pytest.param(lambda text: text + "[[", "TOML", id="no TOML"),
    ],
)
def test_a_damaged_declaration_is_refused_by_name(damage: Callable[[str], str], named: str) -> None:
    damaged = damage(TEXT)
    assert damaged != TEXT
    with pytest.raises(Misconfigured) as caught:
        parse(damaged, "catalogue.toml")
    assert caught.value.reason is Reason.CONFIGURATION
    assert "catalogue.toml" in caught.value.message
    assert named in caught.value.message
