"""Whether everything that a built site refers to is there: pages, anchors, pictures, styles.

Nothing of anybody else's may be loaded: the site works without a network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"img": "src", "script": "src", "source": "src", "iframe": "src", "link": "href"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "preconnect"}


@dataclass
class Page(HTMLParser):
    """Of one page: where it points to, what it loads, and the places in it that have a name."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if given.get(name))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif (
            tag in LOADS
            and given.get(LOADS[tag])
            and (tag != "link" or LOADING_LINKS & set(given.get("rel", "").split()))
        ):
            self.loads.append(given[LOADS[tag]])


def wrong_references(site: Path) -> Iterator[str]:
    """One line each: the page, the reference, what is wrong with it."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        here = path.relative_to(site)
        for reference in page.loads:
            if urlsplit(reference).netloc:
                yield f"{here}: loads {reference} from elsewhere"
            elif not _target(site, path, reference).exists():
                yield f"{here}: {reference}: no such file"
        for reference in page.links:
            url = urlsplit(reference)
            if url.scheme or url.netloc:
                continue
            target = _target(site, path, reference)
            if not target.exists():
                yield f"{here}: {reference}: no such page"
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
                yield f"{here}: {reference}: no such place on that page"


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _target(site: Path, page: Path, reference: str) -> Path:
    path = unquote(urlsplit(reference).path)
    if not path:
        return page
    target = site / path.lstrip("/") if path.startswith("/") else (page.parent / path).resolve()
    return target / "index.html" if target.is_dir() else target
