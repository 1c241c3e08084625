"""Build the site: `python -m scripts.docs_site [--out FOLDER] [--check]`. Exit status 1 if a page, a link or a place is wrong.

`--check` leaves no site behind.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.docs_site.links import wrong_references
from scripts.docs_site.parts import filled

DOCS = Path(__file__).parents[2] / "docs"
CONFIG = "zensical.toml"
BUILD_TIMEOUT_S = 120


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.docs_site", description="Build the documentation as a site."
    )
    parser.add_argument("--out", type=Path, default=Path("site"), help="where the site is written (default: site/)")
    parser.add_argument("--check", action="store_true", help="build and check only")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earwitness-docs-") as folder:
        try:
            site = build(Path(folder))
        except ValueError as error:
            print(f"docs: {error}", file=sys.stderr)
            return 1
        wrong = list(wrong_references(site))
        for line in wrong:
            print(f"docs: {line}", file=sys.stderr)
        if wrong:
            return 1
        if not asked.check:
            shutil.rmtree(asked.out, ignore_errors=True)
            shutil.copytree(site, asked.out)
            print(f"the site: {asked.out / 'index.html'}")
    return 0


def build(folder: Path) -> Path:
    """The site of docs/, built below `folder`. Raises ValueError with what the generator says."""
    copied = folder / "docs"
    shutil.copytree(DOCS, copied, ignore=shutil.ignore_patterns(CONFIG))
    shutil.copy(DOCS / CONFIG, folder / CONFIG)
    for path in sorted(DOCS.rglob("*.md")):
        page = path.relative_to(DOCS)
        (copied / page).write_text(filled(page, DOCS), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"NO_COLOR": "1", "PATH": "/usr/bin:/bin"},
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}{done.stderr}".partition("Traceback")[0]
        raise ValueError(f"the site cannot be built:\n{said}")
    return folder / "site"


if __name__ == "__main__":
    sys.exit(main())
