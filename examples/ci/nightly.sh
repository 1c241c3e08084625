#!/usr/bin/env bash
# One night: quiet if it passed, its night.md if not. With --resume: the last night is gone on with, if there is one.
# Exit status as of `earwitness nightly`; the log of the last night is runs/nightly.log.
set -euo pipefail
earwitness=.venv/bin/earwitness
mkdir -p runs
exec 9> runs/nightly.lock
flock --nonblock 9 || { echo "a night is being played already"; exit 2; }

arguments=()
if [ "${1:-}" = --resume ]; then
  last=$(find runs -maxdepth 2 -path 'runs/night-*/night.json' -printf '%h\n' | sort | tail -n 1)
  [ -n "$last" ] || exit 0
  arguments=(--resume "$last")
fi

summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
status=0
"$earwitness" nightly "${arguments[@]}" --summary "$summary" > runs/nightly.log 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
  if [ -s "$summary" ]; then cat "$summary"; else tail -n 20 runs/nightly.log; fi
fi
exit "$status"
