#!/usr/bin/env bash
# All tests: what makes no call on all cores at once, then the live ones, one after another on a machine of their own.
# With arguments pytest gets them as they are, in one run.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python

if [ $# -gt 0 ]; then
  exec "$python" -m pytest tests "$@"
fi
failed=0
"$python" -m pytest tests -m "not live" -n auto --dist loadfile || failed=1
"$python" -m pytest tests -m live || failed=1
exit "$failed"
