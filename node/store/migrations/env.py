"""Runs migrations on the connection handed in by :func:`node.store.migrations.migrate`."""

from alembic import context

from node.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
