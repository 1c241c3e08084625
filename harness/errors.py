"""The errors a user can meet, one tree, each with an exit code.

    EarwitnessError                 anything we explain in one line: what, where, what to do
    ├── UsageError        (exit 2)  a wrong option, file or configuration
    │   └── FileError               a file that people write does not fit its schema: file, line, key
    │       ├── CaseError           … a case
    │       ├── ProfileError        … a network profile
    │       └── NightPlanError      … the plan of a night
    └── HarnessError      (exit 3)  we could not measure
        ├── ProvisionError          a component (media server, Chromium, page library) is missing or broken
        ├── HistoryError            the history of runs cannot be opened, read or written
        │   ├── HistoryLockedError  another program held it longer than we wait
        │   └── NewerHistoryError   a newer version of this program wrote it
        └── AttemptError            an attempt ended early; carries the CaptureStatus that names why

"The agent was wrong" is a verdict, never an exception.
"""

from __future__ import annotations

from pathlib import Path

from harness.model.status import CaptureStatus


class EarwitnessError(Exception):
    """Base of all errors that are explained to the user in one line."""

    exit_code = 3


class UsageError(EarwitnessError):
    """The command, its options or its configuration are wrong."""

    exit_code = 2


class FileError(UsageError):
    """A file that people write is not valid; says file, line and key."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        self.path = path
        self.line = line
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {message}")


class CaseError(FileError):
    """A case file is not valid."""


class ProfileError(FileError):
    """A network profile is not valid."""


class NightPlanError(FileError):
    """The plan of a night is not valid."""


class HarnessError(EarwitnessError):
    """The harness could not do its work; this is no verdict about the agent."""


class ProvisionError(HarnessError):
    """A component that a run needs is missing or does not work."""


class HistoryError(HarnessError):
    """The history of runs cannot be opened, read or written. What was recorded is still in the run folder."""


class HistoryLockedError(HistoryError):
    """Another program held the database for longer than we wait."""


class NewerHistoryError(HistoryError):
    """The database has a schema that only a newer version of this program knows."""


class AttemptError(HarnessError):
    """An attempt ended early. `status` goes into the manifest, `detail` says what happened and what to do."""

    def __init__(self, status: CaptureStatus, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f"{status.value}: {detail}")


def first_explained(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of the tree that has a status or a sentence of its own."""
    leaves: list[BaseException] = []

    def walk(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                walk(part)
        else:
            leaves.append(error)

    walk(group)
    return next((leaf for leaf in leaves if isinstance(leaf, EarwitnessError)), leaves[0])
