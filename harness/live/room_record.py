"""The manifest's record of the room: the agent's tracks, and who else was there. Levels in dBFS."""

from __future__ import annotations

from itertools import zip_longest

from bots.probe_bot import AGENT, Probe
from bots.roster import VOICE_DBFS
from bots.timeline import ProbeRecording, Take
from harness.live.attendance import Attendance
from harness.model.capture import TRACKS, AgentTrack, Happening

SILENT_DBFS = -70.0  # below it nobody hears a track


def tracks_of(probe: Probe | None, heard: ProbeRecording | None) -> list[AgentTrack]:
    """One entry for each agent track that delivered frames; each has its own file if there are several."""
    if probe is None or heard is None:
        return []
    takes = {take.sid: take for take in probe.takes if take.who == AGENT and take.frames}
    several = len(takes) > 1
    return [
        AgentTrack(
            sid=sid,
            name=take.name,
            source=take.source,
            voice=sid in heard.voice,
            level_dbfs=round(take.level_dbfs, 1),
            file=file if several else None,
        )
        for file, (sid, take) in zip_longest(TRACKS[: len(takes)], takes.items())
    ]


def what_was_there(probe: Probe | None, heard: ProbeRecording | None, attendance: Attendance | None) -> list[Happening]:
    """Whatever was in the room beside the user and the agent's voice."""
    if probe is None or heard is None:
        return []
    found: list[Happening] = []
    if attendance is not None and not attendance.has_track:
        found.append(
            Happening(kind="no_track", detail="the agent came without an audio track", who=attendance.identity or "")
        )
    agent = probe.roster.agent
    for seat in probe.roster.seats.values():
        if seat.identity != agent and not probe.roster.is_agent(seat.identity):
            found.append(Happening(kind="others", detail=f"{seat.identity} was in the room too", who=seat.identity))
    if probe.transcripts.cut_off:
        detail = f"{probe.transcripts.cut_off} published texts were not kept, or not whole: too many, or too long"
        found.append(Happening(kind="transcript_flood", detail=detail, who=agent or ""))
    if len(heard.tracks) > 1:
        found += [
            Happening(kind="background", detail=_background(take), who=agent or "")
            for take in probe.takes
            if take.who == AGENT and take.sid not in heard.voice and take.level_dbfs > SILENT_DBFS
        ]
    return found


def _background(take: Take) -> str:
    what = f"the agent's track {take.name or take.sid!r} ({take.source})"
    loud = ", as loud as a voice" if take.level_dbfs > VOICE_DBFS else ""
    return f"{what} sounded beside the voice at {take.level_dbfs:.0f} dBFS{loud}"
