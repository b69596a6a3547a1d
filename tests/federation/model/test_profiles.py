from dataclasses import fields, replace

import pytest

from federation.errors import Malformed, Reason
from federation.model.profiles import JobPosting

BROKEN_JOBS = {
    "an occupation that is no code": {"occupation": "welder"},
    "an occupation with a short part": {"occupation": "4-10-8-01"},
    "a division of five digits": {"division": "33010"},
    "a longitude beyond the date line": {"longitude": 180.5},
    "a latitude that is no number": {"latitude": float("nan")},
    "an empty tag": {"skills": ("焊接", "")},
    "an endless tag": {"skills": ("x" * 65,)},
    "too many tags": {"skills": tuple(f"t{n}" for n in range(33))},
    "negative experience": {"experience_years": -1},
    "a range that ends below its start": {"pay_low": 7000, "pay_high": 6999},
    "a week of 169 hours": {"hours_per_week": 169},
    "a shift unheard of": {"shift": "any"},
    "a contract unheard of": {"contract": "any"},
    "an insurance unheard of": {"insurance": "some"},
}
BROKEN_WORKERS = {
    "a wish for negative pay": {"wish_pay": -1},
    "a wish for an unknown shift": {"wish_shift": "dusk"},
    "a wish for no contract at all": {"wish_contract": "none"},
    "a wish for no insurance at all": {"wish_insurance": "none"},
    "a reach around the earth": {"max_distance_km": 30_000},
    "an unknown willingness": {"move": "maybe"},
}


@pytest.mark.parametrize("change", BROKEN_JOBS.values(), ids=BROKEN_JOBS.keys())
def test_a_posting_cannot_exist_with(job, change):
    with pytest.raises(Malformed) as caught:
        replace(job, **change)
    assert caught.value.reason is Reason.INVALID_DOCUMENT
    assert list(change)[-1] in caught.value.message


@pytest.mark.parametrize("change", BROKEN_WORKERS.values(), ids=BROKEN_WORKERS.keys())
def test_a_worker_cannot_exist_with(worker, change):
    with pytest.raises(Malformed) as caught:
        replace(worker, **change)
    assert list(change)[-1] in caught.value.message


def test_a_posting_has_no_field_beyond_a_capsule():
    # a field added here would reach the job tower without ever having passed a capsule
    assert [field.name for field in fields(JobPosting)] == [
        "handle", "occupation", "division", "longitude", "latitude", "skills", "experience_years",
        "pay_low", "pay_high", "hours_per_week", "shift", "contract", "insurance", "posted_on",
        "title",
    ]  # fmt: skip
