"""report.html as a reader, a browser and a screen reader rely on it: parsed strictly, from a call that was really measured."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pytest
import soundfile
from PIL import Image

from harness.judge.verdict import judge_attempt, judge_case
from harness.listen.measure import listen
from harness.model.capture import AGENT_TRACE, read_manifest
from harness.model.case import Case
from harness.model.status import CaptureStatus
from harness.model.verdict import CaseVerdict, Summary
from reports.render.html import render_html
from reports.view.moments import CONTEXT_S, worst_moments
from tests.judge.canned import case, measurement, metric, summary, verdict
from tests.listen.captures import hole, ms, simple_call, stretch

NASTY = '</style></title><script>alert("x")</script><img src=x onerror=alert(1)> & "quoted"'
HOLE_AT_MS, HOLE_MS = 700.0, 260.0
DROPOUT = r"dropout of 26\d ms"  # as measured: its edges are in the codec's noise


@dataclass
class Read:
    """A page as a browser reads it."""

    text: str  # the file
    root: Element

    def all(self, tag: str) -> list[Element]:
        return list(self.root.iter(tag))

    def by_id(self, name: str) -> Element:
        return next(element for element in self.root.iter() if element.get("id") == name)

    @property
    def words(self) -> str:
        """What stands on the page, in the order in which it is read."""
        return " ".join(" ".join(_words(self.root)).split())


def _words(element: Element) -> Iterator[str]:
    if element.tag in ("style", "script"):
        return
    yield element.text or ""
    for child in element:
        yield from _words(child)
        yield child.tail or ""


def read(path: Path) -> Read:
    text = path.read_text(encoding="utf-8")
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    return Read(text, root)


def measured_call(
    run_dir: Path, name: str = "made", title: str = "made", **changes: object
) -> tuple[Case, CaseVerdict]:
    """A call that is written, heard and judged as a run does it."""
    definition = case(name, title=title)
    folder = simple_call(**changes).write(run_dir / "captures" / f"t-{name}-a1")  # type: ignore[arg-type]
    manifest = read_manifest(folder).model_copy(update={"trace_id": f"t-{name}-a1", "case_id": name})
    heard = listen(folder).model_copy(update={"trace_id": manifest.trace_id, "case_id": name})
    told = judge_attempt(definition, manifest, heard, f"captures/t-{name}-a1")
    return definition, judge_case(definition, [told])


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A run of two calls: one good, one with a hole on the way to both listeners."""
    run_dir = tmp_path_factory.mktemp("run")
    cut = {"at_ear": lambda x: hole(x, HOLE_AT_MS, HOLE_MS), "at_probe": lambda x: hole(x, HOLE_AT_MS, HOLE_MS - 20)}
    told = [measured_call(run_dir, "good"), measured_call(run_dir, "holed", "the one with the hole", **cut)]
    return run_dir, summary(told, environment={"host": {"cpu_count": 2}, "versions": {"commit": "abc"}})


@pytest.fixture(scope="module")
def page(holed: tuple[Path, Summary]) -> Read:
    run_dir, whole = holed
    return read(render_html(whole, run_dir))


def test_the_verdict_stands_first_then_the_kpi_the_worst_moments_the_gates_and_the_cases(page: Read) -> None:
    (heading,) = page.all("h1")
    assert "".join(heading.itertext()) == "FAIL: 1 of 2 cases passed; holed FAIL"
    words = page.words
    order = ["FAIL: 1 of 2 cases passed", "USER_KPI", "The worst moments", "Gates", "longest hole in a reply", "Cases"]
    order += ["What was not measured", "Environment", "commit"]
    contents = words.index("The worst moments")  # past the list of contents
    places = [words.index(part) for part in order[:3]] + [words.index(part, contents) for part in order[3:]]
    assert places == sorted(places)


def test_the_worst_moment_is_the_hole_and_it_can_be_heard_in_each_ring(page: Read) -> None:
    first = page.all("article")[0]
    (heading,) = first.iter("h3")
    assert re.search(DROPOUT, "".join(heading.itertext()))
    assert [player.get("aria-label", "").split(":")[0] for player in first.iter("audio")] == [
        "pre-RTC (agent's PCM)",
        "post-RTC (second listener)",
        "ear (browser)",
    ]
    assert all("controls" in player.attrib for player in first.iter("audio"))


def decoded(uri: str) -> bytes:
    head, _, content = uri.partition(",")
    assert head.startswith("data:")
    assert head.endswith(";base64")
    return base64.b64decode(content, validate=True)


def test_the_sound_is_the_recordings_own_and_as_long_as_the_page_says(page: Read, holed: tuple[Path, Summary]) -> None:
    run_dir, whole = holed
    moment = worst_moments(whole)[0]
    ear = list(page.all("article")[0].iter("audio"))[-1]
    sound, rate_hz = soundfile.read(io.BytesIO(decoded(ear.get("src", ""))), dtype="float32")
    stated_s = re.search(r"([\d.]+) s, from", ear.get("aria-label", ""))
    assert stated_s is not None
    assert rate_hz == 48_000
    assert len(sound) / rate_hz == pytest.approx(float(stated_s[1]), abs=0.005)
    assert len(sound) / rate_hz == pytest.approx(HOLE_MS / 1e3 + 2 * CONTEXT_S, abs=0.03)
    recording, _ = soundfile.read(run_dir / moment.attempt.folder / "ear.wav", dtype="float32")
    assert moment.defect is not None
    begin = round((moment.defect.start_ms / 1e3 - CONTEXT_S) * rate_hz)
    assert np.abs(recording[begin : begin + len(sound)] - sound).max() < 1e-3
    middle = slice(ms(1e3 * CONTEXT_S + 30), ms(1e3 * CONTEXT_S + HOLE_MS - 30))
    assert np.abs(sound[middle]).max() == 0.0


def test_the_mark_lies_over_what_is_marked_and_the_picture_says_it_in_words(page: Read) -> None:
    strips = [element for element in page.all("article")[0].iter("div") if element.get("class") == "strip"]
    ear = strips[-1]
    (mark,) = [element for element in ear.iter("i") if element.get("class") == "chief"]
    place = re.fullmatch(r"left:([\d.]+)%;width:([\d.]+)%", mark.get("style", ""))
    assert place is not None
    left, width = float(place[1]), float(place[2])
    assert left == pytest.approx(100 - left - width, abs=0.1)  # half a second on each side
    (picture,) = ear.iter("img")
    image = np.asarray(Image.open(io.BytesIO(decoded(picture.get("src", "")))))
    columns = image.sum(axis=0)
    inside = columns[int(len(columns) * (left + 4) / 100) : int(len(columns) * (left + width - 4) / 100)]
    assert inside.max() < np.median(columns[: int(len(columns) * (left - 4) / 100)])
    assert re.search(DROPOUT, picture.get("alt", ""))


def test_every_picture_has_a_text_and_every_player_a_name(page: Read) -> None:
    assert page.all("img")
    assert all(picture.get("alt") for picture in page.all("img"))
    assert all(player.get("aria-label") for player in page.all("audio"))
    assert all(bar.get("aria-label") for bar in page.root.iter() if bar.get("role") == "img")


def test_the_file_needs_nothing_but_itself(page: Read) -> None:
    ids = {element.get("id") for element in page.root.iter() if element.get("id")}
    for element in page.root.iter():
        assert element.tag not in ("script", "iframe", "object", "embed", "form", "base")
        assert not any(name.startswith("on") for name in element.attrib)
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            target = element.get(name, "")
            assert target == "" or target.startswith(("data:", "#")), target[:80]
            if target.startswith("#"):
                assert target[1:] in ids
    styles = "".join("".join(style.itertext()) for style in page.all("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(meta.get("content", "") for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_ids_are_unique_and_headings_leave_no_level_out(page: Read) -> None:
    ids = [element.get("id") for element in page.root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    levels = [int(element.tag[1]) for element in page.root.iter() if re.fullmatch(r"h[1-6]", str(element.tag))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_gates_are_grouped_worst_first_with_value_limit_place_and_fix(page: Read) -> None:
    gates = next(section for section in page.all("section") if section.get("aria-labelledby") == "gates")
    captions = ["".join(caption.itertext()).split()[0] for caption in gates.iter("caption")]
    assert captions[0] == "FAIL"
    assert captions == [name for name in ("FAIL", "WARN", "PASS", "NOT_APPLICABLE") if name in captions]
    failing = page.all("table")[0]
    row = next(
        " ".join("".join(tr.itertext()).split()) for tr in failing.iter("tr") if "max_gap" in "".join(tr.itertext())
    )
    for part in ("longest hole in a reply", "ms", "< 200 ms", "holed", "attempt 1, reply 0", "Suggested fix"):
        assert part in row


def test_a_value_over_all_cases_is_not_read_against_one_cases_limit(tmp_path: Path) -> None:
    longer, quick = case("longer", min_reply_ms=10_000), case("quick")
    told = [
        (longer, verdict(longer, measurement("longer", reply_ms=metric(9_939.0)))),
        (quick, verdict(quick, measurement("quick", reply_ms=metric(878.0)))),
    ]
    page = read(render_html(summary(told), tmp_path))
    row = next(
        " ".join("".join(tr.itertext()).split()) for tr in page.all("tr") if "not_short" in "".join(tr.itertext())
    )
    assert "9939 ms, the case's own limit is >= 10000 ms" in row
    assert "878 ms over all cases the case's own longer, attempt 1, reply 0" in row


def test_what_failed_is_open_and_what_passed_is_closed(page: Read) -> None:
    cases = {element.get("id"): "open" in element.attrib for element in page.all("details") if element.get("id")}
    assert cases == {"case-holed": True, "case-good": False}
    assert list(cases) == ["case-holed", "case-good"]


def test_the_waterfall_is_drawn_to_scale_and_said_in_words(page: Read) -> None:
    bars = [element for element in page.root.iter() if element.get("class") == "bar"]
    assert len(bars) == 2
    for bar in bars:
        widths = [float(part.get("style", "").removeprefix("width:").removesuffix("%")) for part in bar]
        assert sum(widths) == pytest.approx(100, abs=0.01)
        assert len(bar.get("aria-label", "").split(",")) == len(widths)


def test_nothing_that_is_said_elsewhere_becomes_markup(tmp_path: Path) -> None:
    definition, _ = measured_call(tmp_path, "nasty", NASTY)
    trace = tmp_path / "captures" / "t-nasty-a1" / AGENT_TRACE
    line = json.loads(trace.read_text()) | {"reply_text": f"reply {NASTY}", "user_text": f"heard {NASTY}"}
    trace.write_text(json.dumps(line) + "\n")
    heard = listen(trace.parent).model_copy(update={"trace_id": "t-nasty-a1", "case_id": "nasty"})
    turn = heard.turns[0]
    spoilt = turn.metrics | {"max_gap_ms": metric(250.0, reason=f"reason {NASTY}")}
    heard = heard.model_copy(update={"turns": [turn.model_copy(update={"metrics": spoilt})]})
    told = judge_attempt(
        definition,
        read_manifest(trace.parent).model_copy(update={"trace_id": "t-nasty-a1"}),
        heard,
        "captures/t-nasty-a1",
    )
    environment = {"host": {NASTY: NASTY}, "versions": {"commit": NASTY}}
    whole = summary([(definition, judge_case(definition, [told]))], errors=(NASTY,), environment=environment)
    page = read(render_html(whole, tmp_path))
    assert not page.all("script")
    assert not [picture for picture in page.all("img") if picture.get("src") == "x"]
    words = page.words
    for prefix in ("reply ", "heard ", "reason "):
        assert prefix + NASTY in words
    assert f"({NASTY})" in words  # the case's title


def test_without_recordings_the_page_says_what_is_missing(tmp_path: Path) -> None:
    page = read(render_html(summary([(case(), verdict(case(), measurement()))]), tmp_path))
    assert not page.all("audio")
    for file in ("pre_rtc.wav", "post_rtc.wav", "ear.wav"):
        assert f"Nothing to play: {file} is not in the capture." in page.words


def test_a_recording_that_cannot_be_read_costs_only_its_own_player(tmp_path: Path) -> None:
    told = measured_call(tmp_path, "torn")
    (tmp_path / "captures" / "t-torn-a1" / "post_rtc.wav").write_bytes(b"RIFF")
    page = read(render_html(summary([told]), tmp_path))
    assert "Nothing to play: post_rtc.wav cannot be read." in page.words
    assert len(page.all("audio")) == 3  # the user, pre-RTC, the ear


@pytest.mark.parametrize("status", list(CaptureStatus))
def test_every_capture_status_can_be_shown(tmp_path: Path, status: CaptureStatus) -> None:
    complete = status in (CaptureStatus.OK, CaptureStatus.NO_REPLY_EXPECTED)
    heard = measurement().model_copy(update={"capture_status": status}) if complete else None
    page = read(render_html(summary([(case(), verdict(case(), heard, status=status, detail="why"))]), tmp_path))
    assert f"capture {status.value}" in page.words
    if not complete:
        assert "No turn was measured, so there is no moment to hear." in page.words


def test_a_partial_run_says_so_first_and_an_empty_one_is_a_page_too(tmp_path: Path) -> None:
    page = read(render_html(summary([], interrupted=True, complete=False, planned=("a",)), tmp_path))
    assert page.words.index("PARTIAL") < page.words.index("This report is partial.") < page.words.index("Gates")
    assert "No case was run." in page.words


@pytest.mark.parametrize("lane", ["browser", "bot"])
def test_both_lanes_render(tmp_path: Path, lane: str) -> None:
    heard = measurement().model_copy(update={"lane": lane})
    page = read(render_html(summary([(case(), verdict(case(), heard))], lane=lane), tmp_path))
    assert ("the bot lane has no ear" in page.words) == (lane == "bot")
    assert ("ear (2)" in page.words) == (lane == "browser")


def test_a_number_that_is_not_believed_is_not_shown_as_one(tmp_path: Path) -> None:
    doubtful = metric(123.4, invalid=True, reason="the clock slipped")
    whole = summary([(case(), verdict(case(), measurement(user_kpi_raw_ms=doubtful)))])
    words = read(render_html(whole, tmp_path)).words
    assert "123 ms !" in words
    assert "The wait is not to be believed: the clock slipped" in words
    assert "123 ms P50" not in words


def test_a_reply_that_was_stretched_or_is_short_of_the_cut_still_gives_equal_lengths(tmp_path: Path) -> None:
    told = measured_call(tmp_path, "late", at_ear=lambda x: hole(stretch(x, 300, 40), 1_500, 90), total_ms=4_300.0)
    page = read(render_html(summary([told]), tmp_path))
    lengths = {len(soundfile.read(io.BytesIO(decoded(player.get("src", ""))))[0]) for player in page.all("audio")}
    assert len(lengths) == 1


def test_a_night_of_one_case_shows_what_did_not_pass_and_counts_the_rest(tmp_path: Path) -> None:
    definition = case()
    attempts = [
        verdict(definition, measurement(attempt=n, **({"max_gap_ms": metric(250.0)} if n == 33 else {})))
        .attempts[0]
        .model_copy(update={"attempt": n})
        for n in range(1, 41)
    ]
    page = read(render_html(summary([(definition, judge_case(definition, attempts))]), tmp_path))
    headings = ["".join(h.itertext()) for h in page.by_id("case-c").iter("h3")]
    assert len(headings) == 10
    assert headings[0].startswith("Attempt 33 FAIL")
    assert "30 more attempts are in summary.json: 30 PASS." in page.words
