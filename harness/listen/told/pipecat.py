"""The spans of Pipecat → replies.

Names and attributes are those of `pipecat/utils/tracing/` (`turn_trace_observer.py`, `service_decorators.py`):

- `turn` has `turn.user_bot_latency_seconds`: from the end of the user's speech, which its detector dates back by its own
  silence, to BotStartedSpeakingFrame (`observers/user_bot_latency_observer.py`);
- `stt` ends with the final transcript; its `metrics.ttfb` counts from the same end of speech (`services/stt_service.py`);
- `llm` starts once the user's turn was released; `tts` starts with its audio context. `metrics.ttfb` of both counts from there,
  as far as the service starts its own clock then.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.told.replies import AGREE_MS, ToldReply, Tree, children_of, known, named, plus_s, tree_of
from harness.model.spans import PIPECAT_SCOPES, SpanLine

CLAIM = "turn.user_bot_latency_seconds"
TTFB = "metrics.ttfb"


def pipecat_replies(spans: Sequence[SpanLine]) -> list[ToldReply]:
    """One for each `turn` in which the user spoke or the bot answered."""
    ours = [span for span in spans if span.scope in PIPECAT_SCOPES]
    tree = tree_of(ours)
    replies = [_reply(turn, tree) for turn in named(ours, "turn")]
    return sorted((r for r in replies if r.marks or r.claimed_ms is not None), key=lambda reply: reply.anchor_ms)


def _reply(turn: SpanLine, tree: Tree) -> ToldReply:
    below = children_of(tree, turn)
    heard, thought, spoke = (named(below, name) for name in ("stt", "llm", "tts"))
    claimed_s = turn.number(CLAIM)
    heard = [span for span in heard if not thought or span.start_ms <= thought[-1].start_ms]
    transcript = heard[-1] if heard else None
    waited_s = transcript.number(TTFB) if transcript is not None else None
    eot_ms = None if transcript is None or waited_s is None or waited_s <= 0 else transcript.end_ms - 1e3 * waited_s
    released_ms = thought[0].start_ms if thought else None
    voice = next((span for span in spoke if released_ms is None or span.start_ms >= released_ms), None)
    sound_ms = None if voice is None else plus_s(voice.start_ms, voice.number(TTFB))
    answering = [span for span in thought if voice is None or span.start_ms <= voice.start_ms]
    last = answering[-1] if answering else None
    claimed_ms = None if claimed_s is None else 1e3 * claimed_s
    counts_to = None if eot_ms is None or claimed_ms is None else eot_ms + claimed_ms
    within = counts_to is not None and counts_to <= turn.end_ms + AGREE_MS
    follows = within and counts_to is not None and (sound_ms is None or counts_to >= sound_ms - AGREE_MS)
    return ToldReply(
        framework="Pipecat",
        claim=CLAIM,
        began_ms=turn.start_ms,
        ended_ms=turn.end_ms,
        marks=known(
            user_eot=eot_ms,
            vad_end=released_ms,
            stt_done=transcript.end_ms if transcript is not None else None,
            tools_done=last.start_ms if last is not None and len(answering) > 1 else None,
            llm_first_token=None if last is None else plus_s(last.start_ms, last.number(TTFB)),
            llm_first_segment=voice.start_ms if voice is not None else None,
            tts_first_pcm=sound_ms,
            first_publish=counts_to if follows else None,
        ),
        claimed_ms=claimed_ms,
        counts_from_ms=eot_ms if follows else None,
        counts_to_ms=counts_to if follows else None,
    )
