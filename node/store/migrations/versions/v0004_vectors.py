"""Where an answer's vector lies in the file beside the database."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns: answers so far have no vector."""
    for name in ("vector_start", "vector_size"):
        column = sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
        op.add_column("answers", column)


def downgrade() -> None:
    """Drop them."""
    op.drop_column("answers", "vector_size")
    op.drop_column("answers", "vector_start")
