"""A market on disk: three CSV files for each city, and the truth that no node reads.

This file must not draw anything: the same market is the same bytes.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from deploy.study.market import identity
from deploy.study.market.arrays import (
    CONTRACTS,
    INSURANCES,
    MOVES,
    SHIFTS,
    WISH_SHIFTS,
    IntArray,
    Jobs,
    Workers,
)
from deploy.study.market.behaviour import EVENTS
from deploy.study.market.generate import Drawn
from federation.codes import divisions, occupations

#: The reference day unless another is given: what is open is open on it, nothing later is recorded.
TODAY = date(2026, 9, 15)
WISH_CONTRACTS = ("any", "service", "labour")
WISH_INSURANCES = ("any", "injury", "full")

#: What postings put round an occupation's name; half of them nothing.
ADORNMENTS = (
    ("急聘", ""),
    ("诚聘", ""),
    ("", "（包吃住）"),
    ("", "（五险一金）"),
    ("高薪", ""),
    ("", "/可日结"),
) + (("", ""),) * 6

JOBS = (
    "job_id title occupation employer_id employer_name division longitude latitude skills "
    "experience_years pay_low pay_high hours_per_week shift contract insurance openings "
    "posted_on closes_on contact description"
).split()
WORKERS = (
    "worker_id name id_number phone gender birth_date division longitude latitude address "
    "occupation skills experience_years wish_pay wish_hours wish_shift wish_contract "
    "wish_insurance max_distance_km move seeking consent_training note"
).split()
OUTCOMES = ["outcome_id", "worker_id", "job_id", "event", "occurred_on"]

README = """合成劳动力市场 · SYNTHETIC LABOUR MARKET

Everything in this folder was drawn by `labor-study market` from seed {seed} ({kind} market).
No person, employer, posting or event is real. City and occupation codes and city centres are real;
county centres, streets, names, identity numbers (region 99), telephone numbers (prefix 154) and
employers are invented.

<division code>/jobs.csv, workers.csv, outcomes.csv   what one city's node imports
truth/                                                 the true fit; nodes never read it
"""


def job_id(city: str, number: int) -> str:
    """Identifier of a posting within its city."""
    return f"J{city}{number:06d}"


def worker_id(city: str, number: int) -> str:
    """Identifier of a worker within their city."""
    return f"W{city}{number:06d}"


def posting_title(names: Sequence[str], number: int) -> str:
    """One of the occupation's names, half of the time adorned as postings are."""
    rest, picked = divmod(number, len(names))
    before, after = ADORNMENTS[rest % len(ADORNMENTS)]
    return f"{before}{names[picked]}{after}"


def _day(today: date, offset: int) -> str:
    return (today + timedelta(days=int(offset))).isoformat()


def _counties(code: str) -> list[tuple[str, str]]:
    """(code, name) of the city's counties, or of the city itself where it has none."""
    table = divisions.load()
    found = [(row.code, row.name) for row in table.counties(code)]
    return found or [(code, table[code].name)]


def _wordings(drawn: Drawn) -> list[str]:
    return [wording for concept in drawn.words.concepts for wording in concept.wordings]


def _titles(drawn: Drawn) -> list[tuple[str, ...]]:
    """Per occupation: its name and aliases, as postings call it."""
    table = occupations.load()
    return [(table[code].name, *table[code].aliases) for code in drawn.words.occupations]


def _skills(table: Jobs | Workers, row: int, wordings: Sequence[str]) -> str:
    return ";".join(
        wordings[number] for number in table.wording[table.start[row] : table.start[row + 1]]
    )


def _job_rows(drawn: Drawn, city: int, rows: IntArray, today: date) -> Iterator[tuple[object, ...]]:
    jobs, code = drawn.market.jobs, drawn.cities[city].code
    counties, wordings, titles = _counties(code), _wordings(drawn), _titles(drawn)
    for number, row in enumerate(rows):
        employer = int(jobs.employer[row])
        county_code, county = counties[jobs.county[row]]
        title = posting_title(titles[jobs.occupation[row]], int(jobs.title[row]))
        yield (
            job_id(code, number),
            title,
            drawn.words.occupations[jobs.occupation[row]],
            f"E{code}{employer:05d}",
            f"{county}第{employer:05d}号演示单位",
            county_code,
            f"{jobs.longitude[row]:.5f}",
            f"{jobs.latitude[row]:.5f}",
            _skills(jobs, row, wordings),
            jobs.experience[row],
            jobs.pay_low[row],
            jobs.pay_high[row],
            jobs.hours[row],
            SHIFTS[jobs.shift[row]],
            CONTRACTS[jobs.contract[row]],
            INSURANCES[jobs.insurance[row]],
            jobs.openings[row],
            _day(today, jobs.posted[row]),
            _day(today, jobs.closes[row]),
            identity.phone(50_000_000 + employer),
            f"招{title}{jobs.openings[row]}人，每周约{jobs.hours[row]}小时。（合成数据）",
        )


def _worker_rows(
    drawn: Drawn, city: int, rows: IntArray, today: date
) -> Iterator[tuple[object, ...]]:
    people, code = drawn.market.workers, drawn.cities[city].code
    counties, wordings = _counties(code), _wordings(drawn)
    for number, row in enumerate(rows):
        serial = int(row)
        born = today + timedelta(days=int(people.born[row]))
        male = bool(people.male[row])
        county_code, county = counties[people.county[row]]
        yield (
            worker_id(code, number),
            identity.name(serial),
            identity.identity_number(born, serial % 50_000, male),
            identity.phone(serial),
            "male" if male else "female",
            born.isoformat(),
            county_code,
            f"{people.longitude[row]:.5f}",
            f"{people.latitude[row]:.5f}",
            identity.address(county, serial),
            drawn.words.occupations[people.occupation[row]],
            _skills(people, row, wordings),
            people.experience[row],
            people.wish_pay[row],
            people.wish_hours[row],
            WISH_SHIFTS[people.wish_shift[row]],
            WISH_CONTRACTS[people.wish_contract[row]],
            WISH_INSURANCES[people.wish_insurance[row]],
            people.max_distance[row],
            MOVES[people.move[row]],
            "yes" if people.seeking[row] else "no",
            "yes" if people.consent[row] else "no",
            "",
        )


def _outcome_rows(
    drawn: Drawn, city: int, place: tuple[IntArray, IntArray], today: date
) -> Iterator[tuple[object, ...]]:
    events, code = drawn.events, drawn.cities[city].code
    mine = np.flatnonzero(drawn.market.workers.city[events.worker] == city)
    worker_place, job_place = place
    for number, row in enumerate(mine):
        yield (
            f"O{code}{number:07d}",
            worker_id(code, int(worker_place[events.worker[row]])),
            job_id(code, int(job_place[events.job[row]])),
            EVENTS[events.event[row]],
            _day(today, events.day[row]),
        )


def _save(path: Path, header: Iterable[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def positions(city: IntArray) -> IntArray:
    """Place of each row within its city, where rows are sorted by city."""
    _, first = np.unique(city, return_index=True)
    return np.arange(len(city)) - first[city]


def write_city(drawn: Drawn, city: int, folder: Path, today: date) -> None:
    """jobs.csv, workers.csv and outcomes.csv of one city."""
    folder.mkdir(parents=True, exist_ok=True)
    market = drawn.market
    jobs = np.flatnonzero(market.jobs.city == city)
    people = np.flatnonzero(market.workers.city == city)
    place = (positions(market.workers.city), positions(market.jobs.city))
    _save(folder / "jobs.csv", JOBS, _job_rows(drawn, city, jobs, today))
    _save(folder / "workers.csv", WORKERS, _worker_rows(drawn, city, people, today))
    _save(folder / "outcomes.csv", OUTCOMES, _outcome_rows(drawn, city, place, today))


def write_truth(drawn: Drawn, folder: Path, today: date) -> None:
    """market.json (what it is) and truth.npz (jobs, workers, world: what the true fit needs)."""
    folder.mkdir(parents=True, exist_ok=True)
    market = drawn.market
    arrays = {"general": market.general, "province": market.province, "held_out": drawn.held_out}
    for prefix, table in (
        ("job", market.jobs),
        ("worker", market.workers),
        ("world", market.world),
    ):
        arrays |= {f"{prefix}_{field.name}": getattr(table, field.name) for field in fields(table)}
    np.savez_compressed(folder / "truth.npz", allow_pickle=False, **arrays)
    about = {
        "kind": drawn.kind,
        "seed": drawn.seed,
        "today": today.isoformat(),
        "cities": [{"code": city.code, "name": city.name} for city in drawn.cities],
        "rule": asdict(market.rule),
        "trades": drawn.words.trades,
        "occupations": drawn.words.occupations,
        "concepts": [concept.wordings for concept in drawn.words.concepts],
    }
    text = json.dumps(about, ensure_ascii=False, indent=1)
    (folder / "market.json").write_text(text + "\n", encoding="utf-8")


def write(drawn: Drawn, folder: Path, today: date = TODAY) -> None:
    """The whole market under ``folder``, every date counted from ``today``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, city in enumerate(drawn.cities):
        write_city(drawn, number, folder / city.code, today)
    write_truth(drawn, folder / "truth", today)
    (folder / "README.txt").write_text(
        README.format(seed=drawn.seed, kind=drawn.kind), encoding="utf-8"
    )
