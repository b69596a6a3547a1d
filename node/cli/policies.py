"""Showing and changing the policy.

Must not know: what the rules mean or when they are applied.
"""

from typing import Annotated

import typer

from federation.terminal import group, say
from node.cli.common import HomeOption
from node.identity import open_home, replace_file
from node.policy import load_policy
from node.policyfile import policy_text, with_value

policy = group("What this city permits to leave.")


@policy.command("show")
def show(home: HomeOption) -> None:
    """Show the whole policy, keys that the file leaves out included."""
    place = open_home(home)
    say(policy_text(load_policy(place.policy)))


@policy.command("set")
def set_value(
    key: Annotated[str, typer.Argument(help="section.name, for example training.mode")],
    value: Annotated[
        str, typer.Argument(help='A number, a word, or a list such as ["one", "two"].')
    ],
    home: HomeOption,
) -> None:
    """Change one value of the policy, checked first; it counts from the next charter on.

    The file is written anew in its usual form: comments of your own in it are lost. A node that
    serves meanwhile reads it for each charter, so nothing is to be restarted. What was consented
    to before stays consented to.
    """
    place = open_home(home)
    before = load_policy(place.policy)
    after = with_value(before, key, value)
    replace_file(place.policy, policy_text(after).encode())
    section, _, name = key.partition(".")
    was, now = (getattr(getattr(one, section), name) for one in (before, after))
    say(f"{key}: {_shown(was)} → {_shown(now)}")
    say("counts from the next charter on")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "any"
    return str(value)
