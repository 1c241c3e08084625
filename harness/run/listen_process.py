"""The process that measures captures for `harness.run.hearing_process`: a question a line on stdin, an answer a line on stdout.

`python -m harness.run.listen_process`. It runs at nice 19, writes `measurement.json` into the folder as the run itself would,
and ends when its stdin closes, also because the run was killed. Question: {"folder": …, "recogniser": its spec or null}. Answer:
{}, {"error": "one line"}, or {"fault": "one line"} for a fault of ours, with its traceback on stderr.
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
    from harness.listen.measure import write_measurement
    from harness.model.plan import RecogniserSpec
    from harness.own_faults import in_words
    from harness.words_heard.recognise import listen_to_call

    for line in sys.stdin:
        question = json.loads(line)
        folder, spec = Path(question["folder"]), question["recogniser"]
        answer = {}
        try:
            write_measurement(folder, listen_to_call(folder, None if spec is None else RecogniserSpec(**spec)))
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
