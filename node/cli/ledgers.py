"""What left the city, and what it cost.

Must not know: why something left, or how a cost is composed.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from federation.terminal import group, say, time_text
from node.cli.common import SHOWN_DIGITS, AsJson, HomeOption, now_ms, opened, say_json
from node.privacy import ledger
from node.store import egress as departures

egress = group("The ledger of everything that left this city.")


def budget(
    home: HomeOption,
    year: Annotated[
        int | None, typer.Option(min=2000, max=9999, help="Calendar year; this one if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the year's privacy budget per worker: used, reserved, left.

    Costs of different charters do not simply add up: each figure is composed from all of them.
    """
    wanted = year or datetime.fromtimestamp(now_ms() / 1000, UTC).year
    with opened(home) as office, office.store.read() as connection:
        stands = ledger.statement(connection, wanted, office.policy.allowance)
    if as_json:
        say_json(asdict(stands))
        return
    say(f"year:     {stands.year}, δ {stands.allowance.delta:g}")
    say(f"used:     ε {stands.used:.4g}")
    say(f"reserved: ε {stands.reserved:.4g}, what was used included")
    say(f"left:     ε {stands.left:.4g} of {stands.allowance.epsilon:.4g}")


@egress.command("list")
def egress_list(
    home: HomeOption,
    after: Annotated[
        int | None, typer.Option(min=0, help="Show what follows this number; the newest if not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries.")] = 50,
) -> None:
    """Show what left: number, time, type, size, grade, receiver, charter, digest of the bytes.

    An entry is written before its envelope leaves, so nothing left that is not here.
    """
    with opened(home) as office, office.store.read() as connection:
        begin = departures.count(connection) - limit if after is None else after
        found = departures.entries(connection, max(begin, 0), limit)
    for number, departure in found:
        charter = departure.charter_digest
        paid = "" if departure.budget_touch is None else f"  charge {departure.budget_touch}"
        say(
            f"{number:6}  {time_text(departure.at_ms)}"
            f"  {departure.payload_type.removeprefix('laborfed/'):16}"
            f"  {departure.bytes:9} B  grade {int(departure.grade)}"
            f"  to {departure.destination}"
            f"  charter {'—' if charter is None else charter.hex()[:SHOWN_DIGITS]}"
            f"  {departure.envelope_digest.hex()[:SHOWN_DIGITS]}{paid}"
        )
    if not found:
        say("nothing left this city")
