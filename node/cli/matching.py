"""Jobs for a worker, told with the parts each score is the sum of.

Must not know: how a score comes about, or where postings are kept.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.codes import occupations
from federation.terminal import say, time_text
from node.cli.common import SHOWN_DIGITS, AsJson, HomeOption, opened, say_json, today
from node.matching.rounding import hundredths

if TYPE_CHECKING:  # SciPy is loaded where jobs are ranked: every other command starts sooner
    from node.matching.own_city import ModelInUse, Ranking
    from node.matching.ranking import Match


class Language(StrEnum):
    """Languages of the sentences."""

    EN = "en"
    ZH = "zh"


def match(
    worker: Annotated[str, typer.Argument(help="The worker_id of the city's own file.")],
    home: HomeOption,
    *,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many jobs to show.")] = 10,
    language: Annotated[Language, typer.Option(help="Of the explanations.")] = Language.EN,
    as_json: AsJson = False,
) -> None:
    """Rank this city's open jobs for one of its workers, and say why.

    Each line adds to or takes from the score; the lines add up to it, and the fit is the chance it
    stands for. Worked out on this machine: nothing leaves it. Works while the node serves.
    """
    from node.matching.own_city import rank_for  # noqa: PLC0415 as above

    with opened(home) as office, office.store.read() as connection:
        found = rank_for(connection, worker, today(), top)
    if as_json:
        say_json(_plain(found, language))
        return
    occupation = occupations.load()[found.worker.occupation]
    say(f"worker: {found.worker.worker_id}, {occupation.code} {occupation.name}")
    say(f"model:  {_model(found.model)}")
    say(f"jobs:   {found.open_jobs} open in this city, the best {len(found.matches)} shown")
    for place, one in enumerate(found.matches, start=1):
        for line in _lines(place, one, language):
            say(line)


def _model(model: "ModelInUse") -> str:
    if model.release is None or model.digest is None:
        return "the public start, not learned from outcomes: no model has been released here yet"
    card = model.release.card
    return (
        f"release {model.release.version} of {time_text(model.release.released_ms)},"
        f" learned by {len(card.cities)} cities ({model.digest.hex()[:SHOWN_DIGITS]})"
    )


def _lines(place: int, one: "Match", language: Language) -> Iterator[str]:
    posting = one.posting
    from federation.model.sentences import sentence  # noqa: PLC0415 as above

    yield ""
    yield f"{place}. {posting.title}  [{posting.handle}]  fit {one.probability:.0%}"
    shown = hundredths([part.value for part in one.parts], one.score)
    for part, value in zip(one.parts, shown, strict=True):
        yield f"     {_signed(value)}  {sentence(part, language)}"
    yield "     ─────"
    yield f"     {_signed(sum(shown))}  score"


def _signed(value: int) -> str:
    return f"{value / 100:+6.2f}" if value else "  0.00"


def _plain(found: "Ranking", language: Language) -> dict[str, Any]:
    from federation.model.sentences import sentence  # noqa: PLC0415 as above

    model = found.model
    return {
        "worker": found.worker.worker_id,
        "model": {
            "release": None if model.digest is None else model.digest.hex(),
            "version": None if model.release is None else model.release.version,
        },
        "open_jobs": found.open_jobs,
        "matches": [
            {
                "rank": place,
                "job": one.posting.handle,
                "title": one.posting.title,
                "division": one.posting.division,
                "score": one.score,
                "probability": one.probability,
                "parts": [
                    {"name": p.name, "value": p.value, "sentence": sentence(p, language)}
                    for p in one.parts
                ],
            }
            for place, one in enumerate(found.matches, start=1)
        ],
    }
