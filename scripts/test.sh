#!/usr/bin/env bash
# All tests. The live ones wait for most of their time, so two are played at once; what makes no call runs beside them, in
# what they leave of the processor (nice), and is printed after them.
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
log=$(mktemp)
nice -n 19 .venv/bin/python -m pytest tests -m "not live" -n auto --dist worksteal >"$log" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -f "$log"' EXIT
mapfile -t live < <(grep -rlE --include='test_*.py' '\bmark\.live\b' tests)
pytest "${live[@]}" -m live -n 2 --dist loadfile || failed=1
wait "$beside" || failed=1
cat "$log"
exit "$failed"
