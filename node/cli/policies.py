"""Showing, changing and publishing the policy.

Must not know: what the rules mean or when they are applied.
"""

from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from federation.crypto.envelope import replay_identity
from federation.documents.notices import PolicyNotice
from federation.errors import Misconfigured, Reason
from federation.terminal import group, say
from federation.wire.codec import decode_envelope
from node.cli.common import SHOWN_DIGITS, HomeOption, now_ms, opened
from node.gate import Gate
from node.identity import open_home, replace_file
from node.notice import notice_of
from node.policy import Policy, load_policy
from node.policyfile import policy_text, with_value
from node.status import current_membership
from node.store import notices

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


@policy.command("publish")
def publish(home: HomeOption) -> None:
    """Tell the federation, signed and logged, which kinds of charter this city takes part in.

    Told are mode, ε of one charter and fewest cities of each kind, and the year's ε and δ: nothing
    of any record. The notice waits in the outbox until the node serves and is connected.
    """
    with opened(home) as office:
        identity = office.home.identity()

        def compose(connection: Connection, in_force: Policy) -> PolicyNotice:
            membership = current_membership(connection)
            if membership is None:
                raise Misconfigured(
                    Reason.NO_MEMBERSHIP, "this node has read no membership yet: labor-node serve"
                )
            city = identity.division
            return notice_of(
                in_force,
                federation=membership.federation,
                city=city,
                version=notices.next_version(connection, city),
                now_ms=now_ms(),
            )

        gate = Gate(
            office.store,
            identity.signing,
            identity.division,
            partial(load_policy, office.home.policy),
            now_ms,
        )
        envelope = decode_envelope(gate.post(compose))
    say(f"in the outbox: policy notice {replay_identity(envelope).hex()[:SHOWN_DIGITS]}")
    say("to follow it: labor-node outbox list")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "any"
    return str(value)
