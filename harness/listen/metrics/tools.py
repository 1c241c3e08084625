"""What the agent did in a turn, as it told of its tools (events tool_start and tool_end), and whether the case wants it so.

A call belongs to the turn that had begun when it was made. An agent that sends no such events is held to the tools that its
OpenTelemetry spans tell of, where all of the turn's have come. An agent that tells of no tools has NO_DATA where a case asks:
silence of one that never speaks of them is no proof that nothing was done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from harness.listen.metrics.told import NOT_PLACED, TELLS_TOOLS, Told
from harness.listen.metrics.words import NOT_PUBLISHED, expected_of_turn, is_first_sound, turn_starts_ms
from harness.listen.place.replies import HeardReply
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.reading import SeenEvent
from harness.listen.read.records import no_number, number
from harness.model.events import Event, EventType
from harness.model.expect import Expectation, ExpectedTool, SayDo
from harness.model.measurement import Metric, ToolCall
from harness.model.pattern import PatternTooSlowError
from harness.model.phrases import is_said

NOT_TOLD = (
    "the agent does not tell of its tools (events tool_start and tool_end, attach: docs/how_to/own_agent.md, "
    "or the OpenTelemetry spans of LiveKit Agents)"
)
ORDER_MS = 50.0  # an agent's clock that is known less closely does not say what came first
METRICS = ("tools_missing_count", "tools_forbidden_count", "say_do_count")
BEFORE_REPLY = "reply"
SHOWN_CHARS = 200
SHOWN_CALLS = 6
ToldEvent = tuple[float | None, Event]  # when, on the host's clock


def turn_tools(scene: Scene, turn: TurnHeard, told: Told | None) -> tuple[ToolCall, ...]:
    """The calls of this turn, in their order. Those before the user's first word belong to the first sound.

    `told`: what the spans tell, which counts for an agent that sends no events of its tools.
    """
    calls: Sequence[ToolCall] = tool_calls(_told(scene))
    if told is not None and not _tells_of_tools(scene):
        calls = told.tools
    starts = turn_starts_ms(scene)
    if not calls or starts is None:
        return ()
    begins = [start for _, start in starts]
    place = next((n for n, (index, _) in enumerate(starts) if index == turn.utterance), None)
    if place is None:
        if turn.utterance is not None or not is_first_sound(scene, turn, starts):
            return ()
        place = -1
    return tuple(
        call for call in calls
        if call.started_ms is not None and sum(begin <= call.started_ms for begin in begins) - 1 == place
    )  # fmt: skip


def tool_metrics(
    scene: Scene, turn: TurnHeard, calls: Sequence[ToolCall], said: str, told: Told | None
) -> dict[str, Metric]:
    """`said`: the agent's own text of the turn. Empty where the case asks for nothing."""
    expected = expected_of_turn(scene, turn)
    if turn.utterance is None or expected is None or not expected.asks_for_tools:
        return {}
    why_not = "" if _tells_of_tools(scene) else _why_not_by_spans(scene, turn, expected, calls, told)
    if why_not:
        return {name: no_number("count", why_not) for name in METRICS}
    missing = [why for wanted in expected.tools if (why := _not_met(wanted, calls, _answered_ms(scene, turn)))]
    forbidden = [_in_words(call) for call in calls if call.name in expected.forbid_tools]
    return {
        "tools_missing_count": number(len(missing), "count", reason=_with_calls(missing, calls)),
        "tools_forbidden_count": number(len(forbidden), "count", reason="; ".join(forbidden[:SHOWN_CALLS])),
        "say_do_count": _say_do(expected, calls, said),
    }


def tool_calls(told: Sequence[ToldEvent]) -> list[ToolCall]:
    """Each start with the end of the same id. A second start of an id is a call of its own; an end alone is no call."""
    found: list[ToolCall] = []
    opened: dict[str, int] = {}
    for t_ms, event in told:
        named = _text(event.data.get("id")) or _text(event.data.get("name"))
        if event.type == EventType.TOOL_START:
            opened[named] = len(found)
            arguments = event.data.get("arguments")
            found.append(ToolCall(name=_text(event.data.get("name")), arguments=_text(arguments), started_ms=t_ms))
        elif event.type == EventType.TOOL_END and named in opened:
            at = opened.pop(named)
            result, error = _text(event.data.get("result")), _text(event.data.get("error"))
            found[at] = found[at].model_copy(update={"result": result, "error": error, "ended_ms": t_ms, "ended": True})
    return found


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _told(scene: Scene) -> list[ToldEvent]:
    kinds = (EventType.TOOL_START, EventType.TOOL_END)
    return [(_at_ms(scene, seen), seen.event) for seen in _of_agent(scene) if seen.event.type in kinds]


def _of_agent(scene: Scene) -> list[SeenEvent]:
    trace_id = scene.capture.manifest.trace_id
    return [e for e in scene.capture.events if e.direction == "received" and e.event.trace_id == trace_id]


def _at_ms(scene: Scene, seen: SeenEvent) -> float | None:
    """An agent may tell of a call once it has returned: where the clock is ours its own time counts."""
    if scene.clocks.shared_with(scene.primary, seen.event):
        return seen.event.t_ms
    return seen.t_arrival_mono_ms


def _tells_of_tools(scene: Scene) -> bool:
    return any(
        seen.event.type == EventType.TOOL_START
        or (seen.event.type == EventType.TRACE_ACK and seen.event.data.get("tools") is True)
        for seen in _of_agent(scene)
    )


def _why_not_by_spans(
    scene: Scene, turn: TurnHeard, expected: Expectation, calls: Sequence[ToolCall], told: Told | None
) -> str:
    """Why the spans do not say what was done in this turn and what was not; "" where they do."""
    if told is None or told.framework not in TELLS_TOOLS:
        return NOT_TOLD
    if told.of(turn) is None:
        return NOT_PLACED
    if any(happening.incomplete for happening in scene.capture.manifest.happenings):
        return "some of the agent's spans were not kept"
    if told.whole_until_ms < _over_ms(scene, turn):
        return "the agent ended before the last of its spans were sent"
    for wanted in expected.tools:
        if wanted.args and any(call.name == wanted.name and not _is_json(call.arguments) for call in calls):
            return f"the agent's spans do not tell the whole arguments of {wanted.name}"
    if any(wanted.before for wanted in expected.tools) and (told.clock.error_ms or 0.0) > ORDER_MS:
        return f"what came first is not known: the agent's clock is {told.clock.how}"
    return ""


def _over_ms(scene: Scene, turn: TurnHeard) -> float:
    """When the user's next turn began, on the host's clock; for the last one, when the recording ended."""
    starts = [start for utterance, start in turn_starts_ms(scene) or () if utterance > (turn.utterance or 0)]
    if starts:
        return min(starts)
    ring = scene.rings.get(scene.primary)
    ended = scene.clocks.mono_ms(scene.primary, len(ring.audio)) if ring is not None else None
    return math.inf if ended is None else ended


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _answered_ms(scene: Scene, turn: TurnHeard) -> float | None:
    """When the answer began on the host's clock: the turn's last sound, after a filler."""
    answer = turn.answers.get(scene.primary)
    heard: HeardReply | None = (answer.reply if answer is not None else None) or turn.heard.get(scene.primary)
    if heard is None:
        return None
    last = heard.parts[-1] if heard.parts else heard
    return scene.clocks.mono_ms(scene.primary, last.start)


def _not_met(wanted: ExpectedTool, calls: Sequence[ToolCall], answered_ms: float | None) -> str:
    """Why the expectation is not met; "" where it is."""
    alike = [call for call in calls if call.name == wanted.name and has_arguments(call.arguments, wanted.args)]
    done = [call for call in alike if call.succeeded]
    call = wanted.name + (f" with {json.dumps(wanted.args, ensure_ascii=False)}" if wanted.args else "")
    if wanted.times is not None and len(done) != wanted.times:
        return f"{call} succeeded {len(done)} times, {wanted.times} expected"
    if not done:
        failed = next((f": {c.error[:SHOWN_CHARS]}" if c.error else ": it did not return" for c in alike), "")
        return f"{call} was called and did not succeed{failed}" if alike else f"{call} was not called"
    return _out_of_order(wanted, call, done, calls, answered_ms) if wanted.before is not None else ""


def _out_of_order(
    wanted: ExpectedTool, call: str, done: Sequence[ToolCall], calls: Sequence[ToolCall], answered_ms: float | None
) -> str:
    if wanted.before == BEFORE_REPLY:
        limits = [answered_ms] if answered_ms is not None else []
    else:
        limits = [c.started_ms for c in calls if c.name == wanted.before and c.started_ms is not None]
    ends = [c.ended_ms for c in done if c.ended_ms is not None]
    if not limits or (ends and min(ends) <= min(limits)):
        return ""
    late_ms = min(ends) - min(limits) if ends else 0.0
    what = "the reply began" if wanted.before == BEFORE_REPLY else f"{wanted.before} was called"
    return f"{call} returned {late_ms:.0f} ms after {what}"


def has_arguments(arguments: str, wanted: dict[str, Any]) -> bool:
    """Whether the JSON object in `arguments` has all of `wanted`, in objects within it as well."""
    if not wanted:
        return True
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return _has(given, wanted)


def _has(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(
            key in given and _has(given[key], value) for key, value in wanted.items()
        )
    return bool(given == wanted and isinstance(given, bool) == isinstance(wanted, bool))


def _say_do(expected: Expectation, calls: Sequence[ToolCall], said: str) -> Metric:
    if expected.say_do and not said:
        return no_number("count", NOT_PUBLISHED.format("its own speech"))
    broken: list[str] = []
    undecided = ""
    for pair in expected.say_do:
        try:
            broken += filter(None, [_contradiction(pair, calls, said)])
        except PatternTooSlowError as error:
            undecided = undecided or str(error)
    if undecided and not broken:
        return no_number("count", undecided)
    return number(len(broken), "count", reason=_with_calls(broken, calls))


def _contradiction(pair: SayDo, calls: Sequence[ToolCall], said: str) -> str:
    claimed = is_said(pair.says, said)
    done = any(call.name == pair.tool and call.succeeded for call in calls)
    if claimed and not done:
        return f"the agent says {pair.says!r}, and {pair.tool} did not succeed"
    if done and not claimed:
        return f"{pair.tool} succeeded, and the agent does not say {pair.says!r}"
    return ""


def _with_calls(why: list[str], calls: Sequence[ToolCall]) -> str:
    if not why:
        return ""
    called = ", ".join(_in_words(call) for call in calls[:SHOWN_CALLS]) or "nothing"
    more = f" and {len(calls) - SHOWN_CALLS} more" if len(calls) > SHOWN_CALLS else ""
    return f"{'; '.join(why)} (it called {called}{more})"


def _in_words(call: ToolCall) -> str:
    arguments = call.arguments if len(call.arguments) <= SHOWN_CHARS else call.arguments[:SHOWN_CHARS] + "…"
    end = "" if call.succeeded else f" → {call.error[:SHOWN_CHARS]}" if call.error else " → did not return"
    return f"{call.name}({arguments}){end}"
