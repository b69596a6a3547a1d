"""Accepted releases: the model in use and tables of statistics.

They came through the federation's log and were verified against their evidence when they were
accepted. Must not know: how a release is verified or computed.
"""

from collections.abc import Iterator
from typing import Annotated

import typer
from sqlalchemy import Connection

from federation.codes import occupations
from federation.documents.releases import Cell, ModelRelease, StatisticsRelease
from federation.documents.types import PayloadType
from federation.errors import Reason, Refused
from federation.indicators.declaration import Indicator, catalogue
from federation.terminal import group, say, time_text
from node.cli.common import HomeOption, chosen, opened
from node.status import document_of
from node.store import documents

model = group("The match model in use.")
statistics = group("Statistics of the federation, with their error bars.")


@model.command("show")
def model_show(home: HomeOption) -> None:
    """Show the card signed with the model in use."""
    # with SciPy behind it: loaded here, so that every other command starts sooner
    from node.matching.own_city import model_in_use  # noqa: PLC0415

    with opened(home) as office, office.store.read() as connection:
        used = model_in_use(connection)
    if used.release is None or used.digest is None:
        say("the public start is in use: no model has been released to this city yet")
        return
    for line in _card(used.digest, used.release):
        say(line)


@statistics.command("list")
def statistics_list(home: HomeOption) -> None:
    """Show which statistics releases this city accepted, oldest first."""
    with opened(home) as office, office.store.read() as connection:
        found = _releases(connection)
    for digest, release in found.items():
        hidden = sum(cell.suppressed for cell in release.cells)
        say(digest.hex())
        say(
            f"  {release.indicator}, {time_text(release.released_ms)}, {len(release.cities)}"
            f" cities, {len(release.cells)} cells ({hidden} suppressed), ε {release.epsilon:.4g}"
        )
    if not found:
        say("no statistics have been released to this city yet")


@statistics.command("show")
def statistics_show(
    digest: Annotated[
        str | None, typer.Argument(help="Its digest or first 8 digits; the newest if left out.")
    ] = None,
    *,
    home: HomeOption,
) -> None:
    """Show a statistics release: figures with 95 % error bars, suppressed cells marked."""
    with opened(home) as office, office.store.read() as connection:
        found = _releases(connection)
    if not found:
        raise Refused(Reason.NOT_FOUND, "no statistics have been released to this city yet")
    one = list(found)[-1] if digest is None else chosen(digest, list(found), "statistics release")
    for line in _table(one, found[one]):
        say(line)


def _releases(connection: Connection) -> dict[bytes, StatisticsRelease]:
    held = documents.of_type(connection, PayloadType.STATISTICS_RELEASE)
    decoded = {stored.replay_identity: document_of(stored) for stored in held}
    return {key: one for key, one in decoded.items() if isinstance(one, StatisticsRelease)}


def _card(digest: bytes, release: ModelRelease) -> Iterator[str]:
    card = release.card
    yield f"model:      {release.model}, release {release.version}"
    yield f"digest:     {digest.hex()}"
    yield f"released:   {time_text(release.released_ms)}"
    yield f"charter:    {release.charter_digest.hex()}"
    yield f"cities:     {', '.join(card.cities)} ({len(release.votes)} voted for it)"
    yield f"rounds:     {card.rounds} in {card.attempts} attempt(s)"
    yield f"privacy:    ε {card.epsilon:.4g}, δ {card.delta:g} per worker and city"
    yield (
        f"NDCG@10:    {card.ndcg_difference:+.4f} ± {card.ndcg_difference_half_width:.4f}"
        " against the model before"
    )
    yield f"held out:   {card.held_out_workers:.0f} workers (noised)"
    yield f"parameters: {len(release.parameters) // 8}"
    yield f"method:     {card.method}"


def _table(digest: bytes, release: StatisticsRelease) -> Iterator[str]:
    declared = catalogue().get(release.indicator)
    yield f"indicator: {release.indicator}" + (f", {declared.title.en}" if declared else "")
    yield f"digest:    {digest.hex()}"
    yield f"released:  {time_text(release.released_ms)}"
    yield f"cities:    {', '.join(release.cities)}"
    yield f"privacy:   ε {release.epsilon:.4g}, δ {release.delta:g} per worker and city"
    yield f"hidden:    cells below {release.suppression_threshold} after noise"
    yield f"method:    {release.method}"
    for measure in dict.fromkeys(cell.measure for cell in release.cells):
        yield ""
        yield measure + _unit(declared, measure)
        for cell in release.cells:
            if cell.measure == measure:
                yield f"  {_figure(cell)}  {cell.key} {_meaning(cell.key)}".rstrip()


def _unit(declared: Indicator | None, measure: str) -> str:
    units = {m.name: m.unit.en for m in declared.measures} if declared else {}
    return f" ({units[measure]})" if measure in units else ""


def _figure(cell: Cell) -> str:
    return (
        f"{'suppressed':>20}" if cell.suppressed else f"{cell.value:12.1f} ± {cell.half_width:5.1f}"
    )


def _meaning(key: str) -> str:
    known = occupations.load().get(key)
    return "" if known is None else known.name
