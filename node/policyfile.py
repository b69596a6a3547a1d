"""``policy.toml`` as text: a whole policy written out, and one of its values changed.

Knows the file's form only; must not know what the rules mean or when they are applied.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from typing import Any

from federation.errors import Misconfigured, Reason
from node.config import parse_toml
from node.policy import Policy

_HEAD = """\
# What this city permits to leave. Changed by: labor-node policy set KEY VALUE
# mode: auto | ask | refuse, what to do with a charter that keeps the rules of its kind.
"""


def policy_text(policy: Policy) -> str:
    """Return the policy as TOML, every key written out."""
    return _toml(policy.model_dump(mode="json"))


def with_value(policy: Policy, key: str, text: str) -> Policy:
    """Return the policy with ``key`` (section.name) set to ``text``, a TOML value or a bare word.

    Raises Misconfigured(CONFIGURATION) for a key that does not exist or a value breaking its rule.
    """
    values = policy.model_dump(mode="json")
    section, _, name = key.partition(".")
    if name not in values.get(section, {}):
        known = ", ".join(f"{s}.{n}" for s, named in values.items() for n in named)
        raise Misconfigured(Reason.CONFIGURATION, f"policy has no key {key!r}; it has {known}")
    values[section][name] = _value(text)
    return parse_toml(_toml(values), Policy, "policy")


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [_HEAD]
    for section, values in sections.items():
        # JSON writes numbers, strings and lists of them as TOML does
        lines = [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items()]
        parts.append("\n".join((f"[{section}]", *lines)) + "\n")
    return "\n".join(parts)


def _value(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = read["value"]
    # a line break in the text may have begun another key; no rule allows nan or inf
    plain = len(read) == 1 and isinstance(value, (int, float, str, list))
    endless = isinstance(value, float) and not math.isfinite(value)
    return value if plain and not endless else text
