"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "alarms",
        sa.Column("alarm_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("attempt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_alarms")),
        sa.UniqueConstraint(
            "attempt", "round", "sentence", name=op.f("uq_alarms_attempt_round_sentence")
        ),
    )
    op.create_table(
        "answers",
        sa.Column("attempt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("committed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attempt", "round", "kind", name=op.f("pk_answers")),
    )
    op.create_table(
        "attempts",
        sa.Column("attempt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_attempts")),
    )
    op.create_index(
        op.f("ix_attempts_charter_digest"), "attempts", ["charter_digest"], unique=False
    )
    op.create_table(
        "budget_reservations",
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("charter_digest", name=op.f("pk_budget_reservations")),
    )
    op.create_index(
        op.f("ix_budget_reservations_year"), "budget_reservations", ["year"], unique=False
    )
    op.create_table(
        "cells",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cells")),
    )
    op.create_table(
        "decisions",
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (person IS NULL)", name=op.f("ck_decisions_person")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused')", name=op.f("ck_decisions_state")
        ),
        sa.PrimaryKeyConstraint("charter_digest", name=op.f("pk_decisions")),
    )
    op.create_table(
        "documents",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("replay_identity", sa.LargeBinary(length=32), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("payload_type", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_documents")),
        sa.UniqueConstraint("leaf_index", name=op.f("uq_documents_leaf_index")),
        sa.UniqueConstraint("replay_identity", name=op.f("uq_documents_replay_identity")),
    )
    op.create_index(
        op.f("ix_documents_payload_type_leaf_index"),
        "documents",
        ["payload_type", "leaf_index"],
        unique=False,
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("occupation", sa.String(length=16), nullable=False),
        sa.Column("employer_id", sa.String(length=64), nullable=False),
        sa.Column("employer_name", sa.Text(), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("experience_years", sa.Integer(), nullable=False),
        sa.Column("pay_low", sa.Integer(), nullable=False),
        sa.Column("pay_high", sa.Integer(), nullable=False),
        sa.Column("hours_per_week", sa.Integer(), nullable=False),
        sa.Column("shift", sa.String(length=16), nullable=False),
        sa.Column("contract", sa.String(length=16), nullable=False),
        sa.Column("insurance", sa.String(length=16), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index(
        op.f("ix_jobs_closes_on_posted_on_occupation"),
        "jobs",
        ["closes_on", "posted_on", "occupation"],
        unique=False,
    )
    op.create_table(
        "models",
        sa.Column("release_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("parameters", sa.LargeBinary(), nullable=False),
        sa.Column("activated_ms", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(length=16), nullable=True),
        sa.CheckConstraint("place IN ('active', 'previous')", name=op.f("ck_models_place")),
        sa.PrimaryKeyConstraint("release_digest", name=op.f("pk_models")),
        sa.UniqueConstraint("model", "place", name=op.f("uq_models_model_place")),
    )
    op.create_table(
        "refusals",
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reason", name=op.f("pk_refusals")),
    )
    op.create_table(
        "run_states",
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parameters", sa.LargeBinary(), nullable=False),
        sa.Column("velocity", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("charter_digest", "round", name=op.f("pk_run_states")),
    )
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id_number_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("phone_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("gender", sa.String(length=8), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("division", sa.String(length=6), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("occupation", sa.String(length=16), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("experience_years", sa.Integer(), nullable=False),
        sa.Column("wish_pay", sa.Integer(), nullable=False),
        sa.Column("wish_hours", sa.Integer(), nullable=False),
        sa.Column("wish_shift", sa.String(length=16), nullable=False),
        sa.Column("wish_contract", sa.String(length=16), nullable=False),
        sa.Column("wish_insurance", sa.String(length=16), nullable=False),
        sa.Column("max_distance_km", sa.Integer(), nullable=False),
        sa.Column("move", sa.String(length=16), nullable=False),
        sa.Column("seeking", sa.Boolean(), nullable=False),
        sa.Column("consent_training", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_workers")),
    )
    op.create_index(
        op.f("ix_workers_consent_training"), "workers", ["consent_training"], unique=False
    )
    op.create_index(
        op.f("ix_workers_seeking_occupation"), "workers", ["seeking", "occupation"], unique=False
    )
    op.create_table(
        "budget_events",
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sampling", sa.Float(), nullable=True),
        sa.Column("sigma_eff", sa.Float(), nullable=True),
        sa.Column("log_ratio", sa.Float(), nullable=True),
        sa.Column("epsilon", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "(epsilon IS NULL) <> (sigma_eff IS NULL)", name=op.f("ck_budget_events_one_mechanism")
        ),
        sa.CheckConstraint("count > 0", name=op.f("ck_budget_events_count")),
        sa.ForeignKeyConstraint(
            ["charter_digest"],
            ["budget_reservations.charter_digest"],
            name=op.f("fk_budget_events_charter_digest"),
        ),
        sa.PrimaryKeyConstraint("charter_digest", "kind", name=op.f("pk_budget_events")),
    )
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(length=64), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_outcomes_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["workers.worker_id"],
            name=op.f("fk_outcomes_worker_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_outcomes")),
    )
    op.create_index(op.f("ix_outcomes_job_id"), "outcomes", ["job_id"], unique=False)
    op.create_index(
        op.f("ix_outcomes_worker_id_job_id"), "outcomes", ["worker_id", "job_id"], unique=False
    )
    op.create_table(
        "budget_touches",
        sa.Column("touch_id", sa.Integer(), nullable=False),
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("attempt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["charter_digest", "kind"],
            ["budget_events.charter_digest", "budget_events.kind"],
            name=op.f("fk_budget_touches_charter_digest_kind"),
        ),
        sa.PrimaryKeyConstraint("touch_id", name=op.f("pk_budget_touches")),
        sa.UniqueConstraint(
            "charter_digest",
            "kind",
            "attempt",
            "round",
            name=op.f("uq_budget_touches_charter_digest_kind_attempt_round"),
        ),
    )
    op.create_table(
        "egress",
        sa.Column("egress_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("payload_type", sa.Text(), nullable=False),
        sa.Column("envelope_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("charter_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("budget_touch", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["budget_touch"], ["budget_touches.touch_id"], name=op.f("fk_egress_budget_touch")
        ),
        sa.PrimaryKeyConstraint("egress_id", name=op.f("pk_egress")),
    )
    op.create_index(op.f("ix_egress_charter_digest"), "egress", ["charter_digest"], unique=False)


def downgrade() -> None:
    """Drop every table."""
    op.drop_index(op.f("ix_egress_charter_digest"), table_name="egress")
    op.drop_table("egress")
    op.drop_table("budget_touches")
    op.drop_index(op.f("ix_outcomes_worker_id_job_id"), table_name="outcomes")
    op.drop_index(op.f("ix_outcomes_job_id"), table_name="outcomes")
    op.drop_table("outcomes")
    op.drop_table("budget_events")
    op.drop_index(op.f("ix_workers_seeking_occupation"), table_name="workers")
    op.drop_index(op.f("ix_workers_consent_training"), table_name="workers")
    op.drop_table("workers")
    op.drop_table("run_states")
    op.drop_table("refusals")
    op.drop_table("models")
    op.drop_index(op.f("ix_jobs_closes_on_posted_on_occupation"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_documents_payload_type_leaf_index"), table_name="documents")
    op.drop_table("documents")
    op.drop_table("decisions")
    op.drop_table("cells")
    op.drop_index(op.f("ix_budget_reservations_year"), table_name="budget_reservations")
    op.drop_table("budget_reservations")
    op.drop_index(op.f("ix_attempts_charter_digest"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_table("answers")
    op.drop_table("alarms")
