"""Every table of a node, each column with its grade and its rule.

Tables and constraints only: queries live beside this file, values are checked in node/records.py.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from node.records import Grade

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Stored under another name than imported: a keyed hash (node/privacy/pseudonyms.py), never clear.
HASHED = {"id_number": "id_number_hash", "phone": "phone_hash"}
DIGEST = LargeBinary(32)

SqlType = TypeEngine[Any] | type[TypeEngine[Any]]


def _column(
    name: str,
    kind: TypeEngine[Any] | type[TypeEngine[Any]],
    grade: Grade,
    *more: Any,
    **options: Any,
) -> Column[Any]:
    options.setdefault("nullable", False)
    return Column(name, kind, *more, info={"grade": grade}, **options)


def _internal(name: str, kind: SqlType, *more: Any, **options: Any) -> Column[Any]:
    return _column(name, kind, Grade.INTERNAL, *more, **options)


jobs = Table(
    "jobs",
    metadata,
    _column("job_id", String(64), Grade.INTERNAL, primary_key=True),
    _column("title", Text, Grade.PUBLIC),
    _column("occupation", String(16), Grade.PUBLIC),
    _column("employer_id", String(64), Grade.INTERNAL),
    _column("employer_name", Text, Grade.INTERNAL),
    _column("division", String(6), Grade.PUBLIC),
    _column("longitude", Float, Grade.PUBLIC),
    _column("latitude", Float, Grade.PUBLIC),
    _column("skills", Text, Grade.PUBLIC),
    _column("experience_years", Integer, Grade.PUBLIC),
    _column("pay_low", Integer, Grade.PUBLIC),
    _column("pay_high", Integer, Grade.PUBLIC),
    _column("hours_per_week", Integer, Grade.PUBLIC),
    _column("shift", String(16), Grade.PUBLIC),
    _column("contract", String(16), Grade.PUBLIC),
    _column("insurance", String(16), Grade.PUBLIC),
    _column("openings", Integer, Grade.PUBLIC),
    _column("posted_on", Date, Grade.PUBLIC),
    _column("closes_on", Date, Grade.PUBLIC),
    _column("contact", Text, Grade.PERSONAL),
    _column("description", Text, Grade.INTERNAL),
    Index(None, "closes_on", "posted_on", "occupation"),
)

workers = Table(
    "workers",
    metadata,
    _column("worker_id", String(64), Grade.INTERNAL, primary_key=True),
    _column("name", Text, Grade.PERSONAL),
    _column("id_number_hash", DIGEST, Grade.SENSITIVE, nullable=True),
    _column("phone_hash", DIGEST, Grade.PERSONAL, nullable=True),
    _column("gender", String(8), Grade.PERSONAL),
    _column("birth_date", Date, Grade.PERSONAL),
    _column("division", String(6), Grade.PERSONAL),
    _column("longitude", Float, Grade.PERSONAL),
    _column("latitude", Float, Grade.PERSONAL),
    _column("address", Text, Grade.PERSONAL),
    _column("occupation", String(16), Grade.PERSONAL),
    _column("skills", Text, Grade.PERSONAL),
    _column("experience_years", Integer, Grade.PERSONAL),
    _column("wish_pay", Integer, Grade.PERSONAL),
    _column("wish_hours", Integer, Grade.PERSONAL),
    _column("wish_shift", String(16), Grade.PERSONAL),
    _column("wish_contract", String(16), Grade.PERSONAL),
    _column("wish_insurance", String(16), Grade.PERSONAL),
    _column("max_distance_km", Integer, Grade.PERSONAL),
    _column("move", String(16), Grade.PERSONAL),
    _column("seeking", Boolean, Grade.PERSONAL),
    _column("consent_training", Boolean, Grade.PERSONAL),
    _column("note", Text, Grade.PERSONAL),
    Index(None, "consent_training"),
    Index(None, "seeking", "occupation"),
)

outcomes = Table(
    "outcomes",
    metadata,
    _column("outcome_id", String(64), Grade.INTERNAL, primary_key=True),
    _column(
        "worker_id",
        String(64),
        Grade.INTERNAL,
        ForeignKey("workers.worker_id", ondelete="CASCADE"),
    ),
    _column("job_id", String(64), Grade.INTERNAL, ForeignKey("jobs.job_id", ondelete="CASCADE")),
    _column("event", String(16), Grade.PERSONAL),
    _column("occurred_on", Date, Grade.PERSONAL),
    Index(None, "worker_id", "job_id"),
    Index(None, "job_id"),
)

RECORD_TABLES = {"jobs": jobs, "workers": workers, "outcomes": outcomes}

documents = Table(
    "documents",
    metadata,
    _internal("digest", DIGEST, primary_key=True),
    _internal("replay_identity", DIGEST, unique=True),
    _internal("leaf_index", BigInteger, unique=True, nullable=True),
    _internal("payload_type", Text),
    _internal("envelope", LargeBinary),
    _internal("accepted_ms", BigInteger),
    Index(None, "payload_type", "leaf_index"),
)

refusals = Table(
    "refusals",
    metadata,
    _internal("reason", Text, primary_key=True),
    _internal("count", BigInteger),
)

refused_entries = Table(
    "refused_entries",
    metadata,
    _internal("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    _internal("reason", Text),
    _internal("sentence", Text),
    _internal("refused_ms", BigInteger),
)

answers = Table(
    "answers",
    metadata,
    _internal("attempt", DIGEST, primary_key=True),
    _internal("round", Integer, primary_key=True, autoincrement=False),
    _internal("kind", Text, primary_key=True),
    _internal("request_digest", DIGEST),
    _internal("answer", LargeBinary),
    _internal("committed_ms", BigInteger),
    _internal("vector_start", BigInteger, server_default="0"),
    _internal("vector_size", BigInteger, server_default="0"),
)

decisions = Table(
    "decisions",
    metadata,
    _internal("charter_digest", DIGEST, primary_key=True),
    _internal("state", String(16)),
    _internal("asked_ms", BigInteger),
    _internal("decided_ms", BigInteger, nullable=True),
    _internal("person", Text, nullable=True),
    CheckConstraint("state IN ('pending', 'approved', 'refused')", name="state"),
    CheckConstraint("(state = 'pending') = (person IS NULL)", name="person"),
)

attempts = Table(
    "attempts",
    metadata,
    _internal("attempt", DIGEST, primary_key=True),
    _internal("charter_digest", DIGEST),
    _internal("seen_ms", BigInteger),
    Index(None, "charter_digest"),
)

alarms = Table(
    "alarms",
    metadata,
    _internal("alarm_id", Integer, primary_key=True),
    _internal("at_ms", BigInteger),
    _internal("charter_digest", DIGEST),
    _internal("attempt", DIGEST),
    _internal("round", Integer),
    _internal("sentence", Text),
    UniqueConstraint("attempt", "round", "sentence"),
)

run_states = Table(
    "run_states",
    metadata,
    _internal("charter_digest", DIGEST, primary_key=True),
    _internal("round", Integer, primary_key=True, autoincrement=False),
    _internal("parameters", LargeBinary),
    _internal("velocity", LargeBinary),
)

models = Table(
    "models",
    metadata,
    _internal("release_digest", DIGEST, primary_key=True),
    _internal("model", Text),
    _internal("parameters", LargeBinary),
    _internal("activated_ms", BigInteger),
    _internal("place", String(16), nullable=True),
    CheckConstraint("place IN ('active', 'previous')", name="place"),
    UniqueConstraint("model", "place"),
)

cells = Table(
    "cells",
    metadata,
    _internal("name", Text, primary_key=True),
    _internal("value", LargeBinary),
)

budget_reservations = Table(
    "budget_reservations",
    metadata,
    _internal("charter_digest", DIGEST, primary_key=True),
    _internal("purpose", Text),
    _internal("year", Integer),
    _internal("closed", Boolean),
    Index(None, "year"),
)

budget_events = Table(
    "budget_events",
    metadata,
    _internal(
        "charter_digest",
        DIGEST,
        ForeignKey("budget_reservations.charter_digest"),
        primary_key=True,
    ),
    _internal("kind", Text, primary_key=True),
    _internal("count", Integer),
    _internal("sampling", Float, nullable=True),
    _internal("sigma_eff", Float, nullable=True),
    _internal("log_ratio", Float, nullable=True),
    _internal("epsilon", Float, nullable=True),
    CheckConstraint("(epsilon IS NULL) <> (sigma_eff IS NULL)", name="one_mechanism"),
    CheckConstraint("count > 0", name="count"),
)

budget_touches = Table(
    "budget_touches",
    metadata,
    _internal("touch_id", Integer, primary_key=True),
    _internal("charter_digest", DIGEST),
    _internal("kind", Text),
    _internal("attempt", DIGEST),
    _internal("round", Integer),
    ForeignKeyConstraint(
        ["charter_digest", "kind"], ["budget_events.charter_digest", "budget_events.kind"]
    ),
    UniqueConstraint("charter_digest", "kind", "attempt", "round"),
)

egress = Table(
    "egress",
    metadata,
    _internal("egress_id", Integer, primary_key=True),
    _internal("at_ms", BigInteger),
    _internal("payload_type", Text),
    _internal("envelope_digest", DIGEST),
    _internal("charter_digest", DIGEST, nullable=True),
    _internal("grade", Integer),
    _internal("bytes", BigInteger),
    _internal("destination", Text),
    _internal("budget_touch", Integer, ForeignKey("budget_touches.touch_id"), nullable=True),
    Index(None, "charter_digest"),
)

outbox = Table(
    "outbox",
    metadata,
    _internal("outbox_id", Integer, primary_key=True),
    _internal("payload_type", Text),
    _internal("document_digest", DIGEST, unique=True),
    _internal("envelope", LargeBinary),
    _internal("queued_ms", BigInteger),
    _internal("state", String(16)),
    _internal("leaf_index", BigInteger, nullable=True),
    _internal("checkpoint", LargeBinary, nullable=True),
    _internal("inclusion_path", LargeBinary, nullable=True),
    _internal("reason", Text, nullable=True),
    _internal("sentence", Text, nullable=True),
    _internal("changed_ms", BigInteger),
    CheckConstraint(
        "state IN ('waiting', 'receipted', 'delivered', 'refused', 'lost')", name="state"
    ),
    CheckConstraint("(state IN ('waiting', 'refused')) = (leaf_index IS NULL)", name="receipt"),
    CheckConstraint("(state IN ('refused', 'lost')) = (reason IS NOT NULL)", name="reason"),
    Index(None, "state"),
)
