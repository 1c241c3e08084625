"""Become another program, tied to the life of the parent: `python -m harness.provide.tied_process PROGRAM ARGS…`.

On Linux the kernel then kills it when the parent dies, by whatever means (prctl(2), PR_SET_PDEATHSIG; kept across
execve). Killed, because livekit-server would answer SIGTERM by waiting for its participants to leave.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew
            sys.exit(1)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
