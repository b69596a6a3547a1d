"""Stored jobs and workers as the model sees them.

Knows the store's read types and the model's; must not know queries or scores.
"""

from federation.model.profiles import MAX_SKILLS, JobPosting, WorkerProfile
from node.store.records import StoredJob, StoredWorker


def posting_of(job: StoredJob) -> JobPosting:
    """Return a posting without its employer; tags beyond the model's limit are left out."""
    return JobPosting(
        handle=job.job_id,
        occupation=job.occupation,
        division=job.division,
        longitude=job.longitude,
        latitude=job.latitude,
        skills=job.skills[:MAX_SKILLS],
        experience_years=job.experience_years,
        pay_low=job.pay_low,
        pay_high=job.pay_high,
        hours_per_week=job.hours_per_week,
        shift=job.shift,
        contract=job.contract,
        insurance=job.insurance,
        posted_on=job.posted_on,
        title=job.title,
    )


def profile_of(worker: StoredWorker) -> WorkerProfile:
    """Return a worker's profile; tags beyond the model's limit are left out."""
    return WorkerProfile(
        handle=worker.worker_id,
        occupation=worker.occupation,
        division=worker.division,
        longitude=worker.longitude,
        latitude=worker.latitude,
        skills=worker.skills[:MAX_SKILLS],
        experience_years=worker.experience_years,
        wish_pay=worker.wish_pay,
        wish_hours=worker.wish_hours,
        wish_shift=worker.wish_shift,
        wish_contract=worker.wish_contract,
        wish_insurance=worker.wish_insurance,
        max_distance_km=worker.max_distance_km,
        move=worker.move,
    )
