"""The strange agents, a row each: what it does, and what is right to say of it. Files are in agents/."""

from __future__ import annotations

from harness.model.status import CaptureStatus, Status
from tests.zoo.row import Latency, Row

PASS, WARN, FAIL, NO_DATA = Status.PASS, Status.WARN, Status.FAIL, Status.NO_DATA
#: A hangover of 500 ms, and two ways of Opus, a jitter buffer and 20 ms frames beside it.
ANSWERED = Latency(540.0, 80.0)
#: For rows that are about something else than greetings and pauses: nothing is waited for that will not come.
BRISK = {"greeting": "none", "turn_quiet_ms": 1500}

AGENTS = (
    Row("answers", "answers each turn, and nothing else is strange", PASS, latency=ANSWERED, options=BRISK, quick=True),
    Row(
        "greets_at_once", "greets 0.2 s after joining", PASS, agent="greets.py 0.2", latency=ANSWERED, case="zoo_greeted",
        says="the agent spoke first, for {} s, {} s after the user had joined{}its words, as it published them: {}",
        quick=True, options={"turn_quiet_ms": 1500},
    ),
    Row(
        "greets_after_1_s", "greets 1 s after joining", PASS, agent="greets.py 1",
        says="the agent spoke first, for {} s", heard_s=3.2, latency=ANSWERED,
        options={"turn_quiet_ms": 1500},
    ),
    Row(
        "greets_after_4_s", "greets 4 s after joining", PASS, agent="greets.py 4",
        says="the agent spoke first, for {} s", heard_s=3.2, latency=ANSWERED,
        options={"turn_quiet_ms": 1500},
    ),
    Row(
        "greets_with_a_pause", "pauses for 1.3 s inside its greeting", PASS, agent="greets.py 1 1.3",
        says="the agent spoke first, for {} s", heard_s=4.2,
        latency=ANSWERED,
    ),
    Row(
        "greets_and_answers_nothing", "greets, and then answers nothing", FAIL, agent="greets_only.py",
        capture=CaptureStatus.REPLY_TIMEOUT,
        says="nothing was heard of the agent within 3000 ms of the user's last word",
        case="zoo_impatient", turns=0,
    ),
    Row(
        "thinks_aloud", "says “let me check”, is silent for 4 s (a tool call), then answers", PASS,
        agent="thinks_aloud.py", heard_s=3.0, latency=ANSWERED,
    ),
    Row(
        "thinks_aloud_with_state", "does the same, and tells its state in lk.agent.state", PASS,
        agent="thinks_aloud.py state", heard_s=3.0, quick=True, latency=ANSWERED,
    ),
    Row(
        "thinks_aloud_twice", "does the same in each of two turns", PASS, agent="thinks_aloud.py", heard_s=6.0,
        case="double_turn", turns=2, latency=ANSWERED,
    ),
    Row(
        "thinks_aloud_twice_with_state", "does the same in each of two turns, and tells its state", PASS,
        agent="thinks_aloud.py state", heard_s=6.0, case="double_turn", turns=2, latency=ANSWERED,
    ),
    Row(
        "second_track_silent", "has a second audio track, which is silent", PASS, agent="second_track.py silent",
        options=BRISK, latency=ANSWERED,
    ),
    Row(
        "second_track_music", "plays music at −45 dBFS on a second audio track", WARN, agent="second_track.py music",
        quick=True, options=BRISK, latency=ANSWERED, says="background",
    ),
    Row(
        "second_track_noise", "plays pink noise at −60 dBFS on a second audio track", PASS,
        agent="second_track.py noise", options=BRISK, latency=ANSWERED,
    ),
    Row(
        "two_agents", "is not alone: a second agent answers as well", NO_DATA, agent="two_agents.py",
        capture=CaptureStatus.TWO_AGENTS, says="two agents are in the room", turns=None, quick=True, options=BRISK,
    ),
    Row(
        "two_agents_one_named", "is not alone, and `--agent-identity` says which agent is meant", PASS,
        agent="two_agents.py", options={**BRISK, "agent_identity": "agent"}, latency=ANSWERED,
    ),
    Row(
        "bed_music_45", "has music of −45 dBFS under its voice", WARN, agent="bed.py music -45", says="background at",
        options=BRISK, latency=ANSWERED,
    ),
    Row(
        "bed_music_35", "has music of −35 dBFS under its voice", WARN, agent="bed.py music -35", says="background at",
        options=BRISK, latency=ANSWERED,
    ),
    Row(
        "bed_noise_40", "has pink noise of −40 dBFS under its voice", WARN, agent="bed.py noise -40",
        says="background at",
        options=BRISK, latency=ANSWERED,
    ),
    Row(
        "hangs_up", "leaves 0.5 s after its complete reply", WARN, agent="leaves_after.py 0.5",
        says="the agent {} {} s after its last reply",
        options=BRISK, latency=ANSWERED,
    ),
    Row(  # a host that holds the reply up by more than half a second makes the row above a reply that was cut off
        "hangs_up_later", "leaves 2 s after its complete reply", WARN, agent="leaves_after.py 2",
        says="the agent {} {} s after its last reply",
        quick=True, options={"greeting": "none"}, latency=ANSWERED,
    ),
    Row(
        "hangs_up_as_expected", "leaves 0.5 s after its complete reply, and `hangup: expected` is set", PASS,
        agent="leaves_after.py 0.5", options={**BRISK, "hangup": "expected"}, latency=ANSWERED,
    ),
    Row(
        "hangs_up_too_soon", "leaves after its first reply, and the user has more to say", FAIL,
        agent="leaves_after.py 0.6", case="double_turn", capture=CaptureStatus.AGENT_LEFT,
        says="before the user's next turn", turns=None,
    ),
    Row(
        "deletes_the_room", "deletes the room after its reply", WARN, agent="deletes_room.py",
        says="the agent deleted the room {} s after its last reply",
        options=BRISK, latency=ANSWERED,
    ),
    Row(
        "reconnects", "leaves the room between two turns and comes back", PASS, agent="reconnects.py",
        case="double_turn", turns=2, says="and came back after {} s", options=BRISK, latency=ANSWERED,
    ),
    Row(
        "third_party", "has company: a silent participant comes and goes", PASS, agent="third_party.py", options=BRISK,
        latency=ANSWERED,
    ),
    Row(
        "holes", "leaves holes of 100 ms in what it says, and writes no pre_rtc.wav", WARN, agent="damaged.py holes",
        says="torn", options=BRISK, case="zoo_story", latency=ANSWERED,
    ),
    Row(
        "clicks", "clicks at full scale, and writes no pre_rtc.wav", PASS, agent="damaged.py clicks",
        says="Not examined: holes, clicks",
        options=BRISK, case="zoo_story", latency=ANSWERED,
    ),
    Row(
        "bytes", "loses one byte of its PCM after a second, so the rest is noise, and writes no pre_rtc.wav", FAIL,
        agent="damaged.py bytes", says="garbage", options=BRISK, case="zoo_story",
    ),
    Row("stops_when_interrupted", "stops when it is interrupted, and answers that", PASS, agent="storyteller.py",
        case="barge_in_mid_reply", turns=2, options=BRISK, latency=ANSWERED),
    Row(
        "talks_on", "does not notice that it is interrupted", FAIL, agent="talks_on.py", case="barge_in_mid_reply",
        says="talked on {} s after the interruption", capture=CaptureStatus.REPLY_TIMEOUT, turns=None, quick=True, options=BRISK,
    ),
    Row(
        "slow", "takes 830 ms to its first sound", FAIL, agent="slow.py 830", timed=True, says="eot_to_first_audio",
        options=BRISK, latency=Latency(870.0, 80.0),
    ),
    Row(
        "slow_and_allowed",
        "takes 830 ms to its first sound, and `--gate eot_to_first_audio=1200 --gate user_kpi=1500` allow it", PASS,
        agent="slow.py 830", timed=True, latency=Latency(870.0, 80.0),
        options={**BRISK, "gate": ["eot_to_first_audio=1200", "user_kpi=1500"]},
    ),
    Row(
        "crashes", "dies in the middle of its reply", FAIL, agent="crashes.py", capture=CaptureStatus.AGENT_CRASH,
        says="its process ended with 7", turns=None, options=BRISK,
    ),
    Row(
        "wants_attribute", "speaks only to a user with the attribute that `--attributes` gives", PASS,
        agent="wants_to_know.py attribute plan", options={**BRISK, "attributes": '{"plan": "gold"}'}, latency=ANSWERED,
    ),
    Row(
        "wants_room_metadata", "needs the room's metadata, which `--room-metadata` gives", PASS,
        agent="wants_to_know.py room tenant", options={**BRISK, "room_metadata": '{"tenant": "a"}'}, latency=ANSWERED,
    ),
    Row(
        "wants_what_nobody_gave", "needs the room's metadata, and nobody gave any", NO_DATA,
        agent="wants_to_know.py room tenant", capture=CaptureStatus.AGENT_ABSENT, says="no audio track", turns=0,
    ),
    Row("mutes", "mutes its track between turns", PASS, agent="mutes.py", options=BRISK, latency=ANSWERED),
    Row("new_track", "publishes a new track for each reply and takes it back", PASS, agent="new_track.py",
        case="double_turn", turns=2, options=BRISK, latency=ANSWERED),
    Row("publishes_late", "publishes its track only when it first speaks", PASS, agent="publishes_late.py",
        options=BRISK, latency=Latency(ANSWERED.ms + 100, 180.0)),
    Row("waits_for_listener", "speaks only once somebody has subscribed to its track", PASS,
        agent="waits_for_listener.py", options=BRISK, latency=ANSWERED),
    Row("track_8khz", "publishes 8 kHz", PASS, agent="track_kind.py 8khz", options=BRISK, latency=ANSWERED),
    Row("track_24khz", "publishes 24 kHz", PASS, agent="track_kind.py 24khz", options=BRISK, latency=ANSWERED),
    Row("track_stereo", "publishes stereo", PASS, agent="track_kind.py stereo", options=BRISK, latency=ANSWERED),
    Row("track_dtx", "sends no packets in silence (DTX)", PASS, agent="track_kind.py dtx", options=BRISK,
        latency=ANSWERED),
    Row("track_stops", "captures frames only while it speaks", PASS, agent="track_kind.py starts_and_stops",
        options=BRISK, latency=ANSWERED),
    Row("track_screen", "publishes its voice as a screen share's audio", PASS, agent="track_kind.py screen",
        options=BRISK, latency=ANSWERED),
    Row("track_unnamed", "publishes its voice without a source", PASS, agent="track_kind.py unnamed", options=BRISK,
        latency=ANSWERED),
    Row("video_too", "publishes video beside its voice", PASS, agent="video_too.py", options=BRISK, latency=ANSWERED),
    Row("floods", "sends 100 data messages a second and fills its standard output", PASS, agent="floods.py",
        options=BRISK, latency=ANSWERED),
    Row("late_8_s", "joins 8 s after it was started", PASS, agent="late.py 8", options=BRISK, latency=ANSWERED),
    Row("late_25_s", "joins 25 s after it was started", NO_DATA, agent="late.py 25", capture=CaptureStatus.AGENT_ABSENT,
        says="waited 20 s", turns=0),
    Row("late_and_waited_for", "joins 25 s after it was started, and is given the time", PASS, agent="late.py 25",
        options={**BRISK, "agent_join_s": 60.0}, latency=ANSWERED),
    Row("deaf", "never subscribes to the user's track", FAIL, agent="deaf.py", capture=CaptureStatus.REPLY_TIMEOUT,
        says="nothing was heard of the agent", turns=0, case="zoo_impatient", options=BRISK),
    Row("picky", "subscribes by hand, to microphones of people alone", PASS, agent="picky.py", options=BRISK,
        latency=ANSWERED),
    Row("tenant", "speaks only in a room, and to a user, of which the metadata and the attributes tell it enough", PASS,
        agent="tenant.py", latency=ANSWERED,
        options=BRISK | {"room_metadata": '{"tenant": "acme"}', "attributes": '{"plan": "gold"}'}),
    Row("echoes", "says back what it hears", FAIL, agent="echoes.py", says="talk_over", options=BRISK,
        turns=None),
    Row("endless_story", "never stops talking", FAIL, agent="endless.py story", capture=CaptureStatus.REPLY_ENDLESS,
        says="the agent was still speaking {} s after the user's last word", case="zoo_impatient", turns=None, options=BRISK),
    Row("endless_tone", "answers with a tone that never ends", FAIL, agent="endless.py tone",
        capture=CaptureStatus.REPLY_ENDLESS,
        says="the agent was still speaking {} s after the user's last word",
        case="zoo_impatient", turns=None, options=BRISK),
    Row("state_stuck", "says “speaking” in lk.agent.state for ever", PASS, agent="state_stuck.py",
        says="its lk.agent.state was still 'speaking' after {} s of silence",
        latency=ANSWERED),
    Row("avatar", "has an avatar that speaks for it (lk.publish_on_behalf)", PASS, agent="avatar.py", options=BRISK,
        latency=ANSWERED),
    Row("hasty", "answers while the user only draws breath", FAIL, agent="hasty.py", case="stutter_long_pause",
        says="talk_over", options=BRISK),
    Row("adds_more", "adds something 3 s after its answer", PASS, agent="adds_more.py 3", heard_s=2.7,
        options={"greeting": "none"}, latency=ANSWERED),
    Row("softly", "speaks at −44 dBFS", FAIL, agent="softly.py 24",
        says="RMS {} in post_rtc.wav is below 0.01", options=BRISK, latency=ANSWERED),
    Row("one_word", "answers with one word", PASS, agent="one_word.py", case="zoo_yes_or_no", options=BRISK,
        latency=ANSWERED),
    Row("stubborn", "does not end when it is asked to, nor does its child", PASS, agent="stubborn.py", options=BRISK,
        latency=ANSWERED),
    Row("dies_early", "ends with an error before it joins", NO_DATA, agent="dies_early.py",
        capture=CaptureStatus.AGENT_ABSENT, says="before it joined, its process ended with 3", turns=0),
    Row("looks_in", "joins and leaves again before anybody has spoken", FAIL, agent="looks_in.py",
        capture=CaptureStatus.AGENT_LEFT, says="before anybody spoke to it", turns=None, options=BRISK),
    Row("thinking_sound", "types on a keyboard while it thinks, on a second track", FAIL, agent="thinking_sound.py", timed=True,
        says="eot_to_first_audio", options=BRISK, latency=Latency(ANSWERED.ms + 1000, 80.0)),
    Row("removes_user", "ends the call by removing the user from the room", WARN, agent="removes_user.py",
        says="hung up", options=BRISK, latency=ANSWERED),
    Row("supervisor", "is not alone: a supervisor's open microphone is silent", PASS, agent="supervisor.py", options=BRISK,
        latency=ANSWERED),
    Row("flickers", "changes lk.agent.state five times a second", PASS, agent="flickers.py", options=BRISK),
    Row("one_side", "publishes stereo with its voice on one side alone", PASS, agent="one_side.py", options=BRISK,
        latency=ANSWERED),
    Row("restarts", "joins, leaves, and joins again to stay", PASS, agent="restarts.py 0.3", options=BRISK),
    Row("two_mouths", "says its filler on one track and its answer on another", PASS, agent="two_mouths.py",
        options=BRISK),
    Row("swaps", "takes its track back in the middle of its reply and goes on with it on a new one", PASS,
        agent="swaps.py answer", options=BRISK),
)  # fmt: skip
