"""The keys store: one wrapped key for each archive unit, or the mark that it was destroyed."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, MetaData, Table, func

from retention.stores.columns import TOKEN, UtcDateTime

metadata = MetaData()

units = Table(
    "keys_units",
    metadata,
    Column("unit_id", TOKEN, primary_key=True),
    Column("wrapped", LargeBinary),
    # The database's clock: when a key was made is a fact of operation and decides nothing.
    Column("created_at", UtcDateTime, nullable=False, server_default=func.current_timestamp()),
    Column("destroyed_at", UtcDateTime),
)
