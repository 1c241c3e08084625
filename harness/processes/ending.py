"""The end of our process: with its own exit status, whatever a native library does on the way out.

LiveKit's Python package disposes of its native runtime in an exit handler. With livekit 1.2.0 that panicked in one of a dozen
runs, and aborted the process when all was closed and written: status 134 for a run that had passed. So where it was loaded,
the process ends without exit handlers; what is ours is closed by then, for every resource has an owner that ends it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

NATIVE = "livekit.rtc"


def end_process_of(main: Callable[[], None]) -> NoReturn:
    """Calls `main`, and ends the process with the status it leaves. An unexplained exception shows its trace."""
    try:
        main()
        status = 0
    except SystemExit as ended:
        if ended.code is not None and not isinstance(ended.code, int):
            raise  # a sentence: Python prints it
        status = ended.code or 0
    if NATIVE not in sys.modules:
        sys.exit(status)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
