#!/usr/bin/env bash
# All tests. The live ones wait for most of their time: first those that assert no time, two at once, and what makes no call
# takes what they leave of the processors, at idle priority; then, with nothing beside them, those that assert a time.
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

if command -v chrt >/dev/null; then idle=(chrt -i 0); else idle=(nice -n 19); fi
said=$(mktemp)
"${idle[@]}" .venv/bin/python -m pytest tests -m "not live" -n auto --dist worksteal >"$said" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -f "$said"' EXIT
failed=0
pytest -m "live and not alone" -n 2 --dist loadfile || failed=1
wait "$beside" || failed=1
cat "$said"
pytest -m "live and alone" || failed=1
exit "$failed"
