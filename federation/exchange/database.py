"""The coordinator's tables beside the log: public blobs, invitations, enrolment requests.

Lives here: the SQL schema and how its file is opened. Must not know what any of it means.
"""

from pathlib import Path

import sqlalchemy as sql

from federation.log import database

metadata = sql.MetaData()

blobs = sql.Table(
    "blobs",
    metadata,
    sql.Column("digest", sql.LargeBinary, primary_key=True),
    sql.Column("content", sql.LargeBinary, nullable=False),
)
invitations = sql.Table(
    "invitations",
    metadata,
    sql.Column("code_digest", sql.LargeBinary, primary_key=True),
    sql.Column("division", sql.Text, nullable=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("expires_ms", sql.Integer, nullable=False),
)
enrolments = sql.Table(
    "enrolments",
    metadata,
    sql.Column("code_digest", sql.LargeBinary, primary_key=True),
    sql.Column("division", sql.Text, nullable=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("signing_key", sql.LargeBinary, nullable=False),
    sql.Column("sealing_key", sql.LargeBinary, nullable=False),
    sql.Column("tls_key_digest", sql.LargeBinary, nullable=False),
    sql.Column("received_ms", sql.Integer, nullable=False),
)


def open_database(path: Path) -> sql.Engine:
    """Return an engine on the file, made with mode 0600 when it is missing.

    Nothing here is history: unlike the log, an empty file loses no receipt. StorageFault when the
    database fails.
    """
    path.touch(mode=0o600)
    engine = database.engine(path)
    with database.transaction(engine, write=True) as connection:
        metadata.create_all(connection)
    return engine
