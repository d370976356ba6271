"""Alembic's entry: migrates the one store that ``retention.stores.open.migrate`` hands in.

A change of a store's tables is a new file in ``versions/<store>``, written by hand after the
last one; ``tests/test_stores.py`` compares the outcome with the tables in ``retention.stores``.
"""

from __future__ import annotations

from alembic import context

store = context.config.attributes["store"]

context.configure(
    connection=context.config.attributes["connection"],
    version_table=f"{store}_alembic_version",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
