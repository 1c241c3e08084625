#!/usr/bin/env bash
# All tests: what makes no call on all cores at once; then the live ones, of which each waits for much of its time: two at
# once, and then those one after another beside which no other call may run.
# With arguments pytest gets them as they are, in one run. --quick: no call, and nothing that takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
pytest() { .venv/bin/python -m pytest "$@"; }

if [ "${1:-}" = --quick ]; then
  shift
  pytest tests -q -m "not live and not slow" -n auto --dist worksteal "$@"
  exit
fi
if [ $# -gt 0 ]; then
  pytest tests "$@"
  exit
fi
failed=0
mapfile -t live < <(grep -rlE --include='test_*.py' '\bmark\.live\b' tests)  # to import these alone is seconds less
pytest tests -m "not live" -n auto --dist worksteal || failed=1
pytest "${live[@]}" -m "live and not alone" -n 2 --dist worksteal || failed=1
pytest "${live[@]}" -m "live and alone" --durations=10 || failed=1
exit "$failed"
