"""What somebody else's package brings by entry point: an agent, a page, an engine; with the example package that does."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.live.packaged_agent import packaged_agent
from harness.model.capture import AgentUnderTest
from harness.settings import Settings
from runtime.engines.build import EngineBuilder
from runtime.settings import RuntimeSettings, SettingsError
from tests.package.installed import ROOT

EXAMPLE = ROOT / "examples" / "packaged"
SETTINGS: dict[str, Any] = {"livekit_url": "ws://127.0.0.1", "api_key": "key", "api_secret": "secret"}


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as an installer leaves it: its module, and its metadata beside it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "my_voice-1.2.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLE)


@pytest.mark.usefixtures("example")
def test_an_agent_of_a_package_goes_by_its_name_and_its_version_is_kept(tmp_path: Path) -> None:
    spec = Settings(agent="chord", agent_identity="agent").agent_spec()
    assert (spec.kind, spec.value, spec.identity) == ("package", "chord", "agent")
    agent = packaged_agent(spec, tmp_path, AgentUnderTest(kind="command", spec="chord"))
    assert type(agent.agent).__name__ == "ChordAgent"
    assert agent.versions == {"agent.my-voice": "1.2.3"}


@pytest.mark.usefixtures("example")
def test_a_page_of_a_package_goes_by_its_name() -> None:
    page = Settings(page="mine").page_spec()
    assert page.template == "https://voice.example/call?server={livekit_url}#token={token}"
    assert page.script is None


@pytest.mark.usefixtures("example")
def test_an_engine_of_a_package_goes_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "engines.toml"
    file.write_text('[tts]\nkind = "python"\nfactory = "beep"\n')
    engines = EngineBuilder(RuntimeSettings(**SETTINGS, engines=file)).build()
    assert engines.tts.rate_hz == 24_000


@pytest.mark.usefixtures("example")
def test_a_name_that_nobody_brings_is_told_beside_those_that_somebody_does(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'cord': expected reference, room, .* or dispatch:NAME, chord"):
        Settings(agent="cord").agent_spec()
    file = tmp_path / "engines.toml"
    file.write_text('[tts]\nkind = "python"\nfactory = "bep"\n')
    with pytest.raises(SettingsError, match=r"bep: expected MODULE:NAME, or an entry point .* \(there are: beep\)"):
        EngineBuilder(RuntimeSettings(**SETTINGS, engines=file)).build()


@pytest.mark.usefixtures("example")
def test_a_package_that_fails_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("my_voice.MyPage.url", property(lambda page: 1 / 0), raising=True)
    broken = tmp_path / "my_voice-1.2.3.dist-info" / "entry_points.txt"
    broken.write_text("[earwitness.agents]\nchord = my_voice:MyPage\n")
    with pytest.raises(
        UsageError, match=r"chord of earwitness\.agents \(my_voice:MyPage\): what it gives has no attend"
    ):
        packaged_agent(Settings(agent="chord").agent_spec(), tmp_path, AgentUnderTest(kind="command"))
