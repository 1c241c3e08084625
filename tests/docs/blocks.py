"""What the pages show to be typed or written: commands and example files, each with the page it stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash")
OF_HTTP = ("GET ", "POST ")  # what is sent to a server, and no command


@dataclass(frozen=True)
class Shown:
    """A block, or one command of it."""

    page: str
    text: str

    def __str__(self) -> str:  # the test's name
        return f"{self.page}: {self.text[:70]}"


def blocks(*languages: str) -> Iterator[Shown]:
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in languages:
                yield Shown(str(page.relative_to(ROOT)), text)


def commands() -> list[Shown]:
    """Each command by itself, without its remark; one that stands on several pages once."""
    found: dict[str, Shown] = {}
    for block in blocks(*SHELL):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s&&\s|;\s", re.sub(r"\s+#\s.*", "", line)):
                if part.strip() and not part.startswith(OF_HTTP):
                    text = " ".join(part.removesuffix(" &").split())
                    found.setdefault(text, Shown(block.page, text))
    return list(found.values())
