"""The example configurations are files a node really runs with, and tell of every key there is."""

import shutil
import tomllib
from pathlib import Path

import pytest
from support.office import Office

from federation.errors import Reason
from node.config import NodeConfig, load_config
from node.policy import Policy, load_policy
from node.policyfile import policy_text

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_every_example_is_tested_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {"node.toml", "policy.toml"}


def test_the_configuration_is_read_and_shows_every_key() -> None:
    written = tomllib.loads((EXAMPLES / "node.toml").read_text(encoding="utf-8"))
    read = load_config(EXAMPLES)
    assert read.model_dump(mode="json") == written
    assert set(written) == set(NodeConfig.model_fields)


def test_the_policy_shows_every_key_and_is_what_init_writes() -> None:
    text = (EXAMPLES / "policy.toml").read_text(encoding="utf-8")
    assert load_policy(EXAMPLES / "policy.toml") == Policy()
    assert tomllib.loads(text) == tomllib.loads(policy_text(Policy()))
    assert "labor-node policy set" in text


def test_a_home_works_with_the_examples_in_it(tmp_path: Path) -> None:
    office = Office(tmp_path / "city", "440300")
    for name in ("node.toml", "policy.toml"):
        shutil.copy(EXAMPLES / name, office.home.path / name)
    assert "440300 深圳市" in office.told("status")
    assert 'mode = "ask"' in office.told("policy", "show")


@pytest.mark.parametrize("name", ["node.toml", "policy.toml"])
def test_a_key_that_does_not_exist_is_refused_by_name(tmp_path: Path, name: str) -> None:
    office = Office(tmp_path / "city", "440300")
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    (office.home.path / name).write_text(f"{text}\nmisspelt = 1\n", encoding="utf-8")
    said = office.refused("status")
    assert f"[{Reason.CONFIGURATION}]" in said
    assert "misspelt" in said
