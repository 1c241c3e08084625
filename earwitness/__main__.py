"""The command `earwitness`, also `python -m earwitness`: checks that the packages are ours; `harness.commands` does the rest."""

from __future__ import annotations

import sys

from earwitness.names import OURS, HiddenError, check_ours

USAGE = 2
ADVICE = "Start it as the command `earwitness`, from an environment of its own (uv tool install, pipx)"


def main() -> None:
    try:
        check_ours(*OURS, advice=ADVICE)
    except HiddenError as error:
        print(f"earwitness: {error}", file=sys.stderr)
        sys.exit(USAGE)
    from harness.commands.main import main_of_process

    main_of_process()


if __name__ == "__main__":
    main()
