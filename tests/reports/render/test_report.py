"""The report: every path is rendered from canned data, and says what a reviewer must not miss."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from harness.judge.fixes import FIXES, suggest
from harness.model.limits import Limits
from harness.model.measurement import Defect, Measurement, Metric, Span, Turn
from harness.model.status import CaptureStatus
from harness.model.verdict import Summary
from reports.render.run_report import finish_report, render_report
from reports.terminal.measurement_table import measurement_table
from reports.terminal.table import verdict_table
from reports.view.examined import examined
from reports.view.heard import turn_to_show
from reports.view.markdown import code, plain
from tests.judge.canned import GOOD, case, measurement, metric, summary, verdict


def rendered(whole: Summary, folder: Path) -> str:
    return render_report(whole, folder).read_text()


def test_the_verdict_comes_first_then_user_kpi(tmp_path: Path) -> None:
    text = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    assert text.splitlines()[0] == "# ✅ PASS: 1 of 1 cases passed"
    assert text.index("USER_KPI") < text.index("## Gates") < text.index("## Warnings") < text.index("## Cases")
    assert "max of 1" in text


def test_a_failing_case_shows_its_gate_with_value_and_threshold(tmp_path: Path) -> None:
    told = verdict(case("bad|name".replace("|", "_")), measurement("bad_name", max_gap_ms=metric(250.0)))
    text = rendered(summary([(case("bad_name"), told)]), tmp_path)
    assert "`max_gap` FAIL: 250 ms, wanted < 200 ms" in text
    assert "captures/r-bad_name-a1" in text
    assert "## Suggested fixes" in text


@pytest.mark.parametrize("status", list(CaptureStatus))
def test_every_capture_status_can_be_reported(tmp_path: Path, status: CaptureStatus) -> None:
    complete = status in (CaptureStatus.OK, CaptureStatus.NO_REPLY_EXPECTED)
    measured = measurement().model_copy(update={"capture_status": status}) if complete else None
    told = verdict(case(), measured, status=status, detail="a | b\nc")
    text = rendered(summary([(case(), told)]), tmp_path)
    assert status.value in text


def test_a_partial_report_says_so_in_its_first_line(tmp_path: Path) -> None:
    text = rendered(summary([], interrupted=True, complete=False, planned=("a", "b")), tmp_path)
    assert "PARTIAL" in text.splitlines()[0]
    assert "nothing was left out" not in text


def test_an_interrupted_run_shows_no_green_mark(tmp_path: Path) -> None:
    whole = summary([(case(), verdict(case(), measurement()))], interrupted=True, complete=False, planned=("c", "d"))
    first = rendered(whole, tmp_path).splitlines()[0]
    assert "PARTIAL, the run was interrupted: 1 of 1 cases passed; 1 case was not run" in first
    assert "✅" not in first
    assert "PASS" not in first


@pytest.mark.parametrize("lane", ["browser", "bot"])
def test_both_lanes_render(tmp_path: Path, lane: str) -> None:
    text = rendered(summary([(case(), verdict(case(), measurement()))], lane=lane), tmp_path)
    assert ("no ear" in text) == (lane == "bot")


def test_tables_are_not_broken_by_what_is_in_them(tmp_path: Path) -> None:
    told = verdict(case(), measurement(max_gap_ms=metric(None, reason="a | pipe\nand a line")))
    text = rendered(summary([(case(), told)]), tmp_path)
    widths: dict[int, int] = {}
    table = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            table += 1
            continue
        columns = len(re.findall(r"(?<!\\)\|", line))
        assert widths.setdefault(table, columns) == columns, line


def test_links_lead_to_files_that_exist(tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "r-c-a1"
    folder.mkdir(parents=True)
    (folder / "ear.wav").write_bytes(b"RIFF")
    text = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", text) if t.endswith((".wav", ".png", ".json"))]
    assert targets
    assert all((tmp_path / target).exists() for target in targets)


def test_a_missing_recording_costs_only_its_picture(tmp_path: Path) -> None:
    told = verdict(case(), measurement(max_gap_ms=metric(250.0)))
    whole = finish_report(summary([(case(), told)]), tmp_path)
    assert (tmp_path / "report.md").is_file()
    assert whole.cases[0].attempts[0].pictures == []


def test_the_summary_survives_its_own_json() -> None:
    whole = summary([(case(), verdict(case(), measurement()))])
    assert Summary.model_validate_json(whole.model_dump_json()) == whole


def test_the_terminal_shows_gates_and_headline() -> None:
    console = Console(width=100, file=io.StringIO())
    console.print(verdict_table(summary([(case(), verdict(case(), measurement()))])))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "max_gap" in text
    assert "PASS: 1 of 1 cases passed" in text


NASTY = "a `tick` | a pipe\nand <b>a tag</b> [a](link) *star* _under_ reply_ms <= 650 &amp; $x$ \\ end"


def test_nothing_from_elsewhere_is_read_as_markdown(tmp_path: Path) -> None:
    definition = case(title=NASTY)
    measured = measurement(max_gap_ms=metric(250.0, reason=NASTY), clipping_ratio=metric(None, reason=NASTY))
    whole = summary([(definition, verdict(definition, measured))], errors=(NASTY,))
    text = rendered(whole, tmp_path)
    assert text.count(plain(NASTY)) >= 4
    assert "<b>" not in text.replace("\\<b>", "")
    assert "[a](link)" not in text
    broken = verdict(definition, None, status=CaptureStatus.AGENT_CRASH, detail=NASTY)
    assert plain(NASTY) in rendered(summary([(definition, broken)]), tmp_path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("a\r\n b", "a b"),
        ("`x`", r"\`x\`"),
        ("<b>", r"\<b>"),
        ("wanted < 200 ms, <= 3", "wanted < 200 ms, <= 3"),
        ("pre_rtc.wav of _x_", r"pre_rtc.wav of \_x_"),
        ("quiet_speech_-30dBFS", "quiet_speech_-30dBFS"),
        ("# a heading", r"\# a heading"),
        ("1. a list", r"1\. a list"),
        ("12.5 ms", "12.5 ms"),
        ("", ""),
    ],
)
def test_text_is_escaped_only_where_it_would_be_read_as_markup(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_code_span_takes_any_backtick() -> None:
    assert code("run") == "`run`"
    assert code("a `b`") == "`` a `b` ``"


def defect(kind: str, start_ms: float, duration_ms: float, **fields: object) -> Defect:
    known = {"kind": kind, "ring": "post_rtc", "start_ms": start_ms, "duration_ms": duration_ms}
    return Defect.model_validate({**known, **fields})


def with_defects(name: str, defects: list[Defect], **turn: object) -> object:
    measured = measurement(name, **turn)  # type: ignore[arg-type]
    return measured.model_copy(update={"turns": [measured.turns[0].model_copy(update={"defects": defects})]})


def test_a_failing_case_lists_its_defects_with_where_they_were_born(tmp_path: Path) -> None:
    holes = [
        defect("dropout", 2_410.0, 380.4, born="in_rtc", detail="sound was lost", evidence="pre has | sound there"),
        defect("click", 1_000.0, 0.5, ring="pre_rtc", born="before_rtc"),
    ]
    told = verdict(case(), with_defects("c", holes, max_gap_ms=metric(380.4)))  # type: ignore[arg-type]
    text = rendered(summary([(case(), told)]), tmp_path)
    failed = text[text.index("## What failed") : text.index("## What was heard")]
    row = r"| reply 0 | dropout | post_rtc | 2.410 s | 380 ms | on the way, in WebRTC | sound was lost; pre has \| sound there |"
    assert row in failed
    assert "| reply 0 | click | pre_rtc | 1.000 s | 0.5 ms | in the agent, before WebRTC |" in failed


def test_what_was_heard_counts_kinds_by_ring_and_lists_the_worst_turns(tmp_path: Path) -> None:
    good, bad = case("good"), case("bad")
    click = defect("click", 5.0, 1.0)
    told = [
        (good, verdict(good, with_defects("good", [click, defect("gap", 9.0, 30.0), defect("click", 6.0, 1.0, ring="ear")]))),  # type: ignore[arg-type]
        (bad, verdict(bad, with_defects("bad", [click], max_gap_ms=metric(250.0)))),  # type: ignore[arg-type]
    ]  # fmt: skip
    text = rendered(summary(told), tmp_path)
    heard = text[text.index("## What was heard") : text.index("## Gates")]
    assert "| click | 0 | 2 | 1 | 3 not known |" in heard
    assert "| gap | 0 | 1 | 0 | 1 not known |" in heard
    assert "| good, reply 0 | click | ear |" in heard
    assert "| bad, reply 0" not in heard


def test_holes_are_told_by_their_length_and_packets_are_named(tmp_path: Path) -> None:
    holes = [
        defect("dropout", 300.0 * n, 80.0 * m + n % 3, born="before_rtc")
        for n, m in enumerate([1, 2, 1, 3, 1, 2, 1, 2])
    ]
    told = verdict(case(), with_defects("c", holes))  # type: ignore[arg-type]
    text = rendered(summary([(case(), told)]), tmp_path)
    assert "post_rtc: 4 of 80 to 160 ms, 4 of 160 to 320 ms; **multiples of 80 ms**" in text
    assert "pre_rtc: " not in text[text.index("Holes by their length") : text.index("## Gates")]


def test_a_run_without_a_defect_says_so(tmp_path: Path) -> None:
    whole = summary([(case(), verdict(case(), replied(measurement())))])
    assert "No defect was found in 1 reply.\n" in rendered(whole, tmp_path)
    assert "Not examined" not in rendered(whole, tmp_path)


def test_a_run_that_warns_is_not_called_free_of_defects(tmp_path: Path) -> None:
    warned = replied(measurement(), mel_distance_db=metric(12.0, "dB"))
    text = rendered(summary([(case(), verdict(case(), warned))]), tmp_path)
    assert "Nothing in 1 reply is marked as a defect, but not every limit is kept: mel_distance (WARN).\n" in text
    assert "No defect was found" not in text


def replied(measured: Measurement, **left_out: Metric) -> Measurement:
    """With a reply that was heard; `left_out` takes the place of metrics in it."""
    turn = measured.turns[0]
    told = {"spans": {"ear": Span(start=0, end=48_000)}, "metrics": turn.metrics | left_out}
    return measured.model_copy(update={"turns": [turn.model_copy(update=told)]})


def uninstrumented() -> Measurement:
    """As of an agent of which nothing but its sound is known."""
    why = "the agent is not instrumented: let it write agent_trace.jsonl and pre_rtc.wav (docs/how_to/own_agent.md)"
    kept = {name for name in GOOD if name.startswith(("user_kpi", "eot_to", "clipping", "reply_ms", "audio_valid"))}
    return replied(
        measurement(),
        **{name: metric(None, reason=why, not_applicable=True) for name in GOOD if name not in kept},
        garbage_longest_ms=metric(0.0),
    )


def test_what_was_not_examined_gets_no_clean_bill_anywhere(tmp_path: Path) -> None:
    whole = finish_report(summary([(case(), verdict(case(), uninstrumented()))]), tmp_path)
    bill = "No defect was found in 1 reply by what was examined: clipping, garbage and steady sounds."
    said = f"{bill} Not examined: holes, clicks, booms"
    assert said in (tmp_path / "report.md").read_text()
    assert "(without pre_rtc.wav; see docs/how_to/own_agent.md)." in (tmp_path / "report.md").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "Nothing is wrong here" not in page
    assert "Not examined: holes, clicks" in page
    console = Console(width=300, file=io.StringIO())
    console.print(verdict_table(whole), measurement_table(uninstrumented()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("Not examined: holes, clicks") == 2
    assert "no defects" not in text


def test_where_no_reply_was_heard_nothing_was_examined(tmp_path: Path) -> None:
    text = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    assert "No reply was heard, so nothing was examined for defects." in text
    assert "No defect" not in text


def test_what_only_some_replies_lack_is_counted() -> None:
    good = replied(measurement()).turns[0]
    torn = replied(
        measurement(), dropout_count=metric(None), dropout_count_ear=metric(None), dropout_count_pre=metric(None)
    )
    looked = examined([good, good, *torn.turns])
    assert looked.not_examined() == "Not examined: holes in 1 of 3 replies."


def test_a_reason_that_many_gates_share_is_said_once(tmp_path: Path) -> None:
    whole = finish_report(summary([(case(), verdict(case(), uninstrumented()))]), tmp_path)
    excluded = [gate.gate_id for gate in whole.gates if gate.status.value == "NOT_APPLICABLE"]
    assert len(excluded) > 15
    console = Console(width=2000, file=io.StringIO())
    console.print(verdict_table(whole))
    for text in (
        (tmp_path / "report.md").read_text().replace("\\", ""),
        (tmp_path / "report.html").read_text(),
        console.file.getvalue(),  # type: ignore[attr-defined]
    ):
        for reason in ("the agent is not instrumented", "nothing in this run is in its scope"):
            assert text.count(reason) <= 2, text  # of the gates, and of what was not measured
        assert all(gate_id in text for gate_id in excluded)
    assert sum("the agent is not instrumented" in line for line in whole.not_measured) == 1


def test_the_turn_that_failed_is_shown_and_not_the_first() -> None:
    measured = measurement()
    first = measured.turns[0]
    slow = first.model_copy(update={"reply_seq": 1, "metrics": first.metrics | {"user_kpi_raw_ms": metric(800.0)}})
    holed = first.model_copy(update={"reply_seq": 2, "metrics": first.metrics | {"max_gap_ms": metric(250.0)}})
    silent = Turn(reply_seq=3, utterance=3, metrics=first.metrics)
    heard = first.model_copy(update={"onset_sample": 5})

    def shown(*turns: Turn, unanswered: int = 0) -> int:
        call = {"unanswered_turn_count": metric(float(unanswered), "")}
        told = verdict(case(), measurement(call=call).model_copy(update={"turns": list(turns)}))
        turn = turn_to_show(told.attempts[0])
        assert turn is not None
        return turn.reply_seq

    assert shown(first, slow, holed) == 2
    assert shown(first, slow) == 1
    assert shown(heard, silent, unanswered=1) == 3


def test_missing_data_is_not_blamed_on_the_agent_and_keeps_its_reason(tmp_path: Path) -> None:
    gone = {name: metric(None, reason="pre_rtc.wav is missing") for name in ("max_gap_ms", "dropout_count")}
    for tier in ("P0", "P1"):
        definition = case(tier=tier)
        missing = {"eot_to_first_audio_ms": metric(14.0, invalid=True, reason="below the hangover")}
        told = verdict(definition, measurement(clipping_ratio=metric(None, reason="cut"), **gone, **missing))
        fixes = suggest([told])
        assert not any(fix.text in FIXES.values() for fix in fixes)
        abouts = {fix.about: fix.evidence for fix in fixes}
        assert abouts["INVALID: below the hangover"] == ("c: eot_to_first_audio",)
        assert abouts["NO_DATA: cut"] == ("c: clipping_ratio",)
        if tier == "P0":
            assert abouts["NO_DATA: pre_rtc.wav is missing"] == ("c: audible_dropout, max_gap",)


def test_what_only_the_run_shows_has_its_advice_too() -> None:
    told = []
    for k in range(12):
        definition = case(f"c{k}")
        told.append((definition, verdict(definition, measurement(definition.id))))
    whole = summary(told)
    (fix,) = {fix.about: fix for fix in suggest(whole.cases, whole.gates)}.values()
    assert "resolution" in fix.about
    assert fix.evidence == ("the run: eot_to_first_audio, user_kpi",)


def test_limits_that_do_not_ship_are_said_in_every_report(tmp_path: Path) -> None:
    limits = Limits(own={"max_gap": 400})
    told = verdict(case(), measurement(max_gap_ms=metric(300.0)), limits=limits)
    whole = finish_report(summary([(case(), told)], limits=limits), tmp_path)
    console = Console(width=300, file=io.StringIO())
    console.print(verdict_table(whole))
    for text in ((tmp_path / "report.md").read_text(), console.file.getvalue()):  # type: ignore[attr-defined]
        assert "< 400 ms, yours; shipped 200" in text
        assert "yours: max_gap < 400 ms (shipped 200 ms)" in text.replace("\\", "")
    page = (tmp_path / "report.html").read_text()
    assert "Limits that do not ship:" in page
    assert "&lt; 400 ms, yours; shipped 200" in page
    assert whole.status.value == "PASS"
    shipped = rendered(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    assert "do not ship" not in shipped
    assert "yours" not in shipped
