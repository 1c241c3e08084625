"""The process that measures captures for `harness.run.hearing_process`: one folder a line on stdin, one answer a line on stdout.

`python -m harness.run.listen_process`. It runs at nice 19, writes `measurement.json` into the folder as the run itself would,
and ends when its stdin closes, also because the run was killed. Answer: {}, {"error": "one line"}, or {"fault": "one line"}
for a fault of ours, with its traceback on stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

NICENESS = 19


def main() -> None:
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library's output is no answer
    from harness.errors import EarwitnessError
    from harness.listen.measure import listen, write_measurement
    from harness.own_faults import in_words

    for line in sys.stdin:
        folder = Path(json.loads(line))
        answer = {}
        try:
            write_measurement(folder, listen(folder))
        except EarwitnessError as error:
            answer = {"error": str(error)}
        except OSError as error:
            answer = {"error": f"{folder}: {error.strerror or error}"}
        except (
            Exception
        ) as error:  # a fault of ours in one capture: the traceback goes to the log, and the next is measured
            print(f"hearing {folder}:", file=sys.stderr)
            traceback.print_exc()
            answer = {"fault": in_words(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
