"""Schema 3: the limits that judged a run, where they are not those that ship."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    op.add_column("run", sa.Column("limits", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("gate", sa.Column("limit_note", sa.String(), nullable=False, server_default=""))
