"""A foreign program tied to our life: `python tied.py PARENT_PID FD PROGRAM ARGS…` becomes the program.

On Linux the kernel then kills it when the parent dies, by whatever means (prctl(2), PR_SET_PDEATHSIG; kept across
execve). It is killed because livekit-server would answer SIGTERM by waiting for its participants to leave. If the program
cannot be run, the parent gets an errno through FD. This script runs by its path, isolated and without site packages:
with the standard library alone, and nothing of the user's folder.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


class Tie:
    """One start: the command to start instead, and its outcome. A context manager.

    `fd` is for the process; `outcome_fd` becomes readable when it has become the program, or could not.
    """

    IS_POSSIBLE = sys.platform == "linux"

    def __init__(self, argv: Sequence[str]) -> None:
        self.outcome_fd, self.fd = os.pipe()
        self.argv = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(self.fd), *argv]

    def __enter__(self) -> Tie:
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        os.close(self.outcome_fd)

    def started(self) -> None:
        """The process has its copy of `fd`."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def outcome(self) -> None:
        """Raises OSError if the program cannot be run."""
        said = os.read(self.outcome_fd, 16)
        if said:
            raise OSError(int(said), os.strerror(int(said)))


def main() -> None:
    import ctypes  # an importer of Tie does not need it

    parent, fd, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(fd, False)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew
        sys.exit(1)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(fd, str(error.errno).encode())
        sys.exit(1)


if __name__ == "__main__":
    main()
