"""Exact tallies: whom they count, where they stand in the vector, and how far one worker moves."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import delete
from support.town import CODES, TODAY, job_row, settle, worker_row, write

from federation.codes import occupations
from federation.indicators.declaration import Indicator, catalogue
from node.indicators.engine import POPULATIONS, tally
from node.store import schema
from node.store.engine import Store


@pytest.fixture
def indicator() -> Indicator:
    (declared,) = catalogue().values()
    return declared


def counted(store: Store, indicator: Indicator) -> dict[tuple[str, str], int]:
    """Return what is not zero, by measure and group."""
    with store.read() as connection:
        vector = tally(connection, indicator, TODAY)
    assert vector.shape == (indicator.length,)
    assert vector.dtype == np.int64
    cells = [(m.name, key) for m in indicator.measures for key in indicator.domain]
    return {cell: value for cell, value in zip(cells, vector.tolist(), strict=True) if value}


def test_an_empty_city_counts_nothing_in_every_cell(store: Store, indicator: Indicator) -> None:
    assert counted(store, indicator) == {}


def test_people_and_openings_stand_in_their_groups_cells(
    store: Store, indicator: Indicator
) -> None:
    day = timedelta(days=1)
    write(
        store,
        jobs=[
            job_row("open", occupation=CODES[0], openings=3),
            job_row("last day", occupation=CODES[0], openings=4, closes_on=TODAY),
            job_row("first day", occupation=CODES[3], openings=5, posted_on=TODAY),
            job_row("closed", occupation=CODES[0], openings=100, closes_on=TODAY - day),
            job_row("later", occupation=CODES[0], openings=1_000, posted_on=TODAY + day),
        ],
        workers=[
            worker_row("1", occupation=CODES[0]),
            worker_row("2", occupation=CODES[0], consent_training=False),
            worker_row("3", occupation=CODES[3]),
            worker_row("4", occupation=CODES[3], seeking=False),
        ],
    )
    first, second = occupations.group(CODES[0]), occupations.group(CODES[3])
    assert counted(store, indicator) == {
        ("seekers", first): 2,
        ("seekers", second): 1,
        ("openings", first): 7,
        ("openings", second): 5,
    }


def test_an_occupation_outside_the_public_domain_makes_no_cell_of_its_own(
    store: Store, indicator: Indicator
) -> None:
    write(store, workers=[worker_row("1", occupation="9-99-99-99")])
    assert occupations.group("9-99-99-99") not in indicator.domain
    assert counted(store, indicator) == {}


def test_one_worker_moves_the_figures_by_no_more_than_is_declared(
    store: Store, indicator: Indicator
) -> None:
    names = settle(store, workers=20)
    with store.read() as connection:
        before = tally(connection, indicator, TODAY)
    for name in names:
        with store.write() as connection:
            connection.execute(delete(schema.workers).where(schema.workers.c.worker_id == name))
            after = tally(connection, indicator, TODAY)
        assert 0 < np.linalg.norm(before - after) <= indicator.sensitivity
        before = after


def test_every_population_of_the_catalogue_can_be_counted() -> None:
    declared = {m.population for i in catalogue().values() for m in i.measures}
    assert declared <= set(POPULATIONS)
