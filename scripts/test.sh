#!/usr/bin/env bash
# All tests: what makes no call on all cores at once; then the live ones, of which each waits for most of its time: two at
# once where they assert no time, and one after another where they do.
# With arguments pytest gets them as they are, in one run. --quick: no call, and nothing that takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
pytest() { .venv/bin/python -m pytest tests "$@"; }

if [ "${1:-}" = --quick ]; then
  shift
  pytest -q -m "not live and not slow" -n auto --dist worksteal "$@"
  exit
fi
if [ $# -gt 0 ]; then
  pytest "$@"
  exit
fi
failed=0
pytest -m "not live" -n auto --dist worksteal || failed=1
pytest -m "live and not alone" -n 2 --dist loadfile || failed=1
pytest -m "live and alone" || failed=1
exit "$failed"
