"""Alembic's entry: runs the migrations on the connection that `database` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from harness.history.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
