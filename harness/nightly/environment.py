"""What must be the same throughout a night: the code, the ears, the agent, the page, Chromium, the server, the cases.

Resuming a night with other versions would mix two under one verdict, so it is refused, with every difference by name.
Looking up versions starts nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import harness
from harness.code_hash import code_hash
from harness.history.environment import case_hash, ears_version
from harness.model.machine import machine_class
from harness.model.plan import BuiltCase
from harness.model.redaction import redacted
from harness.network.profile import load_profile
from harness.settings import Settings

PACKAGES = ("earwitness", "harness", "bots", "runtime", "reports")
CODE = (".py", ".js", ".html", ".css", ".j2", ".yaml", ".json")
NOT_FOUND = "not found"


def night_environment(
    settings: Settings, built: Iterable[BuiltCase], networks: Iterable[str], *, browser: bool
) -> dict[str, str]:
    """Versions by name, as text. `browser`: some part needs Chromium and the page. Raises UsageError, ProvisionError."""
    from harness.live.commits import OURS, commits
    from harness.live.host import describe_host, own_versions  # loads the live half

    own = own_versions()
    found: dict[str, str] = {
        "commit": commits(settings.cases, command=False).get(OURS, "not recorded"),
        "code": product_hash(),
        "ears": ears_version(),
        "agent": redacted(settings.agent) + (", instrumented" if settings.agent_instrumented else ""),
        "machine": settings.machine_class or machine_class(describe_host()),
        "livekit-server": _server(settings),
        **(_of_browser(settings) if browser else {}),
        **{name: own[name] for name in ("earwitness", "python", "livekit", "playwright") if name in own},
    }
    found |= {f"case {item.case.id}": _case(item) for item in built}
    return found | {f"network {name}": _digest(load_profile(name).model_dump_json()) for name in sorted(set(networks))}


def differences(now: Mapping[str, str], then: Mapping[str, str]) -> list[str]:
    """Each difference in words; a name that one side lacks is a difference too."""
    return [
        f"{name} is {now.get(name, NOT_FOUND)}, was {then.get(name, NOT_FOUND)}"
        for name in dict.fromkeys([*then, *now])
        if now.get(name) != then.get(name)
    ]


def product_hash() -> str:
    """A hash of all code that calls, listens, judges and answers (the reference agent too)."""
    root = Path(harness.__file__).parents[1]
    return code_hash(sorted(_sources(root)))


def _sources(root: Path) -> Sequence[Path]:
    return [
        path
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.suffix in CODE and not {"node_modules", "__pycache__"} & set(path.parts)
    ]


def _of_browser(settings: Settings) -> dict[str, str]:
    from harness.live.page_server import page_folder, page_sha256
    from harness.provide.chromium import find_chromium
    from harness.provide.page_library import find_page_library

    chromium, library = find_chromium(), find_page_library()
    return {
        "page": redacted(settings.page or "") or f"product page {page_sha256(page_folder())[:12]}",
        "chromium": chromium.version if chromium is not None else NOT_FOUND,
        "livekit-client": library.version if library is not None else NOT_FOUND,
    }


def _server(settings: Settings) -> str:
    if settings.livekit_url is not None:
        return f"external, {redacted(settings.livekit_url)}"
    from harness.provide.media_server import find_media_server, server_version

    binary = find_media_server()
    return server_version(binary) if binary is not None else NOT_FOUND


def _case(item: BuiltCase) -> str:
    """A case's speech and expectations."""
    return _digest(case_hash(item.truth) + item.case.model_dump_json())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
