"""The list of cases, and their export: WAV, truth and picture."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model.case import CASE_RATE_HZ
from harness.model.plan import BuiltCase


@dataclass(frozen=True)
class Row:
    """One line of `earwitness cases`; `duration_s` is the length of the built WAV."""

    id: str
    tier: str
    suites: tuple[str, ...]
    tags: tuple[str, ...]
    duration_s: float
    title: str


def list_rows(cases: Sequence[BuiltCase]) -> list[Row]:
    return [
        Row(
            id=b.case.id,
            tier=b.case.tier.value,
            suites=tuple(b.case.suite),
            tags=tuple(b.case.tags),
            duration_s=b.truth.n_samples / CASE_RATE_HZ,
            title=b.case.title,
        )
        for b in cases
    ]


def export_case(built: BuiltCase, folder: Path) -> list[Path]:
    """The files written."""
    from harness.speech.picture import draw_case  # matplotlib loads only where a picture is wanted

    folder.mkdir(parents=True, exist_ok=True)
    wav, truth, png = (folder / f"{built.case.id}{ending}" for ending in (".wav", ".truth.json", ".png"))
    shutil.copyfile(built.wav, wav)
    truth.write_text(built.truth.model_dump_json(indent=2), encoding="utf-8")
    draw_case(built, png)
    return [wav, truth, png]
