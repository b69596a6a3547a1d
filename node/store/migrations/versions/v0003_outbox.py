"""What this city publishes, kept until the log has it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("payload_type", sa.Text(), nullable=False),
        sa.Column("document_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=True),
        sa.Column("inclusion_path", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'receipted', 'delivered', 'refused', 'lost')",
            name=op.f("ck_outbox_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'refused')) = (leaf_index IS NULL)",
            name=op.f("ck_outbox_receipt"),
        ),
        sa.CheckConstraint(
            "(state IN ('refused', 'lost')) = (reason IS NOT NULL)", name=op.f("ck_outbox_reason")
        ),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("document_digest", name=op.f("uq_outbox_document_digest")),
    )
    op.create_index(op.f("ix_outbox_state"), "outbox", ["state"], unique=False)


def downgrade() -> None:
    """Drop it."""
    op.drop_index(op.f("ix_outbox_state"), table_name="outbox")
    op.drop_table("outbox")
