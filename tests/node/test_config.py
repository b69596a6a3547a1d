"""The example configurations are read, and what they do not say is refused."""

from pathlib import Path

import pytest

from federation.errors import Misconfigured
from node.config import NodeConfig, load_config, parse_config
from node.policy import Policy, load_policy

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
LEAST = 'division = "440300"\nname = "深圳市"\n[coordinator]\nhost = "federation.example.org"\n'


def test_the_example_shows_every_key_and_the_value_it_has_when_left_out() -> None:
    example = load_config(EXAMPLES)
    assert example == parse_config(LEAST)
    assert set(example.model_dump()) == set(NodeConfig.model_fields)


def test_the_example_policy_is_what_an_empty_file_means(tmp_path: Path) -> None:
    empty = tmp_path / "policy.toml"
    empty.write_text("")
    assert load_policy(EXAMPLES / "policy.toml") == load_policy(empty) == Policy()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param('colour = "red"\n' + LEAST, "colour", id="an unknown key"),
        pytest.param(LEAST + "tls = false\n", "coordinator.tls", id="an unknown key in a section"),
        pytest.param(LEAST.replace("440300", "000000"), "division", id="an unknown division"),
        pytest.param(LEAST.replace('name = "深圳市"', ""), "name", id="a missing name"),
        pytest.param(LEAST + "port = 0\n", "coordinator.port", id="port zero"),
        pytest.param(LEAST + 'port = "7443"\n', "coordinator.port", id="a port in quotes"),
        pytest.param("log_level = 'loud'\n" + LEAST, "log_level", id="an unknown log level"),
        pytest.param("division =", "not TOML", id="no TOML"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        parse_config(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"node\.toml"):
        load_config(tmp_path)


def test_paths_are_relative_to_the_home_unless_absolute(tmp_path: Path) -> None:
    config = parse_config(LEAST + '[paths]\nkeys = "/secure/keys"\n')
    assert config.locate(tmp_path, "database") == tmp_path / "store" / "node.db"
    assert config.locate(tmp_path, "keys") == Path("/secure/keys")


def test_a_policy_cannot_ask_for_fewer_than_three_cities(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[training]\nmin_roster = 2\n")
    with pytest.raises(Misconfigured, match=r"training\.min_roster"):
        load_policy(path)
