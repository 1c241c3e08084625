"""The networks that ship, each by its own file, and the keys of a profile."""

from __future__ import annotations

from harness.network import profile as profiles
from scripts.docs_site.markdown import code, table
from scripts.docs_site.words import fields_table

KINDS: tuple[tuple[str, type], ...] = (
    ("A profile", profiles.Profile),
    ("A direction", profiles.Direction),
    ("`bursts`", profiles.Bursts),
    ("A mark in the call", profiles.Mark),
    ("An outage, beside the keys of a mark", profiles.Outage),
    ("A change, beside the keys of a mark", profiles.Change),
)


def shipped() -> str:
    found = [profiles.load_profile(name) for name in profiles.names()]
    return table(("name", "what it does", "about"), [(code(p.name), p.describe(), p.about) for p in found])


def keys() -> str:
    return "\n\n".join(f"### {title}\n\n{fields_table(kind)}" for title, kind in KINDS)
