"""A policy written out and read back, and one value of it changed."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Misconfigured, Reason
from node.config import parse_toml
from node.policy import Budget, KindRules, Mode, Policy, load_policy
from node.policyfile import policy_text, with_value

# What TOML and JSON both can say; control characters are refused elsewhere.
words = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
rules = st.builds(
    KindRules,
    mode=st.sampled_from(Mode),
    max_epsilon=st.floats(1e-6, 64, allow_nan=False),
    min_roster=st.integers(3, 512),
    min_collusion_bound=st.integers(1, 510),
    purposes=st.lists(words, max_size=3).map(tuple),
    subjects=st.lists(words, max_size=3).map(tuple),
)
budgets = st.builds(Budget, epsilon=st.floats(1e-6, 64), delta=st.floats(1e-12, 1e-3))
policies = st.builds(Policy, budget=budgets, training=rules, statistics=rules)


@given(policies)
def test_a_policy_is_read_back_as_it_was_written(policy: Policy) -> None:
    assert parse_toml(policy_text(policy), Policy, "policy") == policy


@given(policies, rules)
def test_one_value_is_changed_and_the_rest_stays(policy: Policy, other: KindRules) -> None:
    changed = with_value(policy, "training.mode", other.mode)
    changed = with_value(changed, "training.max_epsilon", repr(other.max_epsilon))
    training = policy.training.model_copy(
        update={"mode": other.mode, "max_epsilon": other.max_epsilon}
    )
    assert changed == policy.model_copy(update={"training": training})


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("training.mode", "auto", Mode.AUTO),
        ("training.mode", '"auto"', Mode.AUTO),
        ("training.max_epsilon", "2", 2.0),
        ("training.max_epsilon", "2.5", 2.5),
        ("training.min_roster", "7", 7),
        ("training.subjects", '["a/b", "c"]', ("a/b", "c")),
        ("training.purposes", '["培训", "x\\"y"]', ("培训", 'x"y')),
        ("training.purposes", "[]", ()),
    ],
)
def test_values_are_written_as_in_toml_or_as_a_bare_word(key: str, text: str, value: Any) -> None:
    assert getattr(with_value(Policy(), key, text).training, key.partition(".")[2]) == value


@pytest.mark.parametrize(
    ("key", "text", "named"),
    [
        pytest.param("training.colour", "1", "training.mode", id="unknown key"),
        pytest.param("taxes.mode", "auto", "taxes.mode", id="unknown section"),
        pytest.param("training", "auto", "'training'", id="a section alone"),
        pytest.param("", "auto", "no key ''", id="nothing"),
        pytest.param("training.mode", "sometimes", "training.mode", id="unknown word"),
        pytest.param("training.min_roster", "2", "training.min_roster", id="too few cities"),
        pytest.param("training.min_roster", "true", "training.min_roster", id="a boolean"),
        pytest.param("training.min_roster", "5\nx = 1", "training.min_roster", id="a second key"),
        pytest.param("training.min_roster", "2020-01-01", "training.min_roster", id="a date"),
        pytest.param("budget.epsilon", "0", "budget.epsilon", id="no budget"),
        pytest.param("budget.epsilon", "nan", "budget.epsilon", id="not a number"),
        pytest.param("budget.epsilon", "65", "budget.epsilon", id="beyond any sense"),
        pytest.param("training.subjects", "laborfed/match/1", "training.subjects", id="no list"),
    ],
)
def test_a_wrong_change_is_refused_by_name(key: str, text: str, named: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        with_value(Policy(), key, text)
    assert caught.value.reason is Reason.CONFIGURATION
    assert named in caught.value.message


def test_the_text_says_what_the_modes_are_and_how_to_change_them(tmp_path: Path) -> None:
    text = policy_text(Policy())
    assert "auto | ask | refuse" in text
    assert "labor-node policy set" in text
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    assert load_policy(path) == Policy()
