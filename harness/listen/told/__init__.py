"""What an agent told of its turns by OpenTelemetry (spans.jsonl): replies with the times of their steps, in one shape.

`replies` has the shape, `livekit` and `pipecat` read the spans of each framework, `agent_clock` ties the agent's clock to ours.
"""
