"""The tables, typed (SQLAlchemy 2 declarative). Times of writing are ISO 8601 in UTC; durations ms where a name says so.

An attempt is written whole, in one transaction: its turns, metrics and gates. A metric's `value` is NULL where nothing
was computed, with the reason; a metric of the call as a whole has no turn, a gate over the whole run no attempt. A row of
`baseline` and of `baseline_log` is never changed or deleted: a new version is a new row.

SCHEMA_VERSION history: 1 runs, attempts, turns, metrics, gates; 2 baselines, their samples, their log; 3 limits of one's own
(`run.limits`, `gate.limit_note`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA_VERSION = 3

_ALL = "all, delete-orphan"


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, str: String}  # noqa: RUF012 (SQLAlchemy's own form)


class Run(Base):
    """A run and what it was made with. `status` is NULL while it is under way, or if it was killed."""

    __tablename__ = "run"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[str] = mapped_column(index=True)
    finished_at: Mapped[str | None]
    status: Mapped[str | None]
    complete: Mapped[bool | None]
    exit_code: Mapped[int | None]
    suite: Mapped[str]
    lane: Mapped[str]
    mic: Mapped[str]
    link: Mapped[str]  # the profile's name
    agent: Mapped[dict[str, Any]]
    page: Mapped[dict[str, Any]]
    machine_class: Mapped[str]
    commit: Mapped[str | None]
    dirty: Mapped[bool | None]
    ears: Mapped[str | None]  # which listening code measured it
    versions: Mapped[dict[str, Any]]
    host: Mapped[dict[str, Any]]
    folder: Mapped[str | None]
    limits: Mapped[dict[str, Any]]  # {}: the shipped ones
    wall_s: Mapped[float | None]
    first_attempt_pass_rate: Mapped[float | None]
    attempts: Mapped[list[Attempt]] = relationship(
        back_populates="run", cascade=_ALL, passive_deletes=True, order_by="Attempt.id"
    )


class Attempt(Base):
    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.run_id", ondelete="CASCADE"), index=True)
    trace_id: Mapped[str] = mapped_column(unique=True)
    case_id: Mapped[str] = mapped_column(index=True)
    case_hash: Mapped[str | None]  # of what the case says, to the sample
    attempt: Mapped[int]
    status: Mapped[str]
    capture_status: Mapped[str]
    detail: Mapped[str]
    valid: Mapped[bool | None]  # whether the measurement is to be believed; NULL: nothing was measured
    doubts: Mapped[list[Any]]  # why not
    wall_s: Mapped[float | None]
    content: Mapped[str]  # hash of its content: the same is not written again
    run: Mapped[Run] = relationship(back_populates="attempts")
    turns: Mapped[list[TurnRow]] = relationship(cascade=_ALL, passive_deletes=True, order_by="TurnRow.reply_seq")
    metrics: Mapped[list[MetricRow]] = relationship(cascade=_ALL, passive_deletes=True)
    gates: Mapped[list[GateRow]] = relationship(cascade=_ALL, passive_deletes=True)


class TurnRow(Base):
    __tablename__ = "turn"
    __table_args__ = (UniqueConstraint("attempt_id", "reply_seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id", ondelete="CASCADE"), index=True)
    reply_seq: Mapped[int]
    utterance: Mapped[int | None]  # index of the user's utterance it answers


class MetricRow(Base):
    """`value` with its ± in the same unit, or why there is none. `turn_id` NULL: of the call as a whole."""

    __tablename__ = "metric"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id", ondelete="CASCADE"), index=True)
    turn_id: Mapped[int | None] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(index=True)
    value: Mapped[float | None]
    unit: Mapped[str]
    uncertainty: Mapped[float | None]
    reason: Mapped[str]
    invalid: Mapped[bool]
    not_applicable: Mapped[bool]
    turn: Mapped[TurnRow | None] = relationship()


class GateRow(Base):
    """A gate's result in an attempt; over the whole run where `attempt_id` is NULL."""

    __tablename__ = "gate"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.run_id", ondelete="CASCADE"), index=True)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id", ondelete="CASCADE"), index=True)
    gate_id: Mapped[str]
    status: Mapped[str]
    would_be: Mapped[str | None]
    blocking: Mapped[bool]
    value: Mapped[float | None]
    threshold: Mapped[float]
    op: Mapped[str]
    unit: Mapped[str]
    n: Mapped[int]
    reason: Mapped[str]
    limit_note: Mapped[str]  # whose threshold it is, where it is not the shipped one


class Baseline(Base):
    """One version of a named set of runs. It has samples of its own: later changes to a run do not change them."""

    __tablename__ = "baseline"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    made_at: Mapped[str]
    made_by: Mapped[str]
    reason: Mapped[str]
    environment: Mapped[dict[str, Any]]  # what a run must share with the baseline
    about: Mapped[dict[str, Any]]  # commits, hosts and versions of its runs; not compared
    runs: Mapped[list[Any]]  # run ids
    cases: Mapped[dict[str, Any]]  # case id → hash
    samples: Mapped[list[BaselineSample]] = relationship(order_by="BaselineSample.id")


class BaselineSample(Base):
    """One number of one turn, as it was when the baseline was set."""

    __tablename__ = "baseline_sample"

    id: Mapped[int] = mapped_column(primary_key=True)
    baseline_id: Mapped[int] = mapped_column(ForeignKey("baseline.id"), index=True)
    run_id: Mapped[str]
    trace_id: Mapped[str]
    case_id: Mapped[str]
    utterance: Mapped[int]
    metric: Mapped[str]
    value: Mapped[float]


class BaselineLog(Base):
    """Who did what to a baseline, when and why. `limit_ms`: the limit of USER_KPI's P95 from then on, if promoted."""

    __tablename__ = "baseline_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str]
    by: Mapped[str]
    name: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    action: Mapped[str]  # set | promote
    reason: Mapped[str]
    limit_ms: Mapped[float | None]
    detail: Mapped[dict[str, Any]]
