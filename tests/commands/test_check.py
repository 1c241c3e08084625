"""`earwitness check` and `adopt` as a user meets them: what they print and write, exit statuses, one line for bad input."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from harness.commands.main import main
from harness.model.call_heard import CallHeard
from harness.model.case import Truth
from harness.run.cases import load_checked_cases
from harness.speech.build import build_case
from harness.speech.voices import Voices
from tests.listen.check.calls import BARGE_IN_AFTER_MS, PER_MS, Conversation, Laid, conversation, spoken, write


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """As printed, wherever the terminal's width broke its lines."""
        return " ".join(self.out.split())


@pytest.fixture
def ew(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Done]:
    def run(*arguments: object) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["earwitness", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return Done(int(caught.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write(tmp_path / "call.wav", *conversation().channels(user_noise_dbfs=-75))


def test_one_command_prints_the_figures_and_writes_a_page_with_the_sound_in_it(
    ew: Callable[..., Done], call: Path
) -> None:
    done = ew("check", call)
    assert done.code == 0, done.err
    for shown in (
        "5 turns of the user, 4 answered, 1 with nobody answering",
        "the user is taken to be on the left channel: it has a microphone's noise",
        "nobody answers: 4000 ms of silence",
        "the user interrupts, and the agent talks on for",
        "the agent speaks into the user's words for",
        "not known: what was said",
    ):
        assert shown in done.words
    page = (call.parent / "call.check.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert len(re.findall(r'<audio controls [^>]*src="data:audio/flac;base64,', page)) == page.count("<article") >= 4
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    for said in ("5 turns of the user", "What this recording cannot tell", "--pin 1", "the agent talked on for"):
        assert said in page.replace("&#39;", "'")


def test_the_record_is_printed_as_json_and_is_the_same_again(ew: Callable[..., Done], call: Path) -> None:
    first, again = ew("check", call, "--json"), ew("check", call, "--json")
    record = CallHeard.model_validate_json(first.out)
    assert record.moments[0].kind == "unanswered"
    assert first.out == again.out
    assert json.loads(first.out)["schema_version"] == 1


def test_a_moment_becomes_a_case_that_the_loader_takes(ew: Callable[..., Done], call: Path, tmp_path: Path) -> None:
    record = CallHeard.model_validate_json(ew("check", call, "--json").out)
    number = next(moment.number for moment in record.moments if moment.kind == "barge_in")
    done = ew("check", call, "--pin", number, "--out", tmp_path / "pinned")
    assert done.code == 0, done.err
    [(path, case)] = load_checked_cases([tmp_path / "pinned"])
    assert case.interrupts
    with Voices() as voices:
        truth = build_case(case, path, tmp_path / "cache", voices).truth
    before, interruption = truth.utterances
    assert before.after is None
    assert interruption.after == "reply_start"
    assert interruption.delay_ms == pytest.approx(BARGE_IN_AFTER_MS, abs=3)


def test_a_call_becomes_a_case_with_the_users_words_to_the_sample(
    ew: Callable[..., Done], call: Path, tmp_path: Path
) -> None:
    made = conversation()
    done = ew("adopt", call, "--user", "left", "--id", "mine")
    assert done.code == 0, done.err
    assert "earwitness run mine --cases cases" in done.words
    assert (tmp_path / "cases" / "mine.check.html").is_file()
    [(path, case)] = load_checked_cases([tmp_path / "cases"])
    with Voices() as voices:
        built = build_case(case, path, tmp_path / "cache", voices)
    samples, _ = soundfile.read(built.wav)
    lengths_ms = [(u.end_sample - u.start_sample) / PER_MS for u in built.truth.utterances]
    assert lengths_ms == pytest.approx([laid.end_ms - laid.at_ms for laid in made.user], abs=3)
    assert [u.after for u in built.truth.utterances] == [None, "reply_end", "reply_start", "reply_end", "reply_end"]
    assert [u.delay_ms for u in built.truth.utterances[1:]] == pytest.approx([900, 1_200, 1_000, 1_000], abs=5)
    first, said = built.truth.utterances[0], made.user[0].samples
    part = samples[first.start_sample : first.start_sample + len(said)]
    assert np.corrcoef(part, said[: len(part)])[0, 1] > 0.98 or np.max(
        np.correlate(part, said, "same")
    ) > 0.98 * np.dot(said, said)
    assert (
        ew("adopt", call, "--user", "left", "--id", "mine")
        .err.strip()
        .endswith("--id names the case otherwise, --out another folder")
    )
    listed = ew("cases", "--cases", tmp_path / "cases")
    assert listed.code == 0, listed.err
    assert "mine" in listed.out


def test_a_pinned_case_leaves_the_record_as_it_is(ew: Callable[..., Done], call: Path, tmp_path: Path) -> None:
    done = ew("check", call, "--json", "--pin", "1")
    assert done.code == 0, done.err
    assert CallHeard.model_validate_json(done.out).moments
    assert list((tmp_path / "cases").glob("*.yaml"))


def built(folder: Path) -> Truth:
    """Of the only case in `folder`, as `earwitness run` would play it."""
    [(path, case)] = load_checked_cases([folder])
    with Voices() as voices:
        return build_case(case, path, folder.parent / "cache", voices).truth


@pytest.mark.parametrize(
    ("gain", "rate_hz", "subtype"),
    [(12.0, 48_000, "FLOAT"), (7.0, 8_000, "PCM_16"), (7.0, 44_100, "PCM_16")],
    ids=["float beyond full scale", "clipped telephone", "clipped"],
)
def test_a_recording_over_full_scale_becomes_a_case_that_can_be_played(
    ew: Callable[..., Done], tmp_path: Path, gain: float, rate_hz: int, subtype: str
) -> None:
    divisor = gcd(rate_hz, 48_000)
    user, agent = conversation().channels()
    both = np.stack([gain * user, agent], axis=1)
    both = resample_poly(both, rate_hz // divisor, 48_000 // divisor, axis=0)
    soundfile.write(tmp_path / "call.wav", both, rate_hz, subtype=subtype)
    done = ew("adopt", "call.wav", "--user", "left")
    assert done.code == 0, done.err
    assert "dB over full scale: its words are that much softer" in done.words
    truth = built(tmp_path / "cases")
    assert len(truth.utterances) == 5
    samples, _ = soundfile.read(tmp_path / "cases" / "call_1.wav")
    assert np.mean(np.abs(samples) > 0.999) < 0.001 or subtype == "PCM_16"


def test_what_follows_the_words_for_seconds_is_an_uncertainty_that_a_case_may_have(
    ew: Callable[..., Done], tmp_path: Path
) -> None:
    asks = Laid(1_000, spoken("What time is it in Tokyo"))
    keys = np.random.default_rng(3).standard_normal(2_500 * 48) * 0.02
    keys *= np.sin(2 * np.pi * 6 * np.arange(len(keys)) / 48_000) > 0.6
    typing = Laid(asks.end_ms + 300, keys)
    tells = Laid(typing.end_ms + 800, spoken("It is ten past nine", "en-gb"))
    made = Conversation((asks, typing), (tells,), tells.end_ms + 1_000)
    path = write(tmp_path / "call.wav", *made.channels(user_noise_dbfs=-75))
    done = ew("adopt", path, "--user", "left")
    assert done.code in (0, 3), done.err
    [utterance] = built(tmp_path / "cases").utterances
    assert utterance.error_ms is not None
    assert utterance.error_ms > 1_000


def test_an_agent_that_speaks_first_must_greet_in_the_case_too(ew: Callable[..., Done], tmp_path: Path) -> None:
    hello = Laid(500, spoken("Good morning, what can I do for you", "en-gb"))
    asks = Laid(hello.end_ms + 700, spoken("What time is it in Tokyo"))
    tells = Laid(asks.end_ms + 800, spoken("It is ten past nine", "en-gb"))
    made = Conversation((asks,), (hello, tells), tells.end_ms + 1_000)
    path = write(tmp_path / "call.wav", *made.channels(user_noise_dbfs=-75))
    assert ew("adopt", path).code == 0
    [(_, case)] = load_checked_cases([tmp_path / "cases"])
    assert case.greeting == "required"


def user_and_agent() -> tuple[np.ndarray, np.ndarray]:
    return conversation().channels(user_noise_dbfs=-75)


@pytest.mark.parametrize("verb", ["check", "adopt"])
@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda u, a: (u, a), ["--user", "right.wav"], "right.wav: no such file"),
        (lambda u, a: (u + a,), ["--user", "left"], "is mono, so it has no left channel"),
        (
            lambda u, a: (u + a, u + a),
            ["--user", "left"],
            "both channels hold the same sound, so --user left does not tell",
        ),
        (
            lambda u, a: (u + a, -u - a),
            ["--user", "left"],
            "the same sound in opposite phase, so --user left does not tell",
        ),
        (lambda u, a: (0 * u, 0 * a), [], "is silent (nothing above -65 dBFS on either channel)"),
        (lambda u, a: (0 * u,), [], "is silent, nobody is heard in it"),
        (
            lambda u, a: (np.where(np.abs(u) > 0.01, u, 0), a),
            [],
            "nothing in it tells the user from the agent; say which",
        ),
        (lambda u, a: (u, a, u), [], "has 3 channels"),
        (lambda u, a: (u, a), ["--user", "call.wav"], "--user call.wav: is the call itself"),
        (
            lambda u, a: (u, a),
            ["--user", "first.wav"],
            "2 people speak in turn, each on a channel, and --user names a file",
        ),
        (
            lambda u, a: (a,),
            ["--user", "both.wav"],
            "--user both.wav: 2 people speak in turn, each on a channel; give a file of the user alone",
        ),
        (lambda u, a: (u, a), ["--id", "a b"], "--id a b: letters, digits"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    ew: Callable[..., Done],
    tmp_path: Path,
    verb: str,
    make: Callable[..., tuple[np.ndarray, ...]],
    options: list[str],
    said: str,
) -> None:
    user, agent = user_and_agent()
    write(tmp_path / "call.wav", *make(user, agent))
    write(tmp_path / "first.wav", user)
    write(tmp_path / "both.wav", user, agent)
    if "--id" in options and verb == "check":
        options = [*options, "--pin", "1"]
    done = ew(verb, "call.wav", *options)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "cases").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty (0 bytes)"), (b"no sound at all", "is no sound file"), (None, "no such file")],
)
def test_what_is_no_recording_is_one_clear_line(
    ew: Callable[..., Done], tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "call.wav").write_bytes(content)
    done = ew("check", "call.wav")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err


def streamed(path: Path) -> None:
    """A FLAC whose writer could not go back to say how long it is."""
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def scratched(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 8] = bytes([255]) * (len(content) // 8)
    path.write_bytes(content)


def of_no_rate(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[24:28] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("call.flac", streamed, "its header does not say how long it is, as of a stream"),
        ("call.flac", cut, "cannot be read"),
        ("call.mp3", cut, "s of its sound are missing or damaged; record or convert it again"),
        ("call.ogg", scratched, "s of its sound are missing or damaged; record or convert it again"),
        ("call.wav", of_no_rate, "its header says 2147483647 Hz"),
    ],
)
def test_a_damaged_recording_is_one_clear_line(
    ew: Callable[..., Done], tmp_path: Path, name: str, damage: Callable[[Path], None], said: str, sides: int
) -> None:
    write(tmp_path / name, *user_and_agent()[:sides], subtype=None)
    damage(tmp_path / name)
    done = ew("check", name, *(["--user", "left"] if sides == 2 else []))
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_numbers_that_are_none_are_said_of_either_channel(ew: Callable[..., Done], tmp_path: Path) -> None:
    user, agent = user_and_agent()
    for side, wrong in ((user, np.nan), (agent, np.inf)):
        side[5_000] = wrong
        write(tmp_path / "wrong.wav", user, agent, subtype="FLOAT")
        side[5_000] = 0
        done = ew("check", "wrong.wav")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "holds samples that are not finite" in done.err


def test_a_name_that_is_no_text_is_one_clear_line(ew: Callable[..., Done], call: Path) -> None:
    named = call.rename(call.parent / os.fsdecode(b"M\xe4rz.wav"))
    done = ew("check", os.fspath(named))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "its name is not UTF-8" in done.err


def test_where_nothing_tells_when_the_user_speaks_the_options_are_those_that_there_are(
    ew: Callable[..., Done], tmp_path: Path
) -> None:
    user, agent = user_and_agent()
    write(tmp_path / "call.wav", user + np.random.default_rng(2).standard_normal(len(user)) * 0.3, agent)
    done = ew("check", "call.wav", "--user", "left")
    assert done.code == 3, done.err
    assert "No turn of the user is told, so nothing is timed: call.wav: noise" in done.words
    assert "not known: when the user speaks: call.wav: noise" in done.words
    adopted = ew("adopt", "call.wav", "--user", "left")
    assert adopted.code == 2
    assert "there is nothing to play: call.wav: noise" in adopted.err
    for said in (done.words, adopted.err):
        assert said.count("--truth") == said.count("`earwitness listen --truth`") > 0


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda u, a: (u + a,), [], "mono, read as a mix of both voices"),
        (lambda u, a: (u + a, u + a), [], "both channels hold the same sound; read as a mix of both voices"),
        (lambda u, a: (u + a, -u - a), [], "both channels hold the same sound in opposite phase; read as a mix"),
        (lambda u, a: (u, 0 * a), [], "the right channel is silent; the left one was read as a mix"),
        (lambda u, a: (u, 0 * a), ["--user", "left"], "the right channel, the agent's, is silent throughout"),
        (lambda u, a: (0 * u, a), ["--user", "left"], "the left channel, the user's, is silent throughout"),
    ],
)
def test_what_times_nothing_is_read_as_said_and_exits_with_3(
    ew: Callable[..., Done], tmp_path: Path, make: Callable[..., tuple[np.ndarray, ...]], options: list[str], said: str
) -> None:
    write(tmp_path / "call.wav", *make(*user_and_agent()))
    done = ew("check", "call.wav", *options)
    assert done.code == 3, done.err
    assert said in done.words
    assert (tmp_path / "call.check.html").is_file()


def test_swapped_channels_are_doubted_where_the_noise_tells(ew: Callable[..., Done], call: Path) -> None:
    done = ew("check", call, "--user", "right")
    assert "not known: whether the channels are swapped" in done.words
    assert "--user left reads it so" in done.words


def test_a_mix_cannot_be_adopted_and_no_case_is_made_of_a_moment_without_words(
    ew: Callable[..., Done], tmp_path: Path
) -> None:
    user, agent = user_and_agent()
    write(tmp_path / "mono.wav", user + agent)
    done = ew("adopt", "mono.wav")
    assert done.code == 2
    assert "the user's words cannot be cut out" in done.err
    pinned = ew("check", "mono.wav", "--pin", "1")
    assert pinned.code == 2
    assert "no words of the user lead to this moment" in pinned.err
    assert "mono.wav has moments 1 to" in ew("check", "mono.wav", "--pin", "7").err


@pytest.mark.slow
def test_eleven_minutes_are_heard_and_too_long_for_one_case(ew: Callable[..., Done], tmp_path: Path) -> None:
    both = np.stack(user_and_agent(), axis=1)
    times = -(-11 * 60 * 48_000 // len(both))
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 48_000, 2, "PCM_16") as file:
        for _ in range(times):
            file.write(both)
    record = CallHeard.model_validate_json(ew("check", "long.wav", "--json").out)
    assert len(record.turns) == 5 * times
    answered = [turn.first_speech_ms for turn in record.turns if turn.ended == "answered"]
    assert len(answered) == 4 * times
    done = ew("adopt", "long.wav")
    assert done.code == 2
    assert "and a case holds 600" in done.err
