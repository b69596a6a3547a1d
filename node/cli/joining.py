"""Making a home and joining a federation.

Must not know: what keys are for, or how a request is approved at the other side.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from federation.exchange.enrolment import fingerprint
from federation.exchange.invitation import Invitation
from federation.terminal import say
from node.cli.common import HomeOption, now_ms
from node.enrolment import join
from node.identity import create_home, open_home


def init(
    *,
    home: HomeOption,
    division: Annotated[str, typer.Option(help="The city's GB/T 2260 code, six digits.")],
    name: Annotated[str, typer.Option(help="The city's name, as others will read it.")],
) -> None:
    """Make a node's home: keys, node.toml, a policy that asks a person, an empty store.

    The folder must be empty or not exist. Keys never leave it: back it up, closed to others.
    """
    made = create_home(home, division, name)
    say(f"home:        {made.path}")
    say(f"city:        {division} {name}")
    say(f"fingerprint: {fingerprint(made.identity().city)}")
    say(f"policy:      {made.policy} (every charter is put before a person)")
    say(f"next:        labor-node enrol INVITATION --home {home}")


def enrol(
    invitation: Annotated[Path, typer.Argument(help="The invitation file, from administrators.")],
    *,
    home: HomeOption,
    wait: Annotated[
        bool, typer.Option(help="Stay until administrators have approved and signed.")
    ] = True,
) -> None:
    """Ask to join the federation that sent the invitation, and fetch the certificate.

    Shows the fingerprint of the city's keys, which administrators must hear from you by telephone.
    Run it again as often as needed: the request stays one until it is approved.
    """
    place, invited = open_home(home), Invitation.load(invitation)
    approved = asyncio.run(join(place, invited, now_ms(), wait=wait, report=say))
    if approved:
        say(f"next: labor-node serve --home {home}")
    else:
        say(f"next: once approved, labor-node enrol {invitation} --home {home} again")
