"""A measurement in a terminal: each turn's figures, the defects, and whether it is to be believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.judge.numbers import show
from harness.model.measurement import Measurement, Metric, Turn
from harness.model.status import COMPLETE
from reports.view.examined import examined
from reports.view.likeness import likeness_of

TURNS_SIDE_BY_SIDE = 5
UNITS = {"ratio": "share", "count": "", "samples": "", "bool": ""}


def measurement_table(measurement: Measurement) -> Group:
    status, good = measurement.capture_status, measurement.capture_status in COMPLETE
    head = Text.assemble(
        (measurement.trace_id, "bold"),
        f"  {measurement.lane} lane  ",
        (status.value, "green" if good else "magenta"),
        f"  {measurement.detail}" if measurement.detail else "",
    )
    parts: list[RenderableType] = [head]
    for first in range(0, len(measurement.turns), TURNS_SIDE_BY_SIDE):
        parts.append(_turns(measurement.turns[first : first + TURNS_SIDE_BY_SIDE]))
    if not measurement.turns:
        parts.append(Text("no turn: nobody asked and nobody answered", "magenta"))
    parts += [Text(line) for line in measurement.happenings]
    parts += [_call(measurement), *_reasons(measurement), _defects(measurement.turns), *_likenesses(measurement)]
    parts += [*_compared(measurement), _validity(measurement)]
    return Group(*parts)


def _turns(turns: Sequence[Turn]) -> Table:
    table = Table(title="turns", title_justify="left")
    table.add_column("metric")
    for turn in turns:
        asked = "greeting" if turn.greeting else "unasked"
        asked = f"to utterance {turn.utterance}" if turn.utterance is not None else asked
        table.add_column(f"reply {turn.reply_seq}\n{asked}", justify="right")
    for name in sorted({name for turn in turns for name in turn.metrics}):
        table.add_row(name, *(_cell(turn.metrics.get(name)) for turn in turns))
    return table


def _call(measurement: Measurement) -> Table:
    table = Table(title="the call", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, metric in measurement.metrics.items():
        table.add_row(name, _cell(metric))
    return table


def _cell(metric: Metric | None) -> Text:
    if metric is None:
        return Text("")
    if metric.not_applicable:
        return Text("n/a", "dim")
    if metric.value is None:
        return Text("no data", "magenta")
    within = f" ±{metric.uncertainty:g}" if metric.uncertainty is not None else ""
    shown = show(metric.value, UNITS.get(metric.unit, metric.unit)) + within
    return Text(f"{shown} !", "magenta") if metric.invalid else Text(shown)


def _reasons(measurement: Measurement) -> Iterator[Text]:
    """Why a number is missing or not to be believed; once for all metrics and turns with the same reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for metrics in (*(turn.metrics for turn in measurement.turns), measurement.metrics):
        for name, metric in metrics.items():
            kind = "n/a" if metric.not_applicable else "no data" if metric.value is None else "!" * metric.invalid
            if kind and name not in groups.setdefault((kind, metric.reason), []):
                groups[kind, metric.reason].append(name)
    for (kind, reason), names in groups.items():
        yield Text.assemble((f"{kind}: ", "dim" if kind == "n/a" else "magenta"), f"{', '.join(names)}: {reason}")


def _defects(turns: Sequence[Turn]) -> RenderableType:
    rows = [(turn.reply_seq, defect) for turn in turns for defect in turn.defects]
    looked = examined(turns)
    if not rows:
        return Text(looked.clean_bill(), "green" if looked.all_of_it else "yellow")
    title = f"{len(rows)} {'defect' if len(rows) == 1 else 'defects'}"
    table = Table(title=title, title_justify="left", caption=looked.not_examined() or None, caption_justify="left")
    for heading in ("reply", "kind", "in", "at", "length", "born", "what"):
        table.add_column(heading, justify="right" if heading in ("reply", "at", "length") else "left")
    for seq, defect in rows:
        at, length = f"{defect.start_ms:.1f} ms", show(defect.duration_ms, "ms")
        what = "; ".join(filter(None, [defect.detail, defect.evidence]))
        table.add_row(str(seq), defect.kind, defect.ring, at, length, defect.born.replace("_", " "), what)
    return table


def _likenesses(measurement: Measurement) -> Iterator[Text]:
    """The known fault most like each reply that trips a gate of sound."""
    for turn in measurement.turns:
        found = likeness_of(measurement, turn)
        if found:
            yield Text(f"reply {turn.reply_seq} is {found}")


def kpi_name(measurement: Measurement) -> str:
    return "eot_to_first_audio_ms" if measurement.lane == "bot" else "user_kpi_ms"


def _compared(measurement: Measurement) -> Iterator[Text]:
    """Which recordings the figures come from."""
    kpi, pair = kpi_name(measurement), ("post_user", "post_rtc") if measurement.lane == "bot" else ("mic", "ear")
    if any(kpi in turn.metrics and turn.metrics[kpi].value is not None for turn in measurement.turns):
        yield Text(f"{kpi}: from the user's last sound in {pair[0]}.wav to the answer's first in {pair[1]}.wav", "dim")
    rings = {ring for turn in measurement.turns for ring in turn.spans}
    heard = " and ".join(f"{ring}.wav" for ring in ("ear", "post_rtc") if ring in rings)
    if heard and "pre_rtc" in rings:
        yield Text(f"sound: {heard} compared with pre_rtc.wav", "dim")
    elif heard:
        yield Text(f"sound: {heard} compared with nothing that was published", "dim")


def _validity(measurement: Measurement) -> Text:
    kpi = kpi_name(measurement)
    doubted = [turn for turn in measurement.turns if kpi in turn.metrics and turn.metrics[kpi].invalid]
    if measurement.validity.ok and doubted:
        return Text(
            "\n".join(f"NOT TO BE BELIEVED: {kpi} of reply {t.reply_seq}: {t.metrics[kpi].reason}" for t in doubted),
            "bold magenta",
        )
    if measurement.validity.ok:
        return Text("the measurement is to be believed", "green")
    return Text("\n".join(f"INVALID: {reason}" for reason in measurement.validity.reasons), "bold magenta")
