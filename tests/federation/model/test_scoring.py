import numpy as np
import pytest

from federation.errors import Malformed, Reason
from federation.model.evaluation import ndcg, ndcg_per_worker
from federation.model.explanation import explain
from federation.model.features import PARTS
from federation.model.parameters import (
    FRACTION_BITS,
    LENGTH,
    initial_parameters,
    model_digest,
    split,
    to_fixed,
    to_float,
)
from federation.model.scoring import probability, scores
from federation.model.sentences import LANGUAGES, sentence


def test_the_start_is_always_the_same_bytes():
    assert initial_parameters().dtype == np.int64
    assert initial_parameters().tobytes() == initial_parameters().tobytes()
    assert len(model_digest()) == 32


def test_the_vector_is_small_and_its_blocks_cover_it():
    assert LENGTH <= 20_000
    vector = np.arange(LENGTH, dtype=np.float64)
    blocks = split(vector)
    assert np.array_equal(np.concatenate([b.ravel() for b in vars(blocks).values()]), vector)


def test_fixed_point_is_exact_to_its_unit():
    values = np.array([0.0, 1.0, -1.0, 2.0**-FRACTION_BITS, 123.456])
    assert np.abs(to_float(to_fixed(values)) - values).max() <= 2.0 ** -(FRACTION_BITS + 1)


def test_parameters_of_another_length_are_refused(workers, jobs):
    with pytest.raises(Malformed) as caught:
        scores(np.zeros(LENGTH - 1, dtype=np.int64), workers.take(slice(0, 1)), jobs)
    assert caught.value.reason is Reason.OUT_OF_BOUND


def test_the_parts_sum_to_the_score(parameters, workers, jobs):
    for row in range(0, len(workers), 5):
        worker = workers.take(slice(row, row + 1))
        ranked = scores(parameters, worker, jobs)
        for column in range(0, len(jobs), 7):
            parts = explain(parameters, worker, jobs.take(slice(column, column + 1)))
            assert tuple(part.name for part in parts) == PARTS
            assert sum(part.value for part in parts) == pytest.approx(ranked[column], abs=1e-6)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_has_a_sentence_in(language, parameters, workers, jobs):
    said = {
        sentence(part, language)
        for row in range(len(workers))
        for part in explain(
            parameters, workers.take(slice(row, row + 1)), jobs.take(slice(row, row + 1))
        )
    }
    assert not any("{" in text for text in said)


def test_languages_have_the_same_sentences():
    assert LANGUAGES["en"][0].keys() == LANGUAGES["zh"][0].keys()


def test_a_sentence_tells_the_matched_skills(parameters, worker, job, today):
    from federation.model.encoding import encode_jobs, encode_workers

    parts = explain(parameters, encode_workers([worker]), encode_jobs([job], today))
    told = {part.name: sentence(part) for part in parts}
    assert told["skills"] == "matches 1 of 2 required skills"
    assert told["occupation"] == "the same occupation"


def test_probability_is_the_logistic_of_the_score():
    assert probability(np.array([0.0, np.log(3)])) == pytest.approx([0.5, 0.75])


@pytest.mark.parametrize(
    ("scored", "relevance", "value"),
    [
        ([3, 2, 1], [1, 0.5, 0], 1.0),
        ([1, 2, 3], [0, 0, 1], 1.0),
        ([1, 2], [1, 0], 1 / np.log2(3)),
        ([1, 2, 3], [0, 0, 0], 0.0),
        ([5] + [9] * 10, [1] + [0] * 10, 0.0),
    ],
    ids=["ideal order", "best first", "best second", "nothing relevant", "best eleventh"],
)
def test_ndcg(scored, relevance, value):
    assert ndcg(np.array(scored, float), np.array(relevance, float)) == pytest.approx(value)


def test_workers_compared_do_not_depend_on_the_parameters(parameters, examples):
    one = ndcg_per_worker(parameters, examples)
    two = ndcg_per_worker(initial_parameters(), examples)
    assert one.shape == two.shape
    assert 0 < len(one) <= len(examples)
    assert not np.array_equal(one, two)
