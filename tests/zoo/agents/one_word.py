"""Answers with "Yes." and nothing more."""

from stranger import Stranger, run_stranger


class OneWord(Stranger):
    reply = "yes"


if __name__ == "__main__":
    run_stranger(OneWord)
