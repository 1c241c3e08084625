"""Settings: what wins over what, and what a wrong one is told."""

import re
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.plan import RecogniserSpec
from harness.settings import Settings, load_settings


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    (tmp_path / "earwitness.toml").write_text('[earwitness]\nlane = "bot"\nsuite = "mini"\nattempts = 2\n')
    env = {"EARWITNESS_SUITE": "extended", "EARWITNESS_ATTEMPTS": "3"}
    settings = load_settings({"attempts": 4, "lane": None}, folder=tmp_path, env=env)
    assert (settings.lane, settings.suite, settings.attempts) == ("bot", "extended", 4)
    assert settings.mic == Settings().mic


def test_an_unknown_key_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "earwitness.toml").write_text('[earwitness]\nlane = "bot"\nlanes = "bot"\n')
    with pytest.raises(UsageError, match=r"earwitness\.toml:3: unknown key 'lanes'"):
        load_settings({}, folder=tmp_path, env={})


def test_without_cases_in_the_folder_those_that_ship_are_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (Settings().cases / "question_short.yaml").is_file()
    assert "the cases that ship" in Settings().cases_note()
    (tmp_path / "cases").mkdir()
    assert Settings().cases == Path("cases")
    assert Settings().cases_note() == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"lane": "phone"}, "lane"),
        ({"attempts": "many"}, "attempts"),
        ({"mic": "real"}, "mic"),
    ],
)
def test_a_wrong_value_names_its_setting(flags: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_settings(flags, folder=tmp_path, env={})


@pytest.mark.parametrize("text", ["", "docker", "command:", "dispatch: ", "reference:x"])
def test_an_agent_that_names_no_kind_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--agent"):
        Settings(agent=text).agent_spec()


def test_agents_are_told_apart() -> None:
    assert Settings(agent="command: python3 bot.py --room {room}").agent_spec().value == "python3 bot.py --room {room}"
    assert Settings(agent="dispatch:greeter").agent_spec().value == "greeter"
    assert Settings(agent="reference").agent_spec().instrumented
    assert not Settings(agent="room").agent_spec().instrumented


def test_a_foreign_agent_is_waited_for_as_long_as_it_is_said_to_take() -> None:
    assert Settings(agent="room").agent_spec().join_s == 20.0
    assert Settings(agent="dispatch:slow", agent_join_s=90.0).agent_spec().join_s == 90.0
    with pytest.raises(UsageError, match=r"--agent-join-s 0: must lie between 1 and 600 s"):
        Settings(agent="room", agent_join_s=0.0).agent_spec()
    with pytest.raises(UsageError, match=r"--agent-join-s: the reference agent is there"):
        Settings(agent_join_s=90.0).agent_spec()


def test_where_spans_are_taken_is_a_port_or_a_word(tmp_path: Path) -> None:
    assert Settings().otlp_port() == "auto"
    assert load_settings({"otlp_in": "4318"}, folder=tmp_path, env={}).otlp_port() == 4318
    assert load_settings({"otlp_in": "off"}, folder=tmp_path, env={}).otlp_port() == "off"
    with pytest.raises(UsageError, match=r"--otlp-in 70000: expected auto, off, or a port from 1 to 65535"):
        Settings(otlp_in=70_000).check()
    with pytest.raises(UsageError, match="setting otlp_in = 'yes'"):
        load_settings({"otlp_in": "yes"}, folder=tmp_path, env={})


def test_where_traces_go_is_an_address_and_no_error_shows_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS", raising=False)
    assert Settings().otlp_target() is None
    (tmp_path / "earwitness.toml").write_text('[earwitness]\notlp = "http://127.0.0.1:4318"\n')
    target = load_settings({}, folder=tmp_path, env={}).otlp_target()
    assert target is not None
    assert target.url == "http://127.0.0.1:4318/v1/traces"
    env = {"EARWITNESS_OTLP": "https://in.example/otel/"}
    assert load_settings({}, folder=tmp_path, env=env).otlp_target() != target
    assert load_settings({"otlp": "off"}, folder=tmp_path, env=env).otlp_target() is None
    with pytest.raises(UsageError, match=r"--otlp 'localhost:4318': expected http://HOST:PORT"):
        Settings(otlp="localhost:4318").check()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "hunter2hunter2")
    with pytest.raises(UsageError, match=r"OTEL_EXPORTER_OTLP_HEADERS: its entry 1 is no NAME=VALUE") as caught:
        Settings(otlp="http://127.0.0.1:4318").check()
    assert "hunter2" not in str(caught.value)


def test_an_agents_hangover_is_said_of_a_foreign_one_alone() -> None:
    assert Settings(agent="room", agent_hangover_ms=500.0).agent_spec().hangover_ms == 500.0
    with pytest.raises(UsageError, match="the reference agent tells its own"):
        Settings(agent_hangover_ms=500.0).agent_spec()
    with pytest.raises(UsageError, match="must be above 0 and at most 60000 ms"):
        Settings(agent="room", agent_hangover_ms=0.0).agent_spec()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("python3 bot.py --api-key 'hunter2", "a quote is not closed"),
        ("nonexistent-program --api-key hunter2", "no program 'nonexistent-program'"),
        ("./nowhere/bot.py", r"no program './nowhere/bot.py'.*PATH"),
        ("OPENAI_API_KEY=hunter2 python3 bot.py", r"no program 'OPENAI_API_KEY=\*\*\*'.*env NAME="),
        ("''", "names no program"),
    ],
)
def test_a_command_with_a_slip_in_it_is_refused_before_the_run_and_without_its_secret(command: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        Settings(agent=f"command: {command}").agent_spec()
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_program_is_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text("print()")
    with pytest.raises(UsageError, match=r"no executable file.*chmod \+x"):
        Settings(agent=f"command: {tmp_path / 'bot.py'}").agent_spec()


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"livekit_api_secret = \*\*\*"):
        load_settings({"livekit_api_secret": 12345}, folder=tmp_path, env={})


def test_a_page_without_a_token_is_refused() -> None:
    with pytest.raises(UsageError, match="token"):
        Settings(page="http://localhost/?room={room}").page_spec()


def without_room(**settings: object) -> Settings:
    return Settings(**{"no_room": True, "page": "http://localhost:7860/", "agent": "page", **settings})  # type: ignore[arg-type]


def test_a_page_without_a_room_needs_no_token_and_brings_its_agent(tmp_path: Path) -> None:
    settings = load_settings({"no_room": True, "page": "http://localhost:7860/"}, folder=tmp_path, env={})
    settings.check()
    assert not settings.page_spec().room
    assert settings.agent_spec().kind == "page"
    served = without_room(agent="command: python3 bot.py --port {port}", page="http://localhost:{port}/")
    served.check()
    assert served.agent_spec().kind == "command"
    assert Settings().page_spec().room


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"page": None}, "needs --page URL"),
        ({"page": "http://localhost/?t={token}&r={room}"}, r"asks for \{token\} and \{room\}, and there is no room"),
        ({"page": "localhost:7860"}, "expected a URL that begins with http://"),
        ({"page": "http://localhost:{port}/"}, r"\{port\} is that of the program of --agent"),
        (
            {"page": "http://localhost:{port}/", "agent": "command: python3 bot.py"},
            r"opened when the program of --agent answers at \{port\}, which its command does not say",
        ),
        (
            {"page": "file:///p.html", "agent": "command: python3 bot.py"},
            "nothing tells when the program of --agent can",
        ),
        ({"agent": "reference"}, "--agent 'reference': needs a room, and --no-room has none"),
        ({"agent": "dispatch:greeter"}, "needs a room, and --no-room has none"),
        ({"agent": "command: python3 bot.py --room {room}"}, r"the command of --agent asks for \{room\}"),
        ({"lane": "bot"}, "--user bot joins a room.*leave one of the two out"),
        ({"network": "wifi_good"}, "--network stands between"),
        ({"agent_identity": "bot"}, "--agent-identity names a participant"),
        ({"agent_instrumented": True}, "--agent-instrumented is told of by messages in a room"),
        ({"attributes": "{}"}, "--attributes is told to participants"),
        ({"no_room": False, "page": None}, "--agent page: .*needs --no-room"),
    ],
)
def test_what_needs_a_room_is_refused_without_one(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        without_room(**settings).check()


def test_a_page_without_a_token_is_told_of_pages_without_a_room() -> None:
    with pytest.raises(UsageError, match="needs --no-room"):
        Settings(page="http://localhost:7860/").page_spec()


def test_a_server_without_its_secret_is_refused() -> None:
    with pytest.raises(UsageError, match="LIVEKIT_API_SECRET"):
        Settings(livekit_url="ws://localhost:7880", livekit_api_key="k").external_server()


def test_the_agents_engines_are_told_to_it_by_a_file_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "engines.toml"
    with pytest.raises(UsageError, match=r"--engines .*engines\.toml: no such file, nor a preset \(neural\)"):
        Settings(engines=file).agent_env()
    file.touch()
    assert load_settings({"engines": file}, env={}).agent_env() == {"EARWITNESS_ENGINES": str(file)}
    assert Settings().agent_env() == {}


def test_engines_may_be_named_by_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = load_settings({"engines": "neural"}, env={}).agent_env()["EARWITNESS_ENGINES"]
    assert Path(told).is_file()
    monkeypatch.chdir(tmp_path)
    Path("neural").touch()
    assert Settings(engines=Path("neural")).agent_env() == {"EARWITNESS_ENGINES": str(tmp_path / "neural")}, "one's own"


def test_the_recogniser_is_a_setting_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "earwitness.toml").write_text('[earwitness]\nasr_language = "de"\n')
    settings = load_settings({}, folder=tmp_path, env={"EARWITNESS_ASR_MODEL": str(tmp_path / "base")})
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.bin").touch()
    assert settings.recogniser_spec() == RecogniserSpec(str((tmp_path / "base").resolve()), "de")
    assert Settings().recogniser_spec() == RecogniserSpec("tiny.en", "en")
    assert Settings(asr="off").recogniser_spec() is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(asr_model="large-v3"), "--asr-model large-v3: neither tiny.en nor a folder with a Whisper model"),
        (Settings(asr_language="German"), "--asr-language 'German': expected a language's code, as in en or de"),
    ],
)
def test_a_recogniser_that_cannot_be_is_refused_before_a_call(settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        settings.check()


def test_a_recogniser_that_must_run_and_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.settings.find_spec", lambda name: None)
    assert Settings().recogniser_spec() is not None, "auto: the capture says why nothing was recognised"
    with pytest.raises(UsageError, match=r"pip install 'earwitness\[asr\]'"):
        Settings(asr="on").check()
