#!/usr/bin/env bash
# The set-up behind `make`: a Python, uv, the locked environment, then `earwitness setup`. Idempotent; one at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  echo "make: needs Python >= 3.11 with venv; none found (set PYTHON=/path/to/python3)" >&2
  return 2
}

find_uv() {
  command -v uv 2>/dev/null && return
  if [ ! -x "$CACHE/uv/bin/uv" ]; then
    echo "… no uv on PATH: taking its wheel" >&2
    rm -rf "$CACHE/uv"
    "$python" -m venv "$CACHE/uv" >&2
    "$CACHE/uv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2
  fi
  echo "$CACHE/uv/bin/uv"
}

set_up() {
  python=$(find_python)
  local wanted stamp=.venv/.set-up-for
  wanted=$(cat uv.lock pyproject.toml runtime/web/package-lock.json harness/provide/media_server.py | cksum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $PWD" ]; then
    uv=$(find_uv)
    echo "… installing the locked environment into .venv"
    "$uv" sync --quiet --frozen --all-extras --python "$("$python" -c 'import sys; print(sys.executable)')"
    .venv/bin/earwitness setup
    echo "$wanted $PWD" > "$stamp"
  else
    .venv/bin/earwitness setup --quiet
  fi
}

mkdir -p "$CACHE"
if command -v flock >/dev/null 2>&1; then
  exec 9>.setup.lock
  flock 9
fi
set_up
