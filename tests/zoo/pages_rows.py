"""The strange pages, a row each; the agent behind them answers each turn. Files are in pages/."""

from __future__ import annotations

from typing import Any

from harness.model.status import CaptureStatus, Status
from tests.zoo.agents_rows import ANSWERED, BRISK
from tests.zoo.row import BROWSER, Row

PASS, WARN, NO_DATA = Status.PASS, Status.WARN, Status.NO_DATA
UNPLAYED = "the agent's voice arrived and the page does not play it"


def _right(name: str, does: str, status: Status = PASS, **more: Any) -> Row:
    more = {"page": f"{name}.html", "options": BRISK, "latency": ANSWERED, **more}
    return Row(name, does, status, lanes=BROWSER, **more)


def _wrong(name: str, does: str, says: str, **more: Any) -> Row:
    more = {"page": f"{name}.html", "options": BRISK, "turns": None, **more}
    return Row(name, does, NO_DATA, says=says, capture=CaptureStatus.PAGE_ERROR, lanes=BROWSER, **more)


PAGES: tuple[Row, ...] = (
    _right("plain", "plays the agent in an audio element, and nothing else is strange"),
    _wrong("muted", "plays the agent in a muted element", UNPLAYED, quick=True),
    _right("quiet", "plays the agent at a volume of 0.3"),
    _wrong("never_played", "subscribes to the agent's track and plays nothing", UNPLAYED),
    _wrong("paused", "pauses the element that plays the agent", UNPLAYED),
    _right("detached", "plays the agent in an element that is not in the document"),
    _right("twice", "plays the agent in two elements at once, twice as loud", WARN, says="ear_clipping"),
    _right("own_graph", "plays the agent through a Web Audio graph of its own, with a gain and a compressor", quick=True),
    _right("web_audio_mix", "lets LiveKit mix in Web Audio (webAudioMix)"),
    _wrong("suspended", "plays the agent in an AudioContext that it never resumes", UNPLAYED),
    _right("subscribes_anew", "drops the agent's track and subscribes anew, with a new element"),
    _right("asks_by_device", "tries microphone and camera, and then asks for one microphone by its id"),
    _right("loopback", "plays the agent through a local RTCPeerConnection, for its echo cancellation"),
    _wrong("no_microphone", "publishes no microphone", "microphone"),
    _wrong("publishes_muted", "publishes its microphone and mutes it", "microphone"),
    _right("reloads", "reloads itself in the middle of the call", NO_DATA, capture=CaptureStatus.PAGE_ERROR,
           says="reload", turns=None, latency=None),
    _right("dialog", "shows a dialog (alert) before it joins"),
    _right("chatters", "writes 1,000 lines a second to its console"),
    _right("page_video_too", "publishes a camera beside its microphone", page="video_too.html"),
    _right("replaces_microphone", "changes its microphone track in the middle of the call"),
    _right("changes_route", "changes its route without loading anew"),
    _right("in_a_frame", "has the call in a frame"),
    _right("in_a_foreign_frame", "has the call in a frame of another origin"),
    _right("opens_a_window", "opens a window in which the call is; `--page-script` clicks", script="opens_a_window.js"),
    _right("redirects", "goes to another address before it joins"),
    _right("processes_microphone", "sends its microphone through a Web Audio graph of its own"),
    _right("chimes", "plays a chime of its own when it has joined and when the user has stopped speaking",
           says="the page played {} sounds of its own"),
    _right("resumes", "loses its signalling in the middle of the call and resumes it"),
    _right("rate_44khz", "plays the agent through an AudioContext of 44.1 kHz"),
    _right("rate_16khz", "plays the agent through an AudioContext of 16 kHz"),
    _right("boosts", "plays the agent through a gain whose output an audio element plays"),
    _right("plays_agents", "plays only whom LiveKit calls an agent, as LiveKit's own components do"),
    _right("plays_later", "asks its jitter buffer for 0.3 s more"),
    _right("faster", "sets a playbackRate of 1.1, which a live stream does not follow"),
    _right("ducks", "plays the agent softly while the user speaks"),
    _right("custom_element", "has the call in a custom element with a closed shadow root"),
    _right("visualizes", "draws the waves of agent and user, by analysers that play nothing"),
    _right("listens_apart", "hears the agent by a second connection, under a name of its own"),
    _right("unprocessed", "asks for its microphone at 16 kHz, without any processing"),
    _right("gated", "mutes its microphone while nobody speaks, from the beginning on, by a voice detector of its own"),
    _right("half_duplex", "closes its microphone while the agent speaks", case="double_turn", turns=2),
    # how it comes into the call
    _right("joins_twice", "joins twice, as a component does that is mounted twice (React's strict mode)"),
    _right("two_connections", "joins a second time over its first connection, which the server then ends"),
    _right("reconnects_whole", "loses its connection before anybody has spoken, and joins anew"),
    _right("late_microphone", "publishes its microphone 4 s after it has joined"),
    _right("adaptive", "subscribes by hand, with adaptive stream and dynacast, and starts its audio itself"),
    _right("throws_and_joins", "throws something harmless (analytics, a ResizeObserver loop) and joins"),
    _right("late_button", "has a button that comes late and is disabled at first; `--page-script` fills and clicks",
           script="late_button.js"),
    _right("own_identity", "joins under an identity of its own, from a token endpoint of its own"),
    _right("microphone_twice", "opens the microphone twice, by its deviceId, with a camera"),
    _right("microphone_first", "connects only with its microphone in hand, and `--mic device` is given", latency=None,
           options={**BRISK, "mic": "device"}),
    _right("push_to_talk", "opens its microphone at the press of a button; `--page-script` clicks", script="push_to_talk.js"),
    _right("bundle", "is a module that joins by a click, and starts its audio by another; `--page-script` clicks",
           script="bundle.js"),
    _right("service_worker", "joins only when its service worker is in control"),
    _right("asks_permission", "looks at its permission and at the list of devices before it asks for a microphone"),
    _right("preconnect", "records its microphone before it is connected (LiveKit's preConnectBuffer)"),
    _right("strict", "allows no scripts and no media but its own (Content-Security-Policy, Trusted Types)"),
    _wrong("lobby", "stays in its lobby",
           "did not connect to a media server within {} s of asking for the microphone, which it had been given"),
    _wrong("other_room", "joins another room", "joined the room 'somewhere-else' as 'guest-7f3a'"),
    _wrong("broken", "throws what keeps it from the call",
           "did not ask for the microphone within {} s (its last error: Cannot read properties of null"),
)  # fmt: skip
