#!/usr/bin/env bash
# The set-up behind `make`: a Python, uv, the locked environment, then `earwitness setup`. Idempotent; one at a time.
set -euo pipefail
shopt -s inherit_errexit 2>/dev/null || true
cd "$(dirname "$0")/.."

new_enough() {
  command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" && { echo "$PYTHON"; return; }
    echo "make: PYTHON=$PYTHON is not a Python >= 3.11" >&2
    return 2
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    new_enough "$candidate" && { echo "$candidate"; return; }
  done
  echo "make: needs Python >= 3.11 with venv; none found (set PYTHON=/path/to/python3)" >&2
  return 2
}

# The uv on PATH, else its wheel in an environment of its own, complete or not there at all.
find_uv() {
  local uv="$CACHE/uv/bin/uv"
  command -v uv 2>/dev/null && return
  if ! "$uv" --version >/dev/null 2>&1; then
    echo "… no uv on PATH: taking its wheel" >&2
    rm -rf "$CACHE/uv"
    if ! "$python" -m venv "$CACHE/uv" >&2; then
      echo "make: $python has no venv (Debian, Ubuntu: apt-get install python3-venv), and uv is not on PATH" >&2
      return 2
    fi
    "$CACHE/uv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2
  fi
  echo "$uv"
}

set_up() {
  python=$(find_python)
  local wanted stamp=.venv/.set-up-for
  wanted=$(cat uv.lock pyproject.toml | cksum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $PWD" ]; then
    uv=$(one_at_a_time "$CACHE/.uv.lock" find_uv)
    echo "… installing the locked environment into .venv"
    "$uv" sync --quiet --frozen --all-extras --no-extra quality --no-extra whisper --python "$("$python" -c 'import sys; print(sys.executable)')"
    .venv/bin/earwitness setup
    echo "$wanted $PWD" > "$stamp"
  else
    .venv/bin/earwitness setup --quiet
  fi
}

# Runs a function under a file lock, where there is flock.
one_at_a_time() {
  local lock=$1
  shift
  if command -v flock >/dev/null 2>&1; then
    ( flock 9; "$@" ) 9>"$lock"
  else
    "$@"
  fi
}

mkdir -p "$CACHE"
one_at_a_time .setup.lock set_up
