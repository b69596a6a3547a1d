"""An answer's vector beside its envelope."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column: answers so far have none."""
    op.add_column(
        "answers", sa.Column("vector", sa.LargeBinary(), server_default="", nullable=False)
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("answers", "vector")
