import numpy as np
import pytest

from federation.model.tables import (
    BUCKETS,
    WIDTH,
    ancestors,
    frozen_tables,
    occupation_vector,
    sectors,
)
from federation.model.text import embed, normalise, tag_identity


def test_tables_have_the_shape_the_code_is_written_for():
    tables = frozen_tables()
    assert tables.buckets.shape == (BUCKETS, WIDTH)
    assert tables.occupations.shape == (len(tables.codes), WIDTH)
    assert tables.buckets.dtype == tables.occupations.dtype == np.int8
    assert list(tables.codes) == sorted(set(tables.codes))


@pytest.mark.parametrize(
    ("near", "far"),
    [("氩弧焊", "育儿"), ("货车驾驶", "烹饪"), ("养老护理", "焊接")],
    ids=["welding", "driving", "care"],
)
def test_a_tag_lies_nearer_to_its_own_field(near, far):
    like = {"氩弧焊": "焊接", "货车驾驶": "驾驶", "养老护理": "护理"}[near]
    assert embed(near) @ embed(like) > embed(near) @ embed(far) + 0.2


@pytest.mark.parametrize(
    ("one", "other"),
    [("ＰＬＣ编程", "plc编程"), (" 焊接 ", "焊接"), ("Excel", "EXCEL")],
    ids=["full width", "spaces", "case"],
)
def test_spellings_of_one_tag_are_one_tag(one, other):
    assert tag_identity(one) == tag_identity(other)
    assert normalise(one) == normalise(other)


def test_tags_with_different_digits_are_different_tags():
    assert tag_identity("A1驾照") != tag_identity("A2驾照")


def test_a_tag_without_letters_is_the_zero_vector():
    assert not embed("123!").any()


def test_vectors_have_unit_length():
    assert np.linalg.norm(embed("焊接")) == pytest.approx(1)
    assert np.linalg.norm(occupation_vector("6-18-02-04")) == pytest.approx(1)


def test_an_unknown_occupation_takes_its_nearest_known_group():
    assert np.array_equal(occupation_vector("6-18-02-98"), occupation_vector("6-18-02-00"))
    assert not occupation_vector("9-99-99-99").any()


def test_ancestors_run_from_the_code_to_its_major_group():
    assert ancestors("4-10-08-01") == ("4-10-08-01", "4-10-08-00", "4-10-00-00", "4-00-00-00")


def test_sectors_are_the_second_level():
    assert "4-10" in sectors()
    assert all(len(sector) == 4 and not sector.endswith("00") for sector in sectors())
