#!/usr/bin/env bash
# The run of action.yml: report into the job's summary, annotations, outputs. Exit status as of `earwitness run`; 1 too if a
# baseline is named and something is worse than it.
set -uo pipefail
earwitness=${EARWITNESS_COMMAND:-$RUNNER_TEMP/earwitness-env/bin/earwitness}
runs=$RUNNER_TEMP/earwitness-runs
rm -rf "$runs"

options=(--agent "$AGENT" --user "$AS_USER" --runs "$runs")
[ -z "$CASES" ] || options+=(--cases "$CASES")
[ -z "$SUITE" ] || options+=(--suite "$SUITE")
[ -z "$NETWORK" ] || options+=(--network "$NETWORK")
[ -z "$URL" ] || options+=(--livekit-url "$URL")
[ -z "$HISTORY" ] || options+=(--history "$HISTORY")
read -r -a more <<< "$MORE"
"$earwitness" run "${options[@]}" ${more[@]+"${more[@]}"}
status=$?

run=$(find "$runs" -mindepth 2 -maxdepth 2 -name summary.json -printf '%h\n' 2>/dev/null | head -n 1)
echo "status=$status" >> "$GITHUB_OUTPUT"
if [ -z "$run" ]; then
  echo "::error title=Earwitness::no run was made; the log of this step says why"
  exit "$status"
fi
echo "report=$run" >> "$GITHUB_OUTPUT"
cat "$run/report.md" >> "$GITHUB_STEP_SUMMARY"
"$earwitness" report --annotations "$run" || true  # has the status of the run, which is known

if [ -n "$BASELINE" ]; then
  told=$("$earwitness" baseline diff "$BASELINE" "$(basename "$run")" --history "${HISTORY:-$runs/history.sqlite}" 2>&1)
  worse=$?
  printf '%s\n' "$told"
  { echo; echo '```'; printf '%s\n' "$told"; echo '```'; } >> "$GITHUB_STEP_SUMMARY"
  if [ "$worse" -eq 1 ]; then
    echo "::error title=Earwitness::worse than the baseline $BASELINE"
    [ "$status" -ne 0 ] || status=1
  elif [ "$worse" -ne 0 ]; then
    echo "::warning title=Earwitness::cannot be compared with the baseline $BASELINE"
  fi
fi
exit "$status"
