"""Integers on their way out: clamped, noised once, masked so that only their sum can be read."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.cities import START, GivenWork, Integers, TellingNoise, charter_of, figures_of
from support.documents import MASK_CONTEXT
from support.federation import DIVISIONS, Federation

from federation.acceptance import Accepted
from federation.crypto.keys import AgreementKey, digest
from federation.crypto.masking import MaskContext, decode
from federation.documents.charter import Charter
from federation.errors import LocalError, Malformed, Reason
from federation.rounds import terms
from federation.rounds.aggregate import State, sum_contributions, to_bytes
from node.contribution import Figures, Peers, keep_evaluation, masked, vote_on
from node.replay import Reached
from node.store import models
from node.store.engine import Store
from node.store.models import ActiveModel

CITIES = (*DIVISIONS, "520100", "610100")
CONTEXT = replace(MASK_CONTEXT, length=5)


def masked_by_all(values: dict[str, Integers], context: MaskContext) -> dict[str, bytes]:
    """Every city's vector under keys fresh to this attempt."""
    keys = {
        city: AgreementKey.from_seed(digest(context.attempt_nonce + city.encode()))
        for city in values
    }
    arrived = {}
    for city, figures in values.items():
        peers = {other: key.public for other, key in keys.items() if other != city}
        sent, arrived[city] = masked(figures, keys[city], Peers(city, peers), context)
        terms.check_vector(sent, arrived[city])
    return arrived


@settings(max_examples=80, deadline=None)
@given(
    data=st.data(),
    roster=st.lists(st.sampled_from(CITIES), min_size=3, max_size=8, unique=True),
    length=st.integers(1, 64),
    bits=st.sampled_from([32, 64]),
)
def test_the_sum_is_exact_bit_for_bit_over_rosters_and_drop_outs(
    data: st.DataObject, roster: list[str], length: int, bits: int
) -> None:
    """A drop-out is a smaller roster in a new attempt: fresh keys, the same integers left."""
    most = 2 ** (bits - 1) // len(roster) - 1
    drawn = st.lists(st.integers(-most, most), min_size=length, max_size=length)
    values = {city: np.array(data.draw(drawn), dtype=np.int64) for city in roster}
    gone = data.draw(st.lists(st.sampled_from(roster), max_size=len(roster) - 3, unique=True))
    first = replace(CONTEXT, length=length, modulus_bits=bits)
    again = replace(first, attempt_nonce=digest(b"attempt 2"), roster_digest=digest(b"smaller"))
    left = {city: figures for city, figures in values.items() if city not in gone}
    before, after = masked_by_all(values, first), masked_by_all(left, again)
    for context, arrived, exact in ((first, before, values), (again, after, left)):
        total = sum_contributions(list(arrived.values()), context)
        assert to_bytes(total) == to_bytes(np.sum(list(exact.values()), axis=0))
    # the values are the same: nothing but new masks may tell the two attempts of a city apart
    assert all(before[city] != after[city] for city in left) or length * bits < 128


def test_a_sum_that_lacks_one_city_of_the_roster_tells_nothing() -> None:
    values = {city: np.full(1_000, 7, dtype=np.int64) for city in CITIES[:4]}
    context = replace(CONTEXT, length=1_000)
    arrived = masked_by_all(values, context)
    del arrived[CITIES[2]]
    total = sum_contributions(list(arrived.values()), context)
    assert np.abs(total).mean() == pytest.approx(2**30, rel=0.1)


# The keys are derived from the attempts' numbers, so the figures below are the same in every run:
# the level of 1e-6 is met once and for all and cannot flake.
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("city", CITIES[:4])
def test_what_one_city_sends_over_many_runs_is_uniform(city: str, bits: int) -> None:
    """All zeros go in; fifty attempts, each with fresh keys, come out as uniform bytes and bits."""
    values = {c: np.zeros(400, dtype=np.int64) for c in CITIES[:4]}
    context = replace(CONTEXT, length=400, modulus_bits=bits)
    runs = [replace(context, attempt_nonce=digest(bytes([run]))) for run in range(50)]
    sent = np.stack([np.frombuffer(masked_by_all(values, run)[city], np.uint8) for run in runs])
    everything = np.bincount(sent.ravel(), minlength=256)
    assert stats.chisquare(everything).pvalue > 1e-6
    ones = np.unpackbits(sent).sum()
    assert stats.binomtest(int(ones), sent.size * 8).pvalue > 1e-6
    # one position over the runs: a mask that forgot the attempt would repeat itself here
    agreeing = [np.mean(a == b) for a, b in itertools.pairwise(sent)]
    assert float(np.mean(agreeing)) == pytest.approx(1 / 256, rel=0.2)


@dataclass
class Desk:
    """What figures are computed from."""

    federation: Federation
    store: Store
    charter: Accepted[Charter]
    work: GivenWork
    noise: TellingNoise

    def figures(self) -> Figures:
        return Figures(
            self.store,
            self.work,
            self.noise,
            {digest(to_bytes(START)): to_bytes(START)}.__getitem__,
        )

    def context(self, kind: str = "training", **changes: object) -> MaskContext:
        length = terms.length_of_kind(self.charter.document, kind)
        context = replace(CONTEXT, charter_digest=self.charter.digest, kind=kind, length=length)
        return replace(context, **changes)  # type: ignore[arg-type]

    def noised(self, kind: str = "training", roster: int = 4, **changes: object) -> Integers:
        reached = Reached(0, State(START, np.zeros_like(START)), digest(to_bytes(START)))
        return self.figures().noised(self.charter, reached, self.context(kind, **changes), roster)


@pytest.fixture
def desk(federation: Federation, store: Store) -> Desk:
    charter = federation.publish(federation.by_administrators(charter_of(federation)))
    return Desk(federation, store, charter.of(Charter), GivenWork(figures_of(1)), TellingNoise())


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("roster", [3, 4, 7, 512])
@pytest.mark.parametrize("kind", ["training", "evaluation"])
def test_no_sum_wraps_however_large_the_figures_are(
    tmp_path: Path, bits: int, roster: int, kind: str
) -> None:
    """Everyone at the clamp with noise at ten standard deviations, all on one side."""
    charter = charter_of(Federation(tmp_path))
    privacy = replace(charter.privacy, modulus_bits=bits, noise_multiplier=64.0)
    charter = replace(charter, privacy=privacy)
    bound = terms.contribution_bound(charter, kind, roster)
    noise = 10 * terms.noise_sd(charter, kind, roster)
    assert bound > 0
    for sign in (1, -1):
        worst = sign * roster * (bound + int(noise))
        assert -(2 ** (bits - 1)) <= worst < 2 ** (bits - 1)
    # and the clamp wastes nothing: the room it leaves is less than one integer a city
    assert roster * (bound + noise + 2) > 2 ** (bits - 1) - 1


def test_figures_are_clamped_to_both_sides_before_the_noise(desk: Desk) -> None:
    bound = terms.contribution_bound(desk.charter.document, "training", 4)
    desk.work.figures["training"] = np.array(
        [2**62, -(2**62), bound, bound + 1, -bound - 1, 0], dtype=np.int64
    )
    noised = desk.noised()
    assert noised.tolist() == [v + 1 for v in (bound, -bound, bound, bound, -bound, 0)]
    assert desk.noise.widths == [terms.noise_sd(desk.charter.document, "training", 4)]


def test_a_modulus_without_room_gives_nothing(desk: Desk) -> None:
    privacy = replace(desk.charter.document.privacy, noise_multiplier=10_000.0)
    with pytest.raises(Malformed) as caught:
        terms.contribution_bound(replace(desk.charter.document, privacy=privacy), "training", 4)
    assert caught.value.reason is Reason.OUT_OF_BOUND


def test_a_fault_over_records_is_a_fault_of_this_side_without_words(desk: Desk) -> None:
    class Failing(GivenWork):
        def training(
            self, charter_digest: bytes, charter: Charter, parameters: Integers
        ) -> Integers:
            raise Malformed(Reason.OUT_OF_BOUND, "worker 李")

    desk.work = Failing({})
    with pytest.raises(LocalError) as caught:
        desk.noised()
    assert caught.value.reason is Reason.STORAGE
    assert "李" not in caught.value.message


def test_a_kept_evaluation_is_given_again_and_no_other(desk: Desk) -> None:
    context = desk.context("evaluation")
    first = desk.noised("evaluation")
    with desk.store.write() as connection:
        keep_evaluation(connection, context, first)
    desk.work.figures["evaluation"] = np.array([9, 9], dtype=np.int64)
    later = {"attempt_nonce": digest(b"attempt 2"), "roster_digest": digest(b"smaller")}
    assert desk.noised("evaluation", roster=3, **later).tolist() == first.tolist()
    assert len(desk.noise.widths) == 1
    other = desk.noised("evaluation", parameters_digest=digest(b"another candidate"))
    assert other.tolist() == [9 + 2, 9 + 2]
    elsewhere = desk.noised("evaluation", charter_digest=digest(b"another charter"))
    assert elsewhere.tolist() == [9 + 3, 9 + 3]


class Comparing(GivenWork):
    """Work that tells what the candidate was compared with."""

    def evaluation(
        self, charter_digest: bytes, charter: Charter, candidate: Integers, current: Integers
    ) -> Integers:
        return np.array([candidate[1], current[1]], dtype=np.int64)


@pytest.mark.parametrize(
    ("model", "parameters", "compared"),
    [
        pytest.param(None, b"", START[1], id="the charter's start when nothing is in use"),
        pytest.param("match/v1", to_bytes(START + 5), START[1] + 5, id="the release in use"),
        pytest.param("other/v1", to_bytes(START + 5), START[1], id="no release of another model"),
        pytest.param("match/v1", bytes(8), START[1], id="no release of another length"),
    ],
)
def test_a_candidate_is_compared_with(
    desk: Desk, model: str | None, parameters: bytes, compared: int
) -> None:
    desk.work = Comparing({})
    if model is not None:
        with desk.store.write() as connection:
            models.activate(connection, ActiveModel(digest(b"release"), model, parameters, 1))
    assert desk.noised("evaluation").tolist() == [START[1] + 1, compared + 1]


@pytest.mark.parametrize(("first", "not_worse"), [(-1, False), (0, True), (1, True)])
def test_the_vote_is_the_sign_of_the_noised_difference(first: int, not_worse: bool) -> None:
    vote = vote_on(np.array([first, -5]), CONTEXT, CITIES[0])
    assert vote.not_worse is not_worse
    assert vote.candidate_digest == CONTEXT.parameters_digest
    assert (vote.charter_digest, vote.attempt_nonce, vote.roster_digest, vote.city) == (
        CONTEXT.charter_digest,
        CONTEXT.attempt_nonce,
        CONTEXT.roster_digest,
        CITIES[0],
    )


def test_a_contribution_says_everything_its_masks_are_bound_to() -> None:
    key, peer = (AgreementKey.from_seed(digest(name)) for name in (b"own", b"peer"))
    peers = Peers(CITIES[0], {CITIES[1]: peer.public})
    sent, vector = masked(np.arange(5), key, peers, CONTEXT)
    assert {name: getattr(sent, name) for name in vars(CONTEXT)} == vars(CONTEXT)
    assert sent.city == CITIES[0]
    assert peers.roster == 2
    assert sent.masked_digest == digest(vector)
    assert not np.array_equal(decode(vector, CONTEXT), np.arange(5, dtype=np.uint32))
