"""Releases: every rule broken once."""

import math
from dataclasses import replace

import pytest
from support.breaking import Broken, refused, unbroken
from support.documents import CELL, CITIES, MODEL_CARD, MODEL_RELEASE, STATISTICS_RELEASE

SUPPRESSED = STATISTICS_RELEASE.cells[1]
CASES = [
    Broken("card of two cities", MODEL_CARD, {"cities": CITIES[:2]}),
    Broken("card's cities out of order", MODEL_CARD, {"cities": tuple(reversed(CITIES))}),
    Broken("no round", MODEL_CARD, {"rounds": 0}),
    Broken("no attempt", MODEL_CARD, {"attempts": 0}),
    Broken("free of charge", MODEL_CARD, {"epsilon": 0.0}),
    Broken("delta that hides nothing", MODEL_CARD, {"delta": 0.5}),
    Broken("difference not a number", MODEL_CARD, {"ndcg_difference": math.nan}),
    Broken("negative half-width", MODEL_CARD, {"ndcg_difference_half_width": -1.0}),
    Broken("infinitely many workers", MODEL_CARD, {"held_out_workers": math.inf}),
    Broken("no method", MODEL_CARD, {"method": ""}),
    Broken("federation with a blank", MODEL_RELEASE, {"federation": "yang tze"}),
    Broken("version 0", MODEL_RELEASE, {"version": 0}),
    Broken("version beyond the wire", MODEL_RELEASE, {"version": 2**32}),
    Broken("later version without a predecessor", MODEL_RELEASE, {"previous_digest": b""}),
    Broken("release of no charter", MODEL_RELEASE, {"charter_digest": b""}),
    Broken("release of no record", MODEL_RELEASE, {"record_digest": b""}),
    Broken("model without a name", MODEL_RELEASE, {"model": ""}),
    Broken("short model digest", MODEL_RELEASE, {"model_digest": bytes(31)}),
    Broken("no taxonomy", MODEL_RELEASE, {"taxonomy_digest": b""}),
    Broken("no parameters", MODEL_RELEASE, {"parameters": b""}),
    Broken("half a parameter", MODEL_RELEASE, {"parameters": bytes(44)}),
    Broken("one vote", MODEL_RELEASE, {"votes": (b"vote 1",)}),
    Broken("one vote twice", MODEL_RELEASE, {"votes": (b"vote 1", b"vote 1")}),
    Broken("released at the epoch", MODEL_RELEASE, {"released_ms": 0}),
    Broken("measure without a name", CELL, {"measure": ""}),
    Broken("cell without a key", CELL, {"key": ""}),
    Broken("key of a page", CELL, {"key": "k" * 65}),
    Broken("infinite figure", CELL, {"value": math.inf}),
    Broken("negative half-width of a figure", CELL, {"half_width": -0.1}),
    Broken("suppressed, yet told", CELL, {"suppressed": True}, "value"),
    Broken("suppressed, yet its width told", SUPPRESSED, {"half_width": 1.0}, "value"),
    Broken("statistics with a blank", STATISTICS_RELEASE, {"federation": "yang tze"}),
    Broken("statistics of no charter", STATISTICS_RELEASE, {"charter_digest": b""}),
    Broken("statistics of no record", STATISTICS_RELEASE, {"record_digest": b""}),
    Broken("no indicator", STATISTICS_RELEASE, {"indicator": ""}),
    Broken("no declaration", STATISTICS_RELEASE, {"indicator_digest": b""}),
    Broken("two cities", STATISTICS_RELEASE, {"cities": CITIES[:2]}),
    Broken("cities out of order", STATISTICS_RELEASE, {"cities": tuple(reversed(CITIES))}),
    Broken("statistics free of charge", STATISTICS_RELEASE, {"epsilon": 0.0}),
    Broken("no delta", STATISTICS_RELEASE, {"delta": 0.0}),
    Broken("no noise", STATISTICS_RELEASE, {"noise_sd": 0.0}),
    Broken("negative threshold", STATISTICS_RELEASE, {"suppression_threshold": -1}),
    Broken("no cell", STATISTICS_RELEASE, {"cells": ()}),
    Broken("a cell twice", STATISTICS_RELEASE, {"cells": (CELL, replace(CELL, value=0.5))}),
    Broken("statistics by no method", STATISTICS_RELEASE, {"method": ""}),
    Broken("released beyond the calendar", STATISTICS_RELEASE, {"released_ms": 2**60}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_naming_the_field(case: Broken) -> None:
    refused(case)


@pytest.mark.parametrize("valid", [MODEL_CARD, STATISTICS_RELEASE, CELL])
def test_every_field_has_a_case(valid: object) -> None:
    assert unbroken(valid, CASES) == set()


def test_every_field_of_a_model_release_has_a_case() -> None:
    # the card has cases of its own
    assert unbroken(MODEL_RELEASE, CASES, {"card"}) == set()


def test_the_first_release_follows_none() -> None:
    assert replace(MODEL_RELEASE, version=1, previous_digest=b"").version == 1
