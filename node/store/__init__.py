"""The node's only SQL: schema, migrations and queries in small modules."""
