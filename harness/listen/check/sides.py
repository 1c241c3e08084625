"""Who is on which channel of one recording: the user and the agent apart, or both in one mix. Pure but for reading files.

A channel is guessed to be the user's only where it has a microphone's noise between its words and the other is digitally
silent there, as a synthesised voice is; who speaks more, or first, says nothing. Levels are dBFS of 20 ms frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.listen.read.wav import WavFormat
from harness.listen.recordings import Recordings, check_format, compare_channels
from harness.model.channels import OPPOSITE, SILENT_DBFS, Channel, TwoChannels

SAME = 0.97  # correlation: one sound on both channels
DIGITAL_SILENCE_DBFS = -100.0
ROOM_DBFS = -85.0  # a microphone in a quiet room, 16 bit, is about -75
OTHER = {Channel.LEFT: Channel.RIGHT, Channel.RIGHT: Channel.LEFT}
TWO_PEOPLE = "2 people speak in turn, each on a channel"
ASK = "say which channel the user is: --user left or --user right"


@dataclass(frozen=True)
class Sides:
    """`mix`: both voices lie on one channel, so nobody's words are told from the other's. `user`: whose channel, in words."""

    files: Recordings
    mix: bool
    user: str = ""
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def find_sides(call: Path, user: str | None) -> Sides:
    """`user`: left, right, a file of the user's side on the same clock, or None. Raises UsageError."""
    found = check_format(call)
    if user is not None and user not in (Channel.LEFT, Channel.RIGHT):
        return _from_two_files(call, found, Path(user))
    if found.channels == 1:
        if user is not None:
            raise UsageError(
                f"{call}: is mono, so it has no {user} channel; give the user's side as a file of its own (--user first.wav), or "
                "leave --user out for what a mix of both voices can tell"
            )
        return Sides(Recordings(call), True, notes=[f"{call.name}: mono, read as a mix of both voices"])
    seen = compare_channels(call)
    if max(seen.loudest_dbfs) < SILENT_DBFS:
        raise UsageError(f"{call}: is silent (nothing above {SILENT_DBFS:.0f} dBFS on either channel); record it again")
    one_sound = _one_sound(seen)
    if one_sound:
        if user is not None:
            raise UsageError(
                f"{call}: {one_sound}, so --user {user} does not tell the user from the agent; leave --user out for what a "
                "mix can tell, or give the user's side as a file of its own"
            )
        files = Recordings(call, ear_channel=Channel.LEFT if seen.correlation < 0 else Channel.AVERAGE)
        return Sides(files, True, notes=[f"{call.name}: {one_sound}; read as a mix of both voices"])
    silent = _silent(seen)
    if user is None and silent is not None:
        files = Recordings(call, ear_channel=OTHER[silent])
        said = f"the {silent} channel is silent; the {OTHER[silent]} one was read as a mix of both voices"
        return Sides(files, True, notes=[f"{call.name}: {said}"])
    doubts = _lossy(found)
    if user is None:
        chosen, why = _guess(call, seen)
        notes = [
            f"the user is taken to be on the {chosen} channel: {why}; --user {OTHER[chosen]} reads it the other way"
        ]
    else:
        chosen = Channel(user)
        notes = []
        doubts += _contradicted(seen, chosen)
        if silent is not None:
            notes.append(f"the {silent} channel, the {'user' if silent is chosen else 'agent'}'s, is silent throughout")
    files = Recordings(call, mic=call, ear_channel=OTHER[chosen], mic_channel=chosen)
    return Sides(files, False, f"the {chosen} channel", notes, doubts)


def _from_two_files(call: Path, found: WavFormat, user: Path) -> Sides:
    of_user = check_format(user)
    if user.resolve() == call.resolve():
        raise UsageError(f"--user {user}: is the call itself; give --user left or --user right, or the user's own file")
    if _two_people(call, found):
        raise UsageError(
            f"{call}: {TWO_PEOPLE}, and --user names a file beside it; {ASK}, or give the agent's side alone"
        )
    if _two_people(user, of_user):
        raise UsageError(f"--user {user}: {TWO_PEOPLE}; give a file of the user alone")
    return Sides(Recordings(call, mic=user), False, user.name, doubts=_lossy(found, of_user))


def _two_people(path: Path, found: WavFormat) -> bool:
    return found.channels > 1 and compare_channels(path).use is None


def _one_sound(seen: TwoChannels) -> str:
    if _silent(seen) is not None:
        return ""
    if seen.correlation >= SAME:
        return "both channels hold the same sound"
    if seen.correlation < OPPOSITE:
        return "both channels hold the same sound in opposite phase"
    return ""


def _silent(seen: TwoChannels) -> Channel | None:
    left, right = seen.loudest_dbfs
    if min(left, right) >= SILENT_DBFS or max(left, right) < SILENT_DBFS:
        return None
    return Channel.LEFT if left < right else Channel.RIGHT


def _by_noise(seen: TwoChannels) -> Channel | None:
    """The channel that alone has a microphone's noise between its words."""
    left, right = seen.quiet_dbfs
    if min(left, right) > DIGITAL_SILENCE_DBFS or max(left, right) < ROOM_DBFS:
        return None
    return Channel.LEFT if left > right else Channel.RIGHT


def _guess(call: Path, seen: TwoChannels) -> tuple[Channel, str]:
    chosen = _by_noise(seen)
    if chosen is None:
        raise UsageError(f"{call}: nothing in it tells the user from the agent; {ASK}")
    return (
        chosen,
        f"it has a microphone's noise between its words ({max(seen.quiet_dbfs):.0f} dBFS), the other is digitally silent",
    )


def _lossy(*found: WavFormat) -> list[str]:
    """Measured by benchmarks/check_accuracy.py: Opus in stereo lets words end up to 65 ms late."""
    if not any(one.subtype in ("VORBIS", "OPUS") or one.subtype.startswith("MPEG") for one in found):
        return []
    return ["the ends of words to better than 70 ms: a lossy codec blurs them"]


def _contradicted(seen: TwoChannels, chosen: Channel) -> list[str]:
    """Swapped channels cannot be seen in general; here they would."""
    by_noise = _by_noise(seen)
    if by_noise is None or by_noise is chosen:
        return []
    return [
        f"whether the channels are swapped: the {chosen} one, named as the user's, is digitally silent "
        "between its words as a synthesised voice is, and the "
        f"{by_noise} one has a microphone's noise: --user {by_noise} reads it so"
    ]
