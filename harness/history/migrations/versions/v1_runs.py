"""Schema 1: runs, attempts, turns, metrics, gates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("started_at", sa.String(), nullable=False, index=True),
        sa.Column("finished_at", sa.String()),
        sa.Column("status", sa.String()),
        sa.Column("complete", sa.Boolean()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("mic", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("agent", sa.JSON(), nullable=False),
        sa.Column("page", sa.JSON(), nullable=False),
        sa.Column("machine_class", sa.String(), nullable=False),
        sa.Column("commit", sa.String()),
        sa.Column("dirty", sa.Boolean()),
        sa.Column("ears", sa.String()),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("host", sa.JSON(), nullable=False),
        sa.Column("folder", sa.String()),
        sa.Column("wall_s", sa.Double()),
        sa.Column("first_attempt_pass_rate", sa.Double()),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(), _of("run.run_id"), nullable=False, index=True),
        sa.Column("trace_id", sa.String(), nullable=False, unique=True),
        sa.Column("case_id", sa.String(), nullable=False, index=True),
        sa.Column("case_hash", sa.String()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("capture_status", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("valid", sa.Boolean()),
        sa.Column("doubts", sa.JSON(), nullable=False),
        sa.Column("wall_s", sa.Double()),
        sa.Column("content", sa.String(), nullable=False),
    )
    op.create_table(
        "turn",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("attempt_id", sa.Integer(), _of("attempt.id"), nullable=False, index=True),
        sa.Column("reply_seq", sa.Integer(), nullable=False),
        sa.Column("utterance", sa.Integer()),
        sa.UniqueConstraint("attempt_id", "reply_seq"),
    )
    op.create_table(
        "metric",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("attempt_id", sa.Integer(), _of("attempt.id"), nullable=False, index=True),
        sa.Column("turn_id", sa.Integer(), _of("turn.id"), index=True),
        sa.Column("name", sa.String(), nullable=False, index=True),
        sa.Column("value", sa.Double()),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("uncertainty", sa.Double()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("invalid", sa.Boolean(), nullable=False),
        sa.Column("not_applicable", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "gate",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(), _of("run.run_id"), nullable=False, index=True),
        sa.Column("attempt_id", sa.Integer(), _of("attempt.id"), index=True),
        sa.Column("gate_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("would_be", sa.String()),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("op", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )


def _of(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column, ondelete="CASCADE")
