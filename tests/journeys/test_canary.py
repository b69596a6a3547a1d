"""Every private field holds a canary: none crosses the wire, masked or not, in any spelling."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from deploy.study.capture import found_values
from deploy.study.demo import founding
from federation.crypto.keys import digest
from federation.documents.runs import RoundRecord
from federation.documents.types import PayloadType
from federation.rounds.aggregate import sum_to_bytes
from journeys import staging
from journeys.canaries import CITIES, LEAST_CHARACTERS, canaries
from journeys.listening import Heard, listening, unmasked, written
from node.contribution import Figures
from node.gate import Gate
from node.policy import KindRules, Mode

pytestmark = pytest.mark.journey

REFUSING = CITIES[0].code


def test_no_canary_crosses_the_wire(ground, monkeypatch):
    planted = planted_in(ground)
    with_statistics(ground)
    with listening(ground, monkeypatch) as heard:
        assert outcome(ground, staging.statistics_charter(ground)) == "released"
        assert outcome(ground, staging.training_charter(ground)) == "released"
    integers = integers_of(ground, heard)
    # four rounds and the evaluation by four cities, the statistics by three
    assert len(integers) == (staging.ROUNDS + 1) * 4 + 3
    assert kinds_in(heard) >= {PayloadType.CONSENT, PayloadType.REFUSAL, PayloadType.CONTRIBUTION}
    assert leaked(heard, integers, planted) == {}


def test_the_same_search_finds_what_a_broken_gate_lets_through(ground, monkeypatch):
    planted = planted_in(ground)
    in_words, in_numbers = (name_of(planted, city.code) for city in CITIES[:2])
    with_statistics(ground)
    break_refusals(monkeypatch, in_words)
    break_contributions(monkeypatch, in_numbers)
    with listening(ground, monkeypatch) as heard:
        outcome(ground, staging.statistics_charter(ground))
    assert set(leaked(heard, [], planted)) == {in_words}
    assert set(leaked(heard, integers_of(ground, heard), planted)) == {in_words, in_numbers}


def planted_in(ground) -> dict[str, str]:
    """Every canary of the four cities and where it stands."""
    planted: dict[str, str] = {}
    for city in CITIES:
        found = canaries(ground.places.records(city.code))
        assert not planted.keys() & found.keys()
        planted |= found
    assert min(map(len, planted)) >= LEAST_CHARACTERS
    return planted


def with_statistics(ground) -> None:
    """Serve the coordinator; one city takes no part in statistics, so that refusals travel too."""
    refusing = KindRules(mode=Mode.REFUSE)
    staging.set_policy(
        ground, REFUSING, staging.WILLING.model_copy(update={"statistics": refusing})
    )
    founding.serve_coordinator(ground)


def outcome(ground, charter) -> str:
    with staging.started(ground, charter) as events:
        return [event.get("outcome", "") for event in events][-1]


def integers_of(ground, heard: Heard) -> list[np.ndarray]:
    """Every contribution's integers; they are right, for they add up to each recorded sum."""
    documents = staging.logged_by_digest(ground)
    sums: dict[tuple[bytes, int], np.ndarray] = {}
    bits: dict[tuple[bytes, int], int] = {}
    found = []
    for contribution, vector in heard.contributions():
        values = unmasked(contribution, vector, documents, heard.keys)
        round_of = contribution.attempt_nonce, contribution.round
        sums[round_of] = sums.get(round_of, 0) + values
        bits[round_of] = contribution.modulus_bits
        found.append(values)
    records = [d for d in documents.values() if isinstance(d, RoundRecord)]
    assert records
    for record in records:
        round_of = record.attempt_nonce, record.round
        assert digest(sum_to_bytes(sums[round_of], bits[round_of])) == record.sum_digest
    return found


def leaked(heard: Heard, integers: Iterable[np.ndarray], planted: dict[str, str]) -> dict[str, str]:
    """Every canary that stands in a message or in unmasked integers, and whose it is."""
    numbers = [spelled for values in integers for spelled in written(values)]
    return {text: planted[text] for text in found_values([*heard.messages, *numbers], planted)}


def kinds_in(heard: Heard) -> set[PayloadType]:
    whole = b"\0".join(heard.messages)
    return {kind for kind in PayloadType if kind.encode() in whole}


def name_of(planted: dict[str, str], division: str) -> str:
    """One worker's name."""
    return next(
        text
        for text, where in planted.items()
        if where.startswith(f"{division} workers") and where.endswith(" name")
    )


def break_refusals(patch: pytest.MonkeyPatch, text: str) -> None:
    """Let the gate say a worker's name where it says why it refuses."""
    refuse = Gate.refuse
    patch.setattr(Gate, "refuse", lambda gate, said: refuse(gate, replace(said, message=text)))


def break_contributions(patch: pytest.MonkeyPatch, text: str) -> None:
    """Let a worker's name stand where noised sums belong."""
    noised = Figures.noised
    raw = text.encode()
    written_out = np.frombuffer(raw + bytes(-len(raw) % 8), "<i8")

    def leaking(*arguments):
        values = noised(*arguments)
        values[: len(written_out)] = written_out
        return values

    patch.setattr(Figures, "noised", leaking)
